//! A separate database for each unit test.

use std::str::FromStr;
use std::time::Duration;

use ironpxe_testkit::postgres::Postgres;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::row::Fields;
use super::statement::Statement;
use super::{Db, Limits, Location, Settings, upgrade};

/// A test's database; removed when dropped.
pub(crate) enum TestDb {
    /// A file in a directory.
    Sqlite(TempDir),
    /// A database on the server shared by all tests.
    Postgres(&'static Postgres, String),
}

impl TestDb {
    /// A file that does not exist yet.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    /// A database with the current schema; `None` without a server.
    pub(crate) async fn postgres() -> Option<Self> {
        // The schema is created once and then copied.
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let server = Postgres::shared()?;
        let template = TEMPLATE
            .get_or_init(|| async {
                let name = server.create_database(None).unwrap();
                upgrade(&location(&server.url(&name))).await.unwrap();
                name
            })
            .await;
        let name = server.create_database(Some(template)).unwrap();
        Some(Self::Postgres(server, name))
    }

    /// A database without a schema.
    pub(crate) fn empty_postgres() -> Option<Self> {
        let server = Postgres::shared()?;
        let name = server.create_database(None).unwrap();
        Some(Self::Postgres(server, name))
    }

    /// Where it is.
    pub(crate) fn location(&self) -> Location {
        match self {
            Self::Sqlite(folder) => Location::Sqlite(folder.path().join("ironpxe.sqlite")),
            Self::Postgres(server, name) => location(&server.url(name)),
        }
    }

    /// How to open it.
    pub(crate) fn settings(&self) -> Settings {
        settings(self.location())
    }

    /// Another handle.
    pub(crate) async fn open(&self) -> Db {
        Db::open(&self.settings()).await.unwrap()
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Self::Postgres(server, name) = self {
            // It is removed with the server anyway.
            let _ = server.drop_database(name);
        }
    }
}

fn location(url: &str) -> Location {
    Location::Postgres {
        options: Box::new(PgConnectOptions::from_str(url).unwrap()),
        name: url.replace("not-asked-for", "***"),
    }
}

fn settings(location: Location) -> Settings {
    Settings {
        location,
        limits: Limits {
            max_pool_size: 8,
            statement_timeout: Duration::from_secs(20),
        },
        heartbeat_timeout: Duration::from_mins(1),
    }
}

impl Db {
    /// Executes arbitrary SQL.
    pub(crate) async fn sql(&self, sql: &str) {
        let statement = Statement::assembled("tamper", sql.to_owned(), Vec::new());
        self.execute(statement).await.unwrap();
    }

    /// The result of `SELECT COUNT(*) FROM table`.
    pub(crate) async fn rows_of(&self, table: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let statement = Statement::assembled("count", sql, Vec::new());
        let count = self
            .first(statement, |fields: &mut Fields<'_>| fields.take::<i64>())
            .await;
        count.unwrap().unwrap()
    }
}

/// An empty embedded database in a directory that is removed with the second value.
pub(crate) async fn scratch() -> (Db, TempDir) {
    let folder = TempDir::new().unwrap();
    (open(&folder).await, folder)
}

/// Another handle on the database in `folder`.
pub(crate) async fn open(folder: &TempDir) -> Db {
    Db::open(&settings_in(folder)).await.unwrap()
}

/// How to open the database in `folder`.
pub(crate) fn settings_in(folder: &TempDir) -> Settings {
    settings(Location::Sqlite(folder.path().join("ironpxe.sqlite")))
}

/// Generates from each function `async fn name(site: TestDb)` the tests `sqlite::name` and
/// `postgres::name`. A function missing here is reported as dead code.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::db::testing::TestDb::sqlite()).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    // Without a server, a message was printed.
                    if let Some(site) = $crate::db::testing::TestDb::postgres().await {
                        super::$name(site).await;
                    }
                }
            )*
        }
    };
}
pub(crate) use on_both;
