"""Commits changes to the database of an Ironic as Ironic does, by SQLAlchemy.

Its argument is the database's URL. Each line of its input is the UUID of a node and the node's new
instance_info; each is answered by a line once it is committed.
"""

import sys

import sqlalchemy

CHANGE = sqlalchemy.text("UPDATE nodes SET instance_info = :info WHERE uuid = :uuid")

with sqlalchemy.create_engine(sys.argv[1]).connect() as connection:
    for line in sys.stdin:
        uuid, info = line.rstrip("\n").split(" ", 1)
        changed = connection.execute(CHANGE, {"uuid": uuid, "info": info}).rowcount
        connection.commit()
        print(changed, flush=True)
