//! A database of its own for each unit test of this crate.

use std::str::FromStr;
use std::time::Duration;

use ironpxe_testkit::postgres::Postgres;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::row::Fields;
use super::statement::Statement;
use super::{Db, Limits, Location, Settings, upgrade};

/// Where a test's database is. It goes when this is dropped.
pub(crate) enum Site {
    /// A file in a folder.
    Sqlite(TempDir),
    /// A database of the server that all tests share.
    Postgres(&'static Postgres, String),
}

impl Site {
    /// A file that is not there yet.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    /// A database with all its tables; `None` where there is no server.
    pub(crate) async fn postgres() -> Option<Self> {
        // Tables are made once, and then copied.
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

    /// A database without tables.
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

    /// One more handle on it.
    pub(crate) async fn open(&self) -> Db {
        Db::open(&self.settings()).await.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Self::Postgres(server, name) = self {
            // It goes with the server in any case.
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
    /// Does to the database what no function does.
    pub(crate) async fn sql(&self, sql: &str) {
        let statement = Statement::assembled("tamper", sql.to_owned(), Vec::new());
        self.execute(statement).await.unwrap();
    }

    /// What `SELECT COUNT(*) FROM table` says.
    pub(crate) async fn rows_of(&self, table: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let statement = Statement::assembled("count", sql, Vec::new());
        let count = self
            .first(statement, |fields: &mut Fields<'_>| fields.take::<i64>())
            .await;
        count.unwrap().unwrap()
    }
}

/// An empty embedded database in a folder that goes with the second value.
pub(crate) async fn scratch() -> (Db, TempDir) {
    let folder = TempDir::new().unwrap();
    (open(&folder).await, folder)
}

/// One more handle on the database in `folder`.
pub(crate) async fn open(folder: &TempDir) -> Db {
    Db::open(&settings_in(folder)).await.unwrap()
}

/// How to open the database in `folder`.
pub(crate) fn settings_in(folder: &TempDir) -> Settings {
    settings(Location::Sqlite(folder.path().join("ironpxe.sqlite")))
}

/// Makes of each function `async fn name(site: Site)` the tests `sqlite::name` and
/// `postgres::name`. A function that is missing here is dead code, and the compiler says so.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::db::testing::Site::sqlite()).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    // Where there is no server, it has said so.
                    if let Some(site) = $crate::db::testing::Site::postgres().await {
                        super::$name(site).await;
                    }
                }
            )*
        }
    };
}
pub(crate) use on_both;
