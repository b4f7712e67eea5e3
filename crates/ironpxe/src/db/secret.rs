//! Generated secrets shared by all replicas.

use super::row::Fields;
use super::statement::Statement;
use super::{Db, DbError};
use crate::clock;

impl Db {
    /// The secret of this name. If there is none, `fresh` is stored; concurrent callers all get the
    /// same one.
    pub(crate) async fn secret(&self, name: &str, fresh: &str) -> Result<String, DbError> {
        if let Some(secret) = self.secret_get(name).await? {
            return Ok(secret);
        }
        let statement = Statement::new(
            "store a secret",
            "INSERT INTO secrets (name, value, created_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(fresh)
        .bind(clock::now());
        self.execute(statement).await?;
        // The first one stored.
        let secret = self.secret_get(name).await?;
        Ok(secret.unwrap_or_else(|| fresh.to_owned()))
    }

    async fn secret_get(&self, name: &str) -> Result<Option<String>, DbError> {
        let statement =
            Statement::new("read a secret", "SELECT value FROM secrets WHERE name = $1").bind(name);
        self.first(statement, |fields: &mut Fields<'_>| fields.take())
            .await
    }
}
