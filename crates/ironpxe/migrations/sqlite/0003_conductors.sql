-- What the roles know of each other: where a conductor answers, what it offers, and which of its
-- runs this is.
-- compatible-with: 2

ALTER TABLE conductors ADD COLUMN interfaces TEXT NOT NULL DEFAULT '[]';
ALTER TABLE conductors ADD COLUMN endpoint   TEXT NOT NULL DEFAULT '';
ALTER TABLE conductors ADD COLUMN run_id     TEXT NOT NULL DEFAULT '';
