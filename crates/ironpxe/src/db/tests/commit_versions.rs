//! Whether anything was committed, as `PostgreSQL` shows it: never missed, whatever transactions are open.

use std::str::FromStr;
use std::time::Duration;

use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_testkit::postgres::Postgres;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};

use crate::db::{CommitVersion, Db, Limits, Location, Settings, upgrade};
use crate::{clock, ident};

/// A session beside the program's.
struct Session(PgConnection);

impl Session {
    async fn at(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).unwrap();
        Self(PgConnection::connect_with(&options).await.unwrap())
    }

    async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.0).await.unwrap();
    }
}

/// A server on which nothing else happens, with a node in a database.
struct PostgresFixture {
    db: Db,
    node: NodeUuid,
    url: String,
    server: Postgres,
}

impl PostgresFixture {
    /// `None` where there is no server, which was said then.
    async fn new() -> Option<Self> {
        Postgres::shared()?;
        let server = Postgres::start_with(&["autovacuum=off"]).unwrap();
        let url = server.url(&server.create_database(None).unwrap());
        let location = Location::Postgres {
            options: Box::new(PgConnectOptions::from_str(&url).unwrap()),
            name: "a database".to_owned(),
        };
        upgrade(&location).await.unwrap();
        let settings = Settings {
            location,
            // All the connections that there will be are made by the first query.
            limits: Limits {
                max_pool_size: 1,
                statement_timeout: Duration::from_secs(20),
            },
            heartbeat_timeout: Duration::from_mins(1),
        };
        let db = Db::open(&settings).await.unwrap();
        let node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
        db.node_create(&node).await.unwrap();
        Some(Self {
            db,
            node: node.uuid,
            url,
            server,
        })
    }

    async fn session(&self) -> Session {
        Session::at(&self.url).await
    }
}

async fn version(db: &Db) -> CommitVersion {
    db.fetch_commit_version().await.unwrap().unwrap()
}

/// The version that the node's row and revision were read at, which must be the same.
async fn version_read(db: &Db, node: NodeUuid) -> (CommitVersion, Node) {
    let ident = BootIdent::Node(node);
    let mut rows = db.boot_rows(&[ident]).await.unwrap();
    let revisions = db.boot_revisions(&[ident]).await.unwrap();
    let read = rows.found.remove(&ident).unwrap();
    assert_eq!(revisions.found[&ident], read.revisions);
    assert_eq!(rows.version, revisions.version);
    (rows.version.unwrap(), read.node)
}

/// Every change of the node that is committed is another version; nothing else must be, but may.
const CHANGE: &str = "UPDATE nodes SET name = 'n' || revision, revision = revision + 1";

#[tokio::test]
async fn version_read_with_rows_is_current_until_the_next_commit() {
    let Some(stand) = PostgresFixture::new().await else {
        return;
    };
    let PostgresFixture { db, node, .. } = &stand;
    let mut other = stand.session().await;
    let (mut last, _) = version_read(db, *node).await;
    for _ in 0..5 {
        assert_eq!(version(db).await, last, "nothing was committed");
        other.run(CHANGE).await;
        let now = version(db).await;
        assert_ne!(now, last);
        last = now;
        assert_eq!(version_read(db, *node).await.0, last);
    }
    other.run(&format!("BEGIN; {CHANGE}; ROLLBACK")).await;
    let (_, node_then) = version_read(db, *node).await;
    assert_eq!(node_then.name.as_deref(), Some("n4"));
}

