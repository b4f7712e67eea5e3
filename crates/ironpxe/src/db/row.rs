//! Reads rows column by column, in the order of the query.

use ironpxe_core::JsonMap;
use serde::de::DeserializeOwned;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteRow, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Column, Decode, Encode, Postgres, Row as _, Sqlite, Type};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A row of either database.
#[derive(Clone, Copy)]
pub(super) enum Row<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

/// Maps a row to a value.
pub(super) type Read<T> = fn(&mut Fields<'_>) -> Result<T, sqlx::Error>;

/// Reads the columns of a row from first to last.
pub(crate) struct Fields<'r> {
    row: Row<'r>,
    next: usize,
    id: i64,
}

impl<'r> Fields<'r> {
    pub(super) fn of_sqlite(row: &'r SqliteRow) -> Self {
        Self::new(Row::Sqlite(row))
    }

    pub(super) fn of_postgres(row: &'r PgRow) -> Self {
        Self::new(Row::Postgres(row))
    }

    fn new(row: Row<'r>) -> Self {
        Self {
            row,
            next: 0,
            id: 0,
        }
    }

    /// The row's `id`, which comes first; included in errors about the other columns.
    pub(super) fn id(&mut self) -> Result<i64, sqlx::Error> {
        self.id = self.take()?;
        Ok(self.id)
    }

    /// The last `id` read.
    pub(super) fn last_id(&self) -> i64 {
        self.id
    }

    /// Skips the next column.
    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    /// The next column.
    pub(super) fn take<T>(&mut self) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        let index = self.next;
        self.next += 1;
        let read = match self.row {
            Row::Sqlite(row) => row.try_get(index),
            Row::Postgres(row) => row.try_get(index),
        };
        self.named(index, read)
    }

    /// The text of the next column, which has JSON.
    fn json_text(&mut self) -> Result<&'r str, sqlx::Error> {
        let index = self.next;
        self.next += 1;
        let read = match self.row {
            Row::Sqlite(row) => row.try_get(index),
            // Its type is JSON, not text; the wire format is the text.
            Row::Postgres(row) => row.try_get_unchecked(index),
        };
        self.named(index, read)
    }

    /// Adds column and row to an error.
    fn named<T>(&self, index: usize, read: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        read.map_err(|error| match error {
            sqlx::Error::ColumnDecode { source, .. } => self.unreadable(index, source),
            other => other,
        })
    }

    /// The next column as a text.
    pub(super) fn text(&mut self) -> Result<&'r str, sqlx::Error> {
        self.take()
    }

    /// The next column as an optional text.
    pub(super) fn optional_text(&mut self) -> Result<Option<&'r str>, sqlx::Error> {
        self.take()
    }

    /// The next column, which holds a time.
    pub(super) fn time(&mut self) -> Result<OffsetDateTime, sqlx::Error> {
        self.take::<Timestamp>().map(|time| time.0)
    }

    /// The next column as an optional time.
    pub(super) fn optional_time(&mut self) -> Result<Option<OffsetDateTime>, sqlx::Error> {
        Ok(self.take::<Option<Timestamp>>()?.map(|time| time.0))
    }

    /// The next column as a JSON object. Most are empty.
    pub(super) fn map(&mut self) -> Result<JsonMap, sqlx::Error> {
        let index = self.next;
        match self.json_text()? {
            "{}" => Ok(JsonMap::new()),
            text => self.parsed(index, text),
        }
    }

    /// The next column as any other JSON value.
    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T, sqlx::Error> {
        let index = self.next;
        let text = self.json_text()?;
        self.parsed(index, text)
    }

    /// The next column as a name known to `parse`.
    pub(super) fn parse<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, sqlx::Error> {
        let index = self.next;
        let text = self.text()?;
        parse(text).ok_or_else(|| self.unreadable(index, format!("unknown value {text:?}").into()))
    }

    fn parsed<T: DeserializeOwned>(&self, index: usize, text: &str) -> Result<T, sqlx::Error> {
        serde_json::from_str(text).map_err(|error| self.unreadable(index, error.into()))
    }

    fn unreadable(&self, index: usize, source: sqlx::error::BoxDynError) -> sqlx::Error {
        let column = match self.row {
            Row::Sqlite(row) => row.columns().get(index).map(Column::name),
            Row::Postgres(row) => row.columns().get(index).map(Column::name),
        };
        let column = column.unwrap_or("?");
        sqlx::Error::ColumnDecode {
            index: format!("{column} of row {}", self.id),
            source,
        }
    }
}

/// A timestamp as stored. In `SQLite` it is a text: UTC, always with six fractional digits, so that
/// it sorts by time. (The format of `sqlx` has as many digits as needed, and does not.)
/// `PostgreSQL` has a timestamp type, also with microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp(pub(super) OffsetDateTime);

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

impl Type<Sqlite> for Timestamp {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl<'q> Encode<'q, Sqlite> for Timestamp {
    fn encode_by_ref(
        &self,
        buffer: &mut <Sqlite as sqlx::Database>::ArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        let text = self.0.to_offset(time::UtcOffset::UTC).format(FORMAT)?;
        <String as Encode<'q, Sqlite>>::encode(text, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Timestamp {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        let text = <&str as Decode<'r, Sqlite>>::decode(value)?;
        Ok(Self(OffsetDateTime::parse(text, &Rfc3339)?))
    }
}

impl Type<Postgres> for Timestamp {
    fn type_info() -> PgTypeInfo {
        <OffsetDateTime as Type<Postgres>>::type_info()
    }
}

impl<'q> Encode<'q, Postgres> for Timestamp {
    fn encode_by_ref(
        &self,
        buffer: &mut <Postgres as sqlx::Database>::ArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        <OffsetDateTime as Encode<'q, Postgres>>::encode(self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Timestamp {
    fn decode(value: PgValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        <OffsetDateTime as Decode<'r, Postgres>>::decode(value).map(Self)
    }
}

/// JSON as text, which is how both databases store it: `PostgreSQL`'s `jsonb`, which `sqlx` would
/// use, reorders keys and rejects `\u0000`.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonText<'t>(pub(super) &'t str);

/// `PostgreSQL`'s type `json` (`src/include/catalog/pg_type.dat`).
const JSON: Oid = Oid(114);

impl Type<Sqlite> for JsonText<'_> {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl<'q> Encode<'q, Sqlite> for JsonText<'_> {
    fn encode_by_ref(
        &self,
        buffer: &mut <Sqlite as sqlx::Database>::ArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        <String as Encode<'q, Sqlite>>::encode(self.0.to_owned(), buffer)
    }
}

impl Type<Postgres> for JsonText<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(JSON)
    }
}

impl<'q> Encode<'q, Postgres> for JsonText<'_> {
    fn encode_by_ref(
        &self,
        buffer: &mut <Postgres as sqlx::Database>::ArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        <&str as Encode<'q, Postgres>>::encode(self.0, buffer)
    }
}
