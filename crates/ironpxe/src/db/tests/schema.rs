//! The versions of the tables: who starts on which, and what a migration may do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ironpxe_core::error::Fault;

use super::super::schema::mark;
use super::super::testing::{TestDb, on_both};
use super::super::{Compatibility, Db, DbError, schema_status, upgrade};
use super::changes::count;
use super::{full_node, node, port};

on_both! {
    a_newer_version_is_worked_with_if_it_says_so,
    a_newer_version_is_refused_if_it_does_not,
    a_migration_of_another_form_is_refused,
    the_status_is_told,
}

/// As if a later release had brought the tables to a version of its own.
async fn later_release(db: &Db, compatible_with: Option<i64>) -> i64 {
    db.sql("ALTER TABLE nodes ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")
        .await;
    db.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9999, 'colours', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
    )
    .await;
    if let Some(version) = compatible_with {
        db.sql(&format!(
            "INSERT INTO schema_compat (version, compatible_with) VALUES (9999, {version})"
        ))
        .await;
    }
    9999
}

async fn newest(site: &TestDb) -> i64 {
    schema_status(&site.location()).await.unwrap().executable
}

async fn a_newer_version_is_worked_with_if_it_says_so(site: TestDb) {
    let db = site.open().await;
    let before = full_node();
    db.node_create(&before).await.unwrap();
    later_release(&db, Some(newest(&site).await)).await;

    // The program that runs goes on, and one that starts now works too.
    for db in [db, site.open().await] {
        assert_eq!(
            db.node_get(before.uuid).await.unwrap().unwrap().driver,
            before.driver
        );
        let created = node();
        db.node_create(&created).await.unwrap();
        count(&db, created.uuid).await.unwrap();
        let port = port(&created, 1);
        db.port_create(&port).await.unwrap();
        let (found, _) = db.node_get_by_address(port.address).await.unwrap().unwrap();
        assert_eq!(found.revision, 1);
        db.node_destroy(created.uuid, |_| Ok(())).await.unwrap();
    }
    let status = schema_status(&site.location()).await.unwrap();
    assert!(
        matches!(
            status.compatibility,
            Compatibility::Newer {
                compatible: true,
                ..
            }
        ),
        "{status:?}"
    );
    assert_eq!(upgrade(&site.location()).await.unwrap(), []);
}

async fn a_newer_version_is_refused_if_it_does_not(site: TestDb) {
    let db = site.open().await;
    later_release(&db, None).await;
    db.close().await;
    let refused = |error: DbError| {
        let text = error.to_string();
        assert!(
            text.contains("version 9999") && text.contains("upgrade ironpxe"),
            "{text}"
        );
    };
    refused(Db::open(&site.settings()).await.unwrap_err());
    refused(upgrade(&site.location()).await.unwrap_err());
}

async fn a_migration_of_another_form_is_refused(site: TestDb) {
    let db = site.open().await;
    db.sql(
        "UPDATE _sqlx_migrations SET checksum = \
         (SELECT checksum FROM _sqlx_migrations WHERE version = 2) WHERE version = 1",
    )
    .await;
    db.close().await;
    for error in [
        Db::open(&site.settings()).await.unwrap_err(),
        upgrade(&site.location()).await.unwrap_err(),
    ] {
        assert!(error.to_string().starts_with("migration 1 of "), "{error}");
    }
}

async fn the_status_is_told(site: TestDb) {
    let db = site.open().await;
    let status = schema_status(&site.location()).await.unwrap();
    assert_eq!(status.compatibility, Compatibility::Current);
    assert_eq!(status.here, Some(status.executable));
    let newest = status.executable;
    db.sql(&format!(
        "DELETE FROM _sqlx_migrations WHERE version = {newest}"
    ))
    .await;
    let status = schema_status(&site.location()).await.unwrap();
    let pending: Vec<i64> = status.pending().iter().map(|it| it.version).collect();
    assert_eq!(pending, [newest]);
}