/// A transaction that is open at both looks, and one that began before the first and ends between them.
#[tokio::test]
async fn transaction_open_across_both_reads_hides_no_commit() {
    let Some(stand) = PostgresFixture::new().await else {
        return;
    };
    let PostgresFixture { db, node, .. } = &stand;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(stand.session().await);
    }
    let [open, first, second] = sessions.as_mut_slice() else {
        panic!("three")
    };
    // Each has its id before the first look; the oldest one stays.
    open.run("BEGIN; CREATE TABLE left_open ()").await;
    first.run(&format!("BEGIN; {CHANGE}")).await;
    second.run("BEGIN; CREATE TABLE second ()").await;
    let (before, seen) = version_read(db, *node).await;
    assert_eq!(version(db).await, before);
    assert_eq!(seen.name, None);

    first.run("COMMIT").await;
    let between = version(db).await;
    assert_ne!(between, before, "an id in the middle has left");
    assert_eq!(version_read(db, *node).await.1.name.as_deref(), Some("n0"));
    second.run(&format!("{CHANGE}; COMMIT")).await;
    let after = version(db).await;
    assert_ne!(after, between, "the newest id has left");
    assert_eq!(version_read(db, *node).await.1.name.as_deref(), Some("n1"));
    // One that has no id yet at the first look, and is older than any.
    let mut late = stand.session().await;
    late.run("BEGIN; SELECT 1").await;
    let before = version(db).await;
    late.run(&format!("{CHANGE}; COMMIT")).await;
    assert_ne!(version(db).await, before);
    open.run("COMMIT").await;
}

#[tokio::test]
async fn subtransaction_changes_the_version_only_with_its_transaction() {
    let Some(stand) = PostgresFixture::new().await else {
        return;
    };
    let PostgresFixture { db, node, .. } = &stand;
    let mut other = stand.session().await;
    // More than a backend shows to others one by one (64), so that they overflow, too.
    for savepoints in [1, 100] {
        other.run("BEGIN").await;
        for number in 0..savepoints {
            other.run(&format!("SAVEPOINT s{number}; {CHANGE}")).await;
        }
        other
            .run(&format!("SAVEPOINT lost; {CHANGE}; ROLLBACK TO lost"))
            .await;
        let (before, hidden) = version_read(db, *node).await;
        other.run("RELEASE s0").await;
        let (released, still) = version_read(db, *node).await;
        assert_eq!(
            (released, &still),
            (before, &hidden),
            "nothing was committed"
        );
        other.run("COMMIT").await;
        assert_ne!(version(db).await, released);
        let (_, shown) = version_read(db, *node).await;
        assert_ne!(shown.name, hidden.name);
    }
}

/// Ids are the server's, not the database's: a neighbour costs proofs, and makes no wrong ones.
#[tokio::test]
async fn commits_in_another_database_hide_no_commit() {
    let Some(stand) = PostgresFixture::new().await else {
        return;
    };
    let PostgresFixture { db, node, .. } = &stand;
    let neighbour = stand.server.create_database(None).unwrap();
    let mut noise = Session::at(&stand.server.url(&neighbour)).await;
    noise.run("CREATE TABLE noise (n int)").await;
    let stop = tokio_util::sync::CancellationToken::new();
    let stopped = stop.clone();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    let noise = tokio::spawn(async move {
        let mut commits = 0;
        while !stopped.is_cancelled() {
            noise.run("INSERT INTO noise VALUES (1)").await;
            commits += 1;
        }
        commits
    });
    let mut other = stand.session().await;
    for round in 0..100 {
        let ident = BootIdent::Node(*node);
        let before = db.boot_rows(&[ident]).await.unwrap().version.unwrap();
        other.run(CHANGE).await;
        assert_ne!(version(db).await, before, "round {round}");
    }
    stop.cancel();
    assert!(noise.await.unwrap() > 0);
}

/// After a crash of the server, ids whose log was lost may be given again; so a version does not outlive
/// the connections.
#[tokio::test]
async fn version_expires_with_its_connections() {
    let Some(stand) = PostgresFixture::new().await else {
        return;
    };
    let PostgresFixture { db, node, .. } = &stand;
    let (before, _) = version_read(db, *node).await;
    assert_eq!(version(db).await, before);
    let mut other = stand.session().await;
    other
        .run(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    // The first query finds out, and is sent again.
    let after = tokio::time::timeout(Duration::from_mins(1), version(db)).await;
    assert_ne!(after.unwrap(), before, "no commit, and another connection");
}
