//! Reading rows, column by column, in the order in which a query names them.

use ironpxe_core::JsonMap;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteRow, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Column, Decode, Encode, Row, Sqlite, Type};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Takes the columns of a row, first to last.
pub(super) struct Fields<'r> {
    row: &'r SqliteRow,
    next: usize,
    id: i64,
}

impl<'r> Fields<'r> {
    pub(super) fn new(row: &'r SqliteRow) -> Self {
        Self {
            row,
            next: 0,
            id: 0,
        }
    }

    /// The row's `id`, which stands first. Errors about the columns that follow tell it.
    pub(super) fn id(&mut self) -> Result<(), sqlx::Error> {
        self.id = self.take()?;
        Ok(())
    }

    /// The next column.
    pub(super) fn take<T>(&mut self) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|error| match error {
            sqlx::Error::ColumnDecode { source, .. } => self.unreadable(index, source),
            other => other,
        })
    }

    /// The next column, which holds a word.
    pub(super) fn text(&mut self) -> Result<&'r str, sqlx::Error> {
        self.take()
    }

    /// The next column, which may hold a word.
    pub(super) fn optional_text(&mut self) -> Result<Option<&'r str>, sqlx::Error> {
        self.take()
    }

    /// The next column, which holds a time.
    pub(super) fn time(&mut self) -> Result<OffsetDateTime, sqlx::Error> {
        self.take::<Timestamp>().map(|time| time.0)
    }

    /// The next column, which may hold a time.
    pub(super) fn optional_time(&mut self) -> Result<Option<OffsetDateTime>, sqlx::Error> {
        Ok(self.take::<Option<Timestamp>>()?.map(|time| time.0))
    }

    /// The next column, which holds a JSON object. Most are empty.
    pub(super) fn map(&mut self) -> Result<JsonMap, sqlx::Error> {
        let index = self.next;
        match self.text()? {
            "{}" => Ok(JsonMap::new()),
            text => self.parsed(index, text),
        }
    }

    /// The next column, which holds any other JSON.
    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T, sqlx::Error> {
        let index = self.next;
        let text = self.text()?;
        self.parsed(index, text)
    }

    /// The next column, which holds a word that `parse` knows.
    pub(super) fn parse<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, sqlx::Error> {
        let index = self.next;
        let text = self.text()?;
        parse(text).ok_or_else(|| self.unreadable(index, format!("what is {text:?}?").into()))
    }

    fn parsed<T: DeserializeOwned>(&self, index: usize, text: &str) -> Result<T, sqlx::Error> {
        serde_json::from_str(text).map_err(|error| self.unreadable(index, error.into()))
    }

    fn unreadable(&self, index: usize, source: sqlx::error::BoxDynError) -> sqlx::Error {
        let column = self
            .row
            .columns()
            .get(index)
            .map_or("?", |column| column.name());
        sqlx::Error::ColumnDecode {
            index: format!("{column} of row {}", self.id),
            source,
        }
    }
}

/// A time as the database keeps it: UTC, always six fractional digits, so that times sort as
/// texts. (The form `sqlx` would write has as many digits as needed, and does not.)
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