#[tokio::test]
async fn every_migration_of_a_missing_file_is_pending() {
    let site = TestDb::sqlite();
    let status = schema_status(&site.location()).await.unwrap();
    assert_eq!(status.here, None);
    assert_eq!(
        i64::try_from(status.pending().len()).unwrap(),
        status.executable
    );
    // And it is still not there.
    let TestDb::Sqlite(folder) = &site else {
        panic!()
    };
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let done = upgrade(&site.location()).await.unwrap();
    assert_eq!(done, status.pending());
    site.open().await;
}

#[tokio::test]
async fn server_schema_is_upgraded_only_on_request() {
    let Some(site) = TestDb::empty_postgres() else {
        return;
    };
    let error = Db::open(&site.settings()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("run `ironpxe db upgrade`"),
        "{error}"
    );
    let Fault::Internal(text) = Fault::from(error) else {
        panic!()
    };
    assert!(!text.contains("not-asked-for"), "{text}");
    // Several at once: one does it, the others find it done.
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let location = site.location();
        tasks.spawn(async move { upgrade(&location).await.unwrap().len() });
    }
    let done: BTreeSet<usize> = tasks.join_all().await.into_iter().collect();
    let all = usize::try_from(newest(&site).await).unwrap();
    assert_eq!(done, BTreeSet::from([0, all]));
    site.open().await.node_create(&full_node()).await.unwrap();
}

/// Table and column → whether it may be empty.
type Columns = BTreeMap<(String, String), bool>;

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let Some(postgres) = TestDb::postgres().await else {
        return;
    };
    let sqlite = TestDb::sqlite();
    let of_sqlite = columns(
        &sqlite.open().await,
        "SELECT tables.name, columns.name, columns.\"notnull\" = 0 AND columns.pk = 0 \
         FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS columns \
         WHERE tables.type = 'table'",
    )
    .await;
    let of_postgres = columns(
        &postgres.open().await,
        "SELECT table_name::text, column_name::text, is_nullable = 'YES' \
         FROM information_schema.columns WHERE table_schema = 'public'",
    )
    .await;
    assert!(of_sqlite.len() > 80, "{of_sqlite:?}");
    assert_eq!(of_sqlite, of_postgres);
}

async fn columns(db: &Db, sql: &'static str) -> Columns {
    let statement = super::super::statement::Statement::new("list columns", sql);
    let rows = db
        .all(statement, |fields| {
            Ok((
                (fields.take::<String>()?, fields.take::<String>()?),
                fields.take::<bool>()?,
            ))
        })
        .await
        .unwrap();
    let ours = |table: &str| !table.starts_with("sqlite_") && !table.starts_with("_sqlx");
    rows.into_iter()
        .filter(|((table, _), _)| ours(table))
        .collect()
}

/// The first migration to which the rules below apply: older ones were there before them.
const RULES_SINCE: i64 = 3;

