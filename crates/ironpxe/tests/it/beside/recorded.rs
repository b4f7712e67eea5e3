//! The recorded database of a real Ironic, on a real MariaDB server.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::{Ironic, Reply};
use ironpxe_testkit::mariadb::{self, Mariadb};
use ironpxe_testkit::server::{Server, ServerOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::app::eventually;

pub(super) fn recorded(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/ironic-db");
    folder.join(name)
}

/// The same nodes in a file of SQLite.
fn sqlite(file: &Path) -> Result<()> {
    let text = fs::read_to_string(recorded("sqlite.sql"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true);
        let mut connection = options.foreign_keys(false).connect().await?;
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut connection)
            .await?;
        connection.close().await
    })?;
    Ok(())
}

/// ironpxe with this `[beside]source` and `connection`.
pub(super) fn start(folder: &Path, source: &str, connection: &str) -> Result<(Server, Ironic)> {
    let file = folder.join(format!("{source}.toml"));
    let text = format!(
        "[beside]\nsource = \"{source}\"\nconnection = \"{connection}\"\n\
         api_url = \"http://192.0.2.1:6385\"\non_refusal = \"refuse\"\n\
         [conductor]\n\
         deploy_kernel = \"http://192.0.2.20:8090/deploy.kernel\"\n\
         deploy_ramdisk = \"http://192.0.2.20:8090/deploy.initramfs\"\n\
         rescue_kernel = \"http://192.0.2.20:8090/rescue.kernel\"\n\
         rescue_ramdisk = \"http://192.0.2.20:8090/rescue.initramfs\"\n"
    );
    fs::write(&file, text)?;
    let server = crate::app::start(&ServerOptions::default().config(file))?;
    let client = Ironic::new(server.base_url())?;
    Ok((server, client))
}

/// What a machine gets, without what differs at every request.
fn boot(client: &Ironic, mac: &str) -> Result<(u16, String)> {
    let Reply { status, text, .. } =
        client.get_as_firmware(&format!("/v1/boot/{mac}/boot.ipxe"))?;
    let words = text.split_inclusive([' ', '\n']);
    Ok((
        status,
        words.filter(|word| !word.contains("req-")).collect(),
    ))
}

#[test]
fn mariadb_and_sqlite_give_the_same_script_for_every_node() -> Result<()> {
    if mariadb::program().is_err() {
        // It says so.
        ensure!(Mariadb::shared().is_none());
        return Ok(());
    }
    let mariadb = Mariadb::start()?;
    let database = mariadb.create_database()?;
    mariadb.sql_file(&database, &recorded("mariadb.sql"))?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ironic.sqlite");
    sqlite(&file)?;
    let url = format!("sqlite:///{}", file.display());
    let (_sqlite_server, from_sqlite) = start(folder.path(), "sqlite", &url)?;
    let (_mariadb_server, from_mariadb) =
        start(folder.path(), "mysql", &mariadb.reader(&database))?;

    let addresses = mariadb.sql(&database, "SELECT address FROM ports ORDER BY address")?;
    let mut scripts = 0;
    for mac in addresses.lines() {
        let (theirs, sqlite) = (boot(&from_mariadb, mac)?, boot(&from_sqlite, mac)?);
        ensure!(theirs == sqlite, "{mac}: {theirs:#?} {sqlite:#?}");
        scripts += usize::from(theirs.1.contains("\nkernel "));
    }
    ensure!(scripts > 20, "{scripts} of {addresses}");

    // A committed change is seen by the next request.
    let mac = addresses.lines().next().context("no port")?;
    let before = boot(&from_mariadb, mac)?;
    mariadb.sql(
        &database,
        &format!(
            "UPDATE nodes JOIN ports ON ports.node_id = nodes.id SET provision_state = 'available' \
             WHERE ports.address = '{mac}'"
        ),
    )?;
    let after = boot(&from_mariadb, mac)?;
    ensure!(
        before != after && after.1.contains("available"),
        "{after:?}"
    );

    // Without its database it knows nothing, and says so; then it goes on.
    mariadb.kill()?;
    let (status, script) = boot(&from_mariadb, mac)?;
    ensure!(status == 503, "{status} {script}");
    mariadb.restart()?;
    eventually("the script is there again", || {
        Ok(boot(&from_mariadb, mac)? == after)
    })
}