fn migrations(database: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(database);
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn version(name: &str) -> i64 {
    name.split('_').next().unwrap().parse().unwrap()
}

/// What a migration must not do (`docs/adr/0006-expand-and-contract.md`).
fn objections(version: i64, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let compatible = match mark(text) {
        Some(mark) if (1..=version).contains(&mark) => mark < version,
        Some(mark) => {
            wrong.push(format!("it cannot be compatible with {mark}"));
            false
        }
        None => {
            wrong.push("it does not say `-- compatible-with: N` in its first lines".to_owned());
            false
        }
    };
    let code: String = text
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .flat_map(|line| [line, " "])
        .collect();
    let mut new_tables = BTreeSet::new();
    for statement in code.split(';') {
        let words: Vec<String> = statement
            .split_whitespace()
            .map(str::to_uppercase)
            .collect();
        let sql = words.join(" ");
        if let Some(rest) = sql.strip_prefix("CREATE TABLE ") {
            new_tables.extend(rest.split(' ').next().map(str::to_owned));
            continue;
        }
        for column in sql.split("ADD COLUMN ").skip(1) {
            let column = column.split(',').next().unwrap_or_default();
            if column.contains("NOT NULL") && !column.contains("DEFAULT") {
                wrong.push(format!(
                    "a column that an older program does not fill needs a DEFAULT: {column}"
                ));
            }
        }
        if !compatible {
            continue;
        }
        let on_new_table = words
            .iter()
            .skip_while(|word| *word != "ON")
            .nth(1)
            .is_some_and(|table| new_tables.contains(table));
        if sql.starts_with("CREATE UNIQUE INDEX") && !on_new_table {
            wrong.push(format!(
                "an older program does not keep to a new rule: {sql}"
            ));
        }
        for word in [
            "DROP ",
            "RENAME ",
            "ALTER COLUMN ",
            "ADD CONSTRAINT ",
            "SET NOT NULL",
        ] {
            if sql.contains(word) {
                wrong.push(format!(
                    "an older program relies on what this changes: {sql}"
                ));
            }
        }
    }
    wrong
}

#[test]
fn migrations_only_expand_or_are_marked() {
    let mut wrong = Vec::new();
    let (sqlite, postgres) = (migrations("sqlite"), migrations("postgres"));
    assert_eq!(
        sqlite.keys().collect::<Vec<_>>(),
        postgres.keys().collect::<Vec<_>>(),
        "each migration is needed for both databases, under the same name"
    );
    for (name, text) in &sqlite {
        let other = postgres.get(name).unwrap();
        if mark(text) != mark(other) {
            wrong.push(format!(
                "{name}: the two say different things of themselves"
            ));
        }
        for text in [text, other] {
            if version(name) >= RULES_SINCE {
                let found = objections(version(name), text).into_iter();
                wrong.extend(found.map(|it| format!("{name}: {it}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn forbidden_migration_statements_are_found() {
    let good = [
        "-- compatible-with: 2\nALTER TABLE nodes ADD COLUMN a TEXT;",
        "-- Words.\n-- compatible-with: 2\nALTER TABLE nodes ADD COLUMN a TEXT NOT NULL DEFAULT '';",
        "-- compatible-with: 2\nCREATE TABLE t (a TEXT NOT NULL);\nCREATE UNIQUE INDEX i ON t (a);",
        "-- compatible-with: 3\nALTER TABLE nodes DROP COLUMN a;",
    ];
    for text in good {
        assert_eq!(objections(3, text), [] as [String; 0], "{text}");
    }
    let bad = [
        "ALTER TABLE nodes ADD COLUMN a TEXT;",
        "-- compatible-with: 4\nALTER TABLE nodes ADD COLUMN a TEXT;",
        "-- compatible-with: 3\nALTER TABLE nodes ADD COLUMN a TEXT NOT NULL;",
        "-- compatible-with: 2\nALTER TABLE nodes DROP COLUMN a;",
        "-- compatible-with: 2\nALTER TABLE nodes\n  RENAME COLUMN a TO b;",
        "-- compatible-with: 2\nALTER TABLE nodes ALTER COLUMN a TYPE BIGINT;",
        "-- compatible-with: 2\nCREATE UNIQUE INDEX i ON nodes (owner);",
    ];
    for text in bad {
        assert_eq!(objections(3, text).len(), 1, "{text}");
    }
}

/// A program is handed columns that a later release added if it asks for all there are.
#[test]
fn queries_name_their_columns() {
    let mut seen = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/db");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("SELECT *"), "{}", path.display());
        for (at, _) in text.match_indices("INSERT INTO ") {
            seen += 1;
            let rest = text.get(at..).unwrap();
            let (before_values, _) = rest.split_once("VALUES").unwrap();
            assert!(before_values.contains('('), "{}", path.display());
        }
    }
    assert!(seen >= 5, "only {seen} statements were found");
}
