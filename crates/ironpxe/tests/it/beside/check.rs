//! `ironpxe beside check` on the recorded database of a real Ironic, and the files it wrote.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::{Answer, ImageServer};
use ironpxe_testkit::mariadb::Mariadb;
use ironpxe_testkit::openstack::faulty::{Fault, FaultyCloud};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::app;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/ironic-db");
const CORE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../ironpxe-core/tests/oracle/ironic-db"
);
/// Ironic's API and the conductor's web server, as they were recorded.
const API_URL: &str = "http://192.0.2.1:6385";
const HTTP_URL: &str = "http://192.0.2.10:8088";
const IRONIC: &str = r#"{"name": "OpenStack Ironic API", "versions": [{"id": "v1"}]}"#;
/// The machines that boot something else on purpose.
const KNOWN: [&str; 3] = ["bm-adopted", "bm-ports", "bm-rescue"];

/// An Ironic that was recorded: its database, the web server of its conductor, its API's root.
struct Recorded {
    folder: tempfile::TempDir,
    web: ImageServer,
    api: ImageServer,
    /// The nodes whose files were not recorded.
    frozen: Vec<String>,
    /// The other nodes.
    comparable: Vec<String>,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Recorded {
    async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let recorded = Self {
            web: ImageServer::start()?,
            api: ImageServer::start()?,
            frozen: Vec::new(),
            comparable: Vec::new(),
            folder,
        };
        let dump = std::fs::read_to_string(format!("{ROOT}/sqlite.sql"))?;
        recorded.change(&dump).await?;
        recorded.api.serve("/", IRONIC.as_bytes());
        recorded.with_files()
    }

    /// Serves the files that Ironic wrote, one for each port.
    fn with_files(mut self) -> Result<Self> {
        let read = |name: &str| -> Result<BTreeMap<String, Value>> {
            let text = std::fs::read_to_string(format!("{CORE}/{name}"))?;
            Ok(serde_json::from_str(&text)?)
        };
        let (files, nodes) = (read("ironic-files.json")?, read("rest.json")?);
        for (name, file) in files {
            if file.is_string() {
                self.frozen.push(name);
                continue;
            }
            let node = nodes.get(&name).context("no such node")?;
            let ports = node["ports_detail"].as_object().context("no ports")?;
            for mac in ports.keys().filter(|_| file.is_object()) {
                self.web.serve(&path(mac), self.text_of(&file).into_bytes());
            }
            // One has no name.
            let uuid = node
                .pointer("/node/uuid")
                .and_then(Value::as_str)
                .context("no UUID")?;
            self.comparable.push(uuid.to_owned());
        }
        Ok(self)
    }

    /// A file of Ironic, with the web server and the API of this test.
    fn text_of(&self, file: &Value) -> String {
        let lines = file["lines"].as_array().into_iter().flatten();
        let lines: Vec<&str> = lines.filter_map(Value::as_str).collect();
        let lines = lines.join("\n").replace(HTTP_URL, &self.web.local_url(""));
        let lines = lines.replace(API_URL, &self.api.local_url(""));
        let section = file["goes_to"].as_str().unwrap_or_default();
        format!(
            "#!ipxe\n\ngoto {section}\n\n:{section}\nimgfree\n{lines}\nboot\n\n:retry\ngoto x\n"
        )
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("ironic.sqlite")
    }

    /// Executes statements on the database.
    async fn change(&self, statements: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        let statements = sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned()));
        statements.execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    async fn connect(&self) -> Result<SqliteConnection> {
        let options = SqliteConnectOptions::new()
            .filename(self.database())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Delete)
            .foreign_keys(false);
        Ok(options.connect().await?)
    }

    fn config(&self) -> String {
        let images = "http://192.0.2.20:8090";
        format!(
            "[beside]\nsource = \"sqlite\"\nconnection = \"sqlite:///{}\"\napi_url = \"{}\"\n\
             http_urls = {{ conductor-1 = \"{}\" }}\n\
             [pxe]\nkernel_append_params = \"nofb vga=normal console=ttyS0\"\n\
             [inspector]\nextra_kernel_params = \"ipa-inspection-collectors=default\"\n\
             [conductor]\ndeploy_kernel = \"{images}/deploy.kernel\"\n\
             deploy_ramdisk = \"{images}/deploy.initramfs\"\n\
             deploy_kernel_by_arch = {{ aarch64 = \"{images}/arm/deploy.kernel\" }}\n\
             deploy_ramdisk_by_arch = {{ aarch64 = \"{images}/arm/deploy.initramfs\" }}\n\
             rescue_kernel = \"{images}/rescue.kernel\"\n\
             rescue_ramdisk = \"{images}/rescue.initramfs\"\n",
            self.database().display(),
            self.api.local_url(""),
            self.web.local_url(""),
        )
    }

    fn check_with(&self, config: &str, args: &[&str]) -> Result<Said> {
        let file = self.folder.path().join("my.toml");
        std::fs::write(&file, config)?;
        let Output {
            status,
            stdout,
            stderr,
        } = app::command(&["beside", "check", "--config"])
            .arg(file)
            .args(args)
            .output()?;
        Ok(Said {
            code: status.code(),
            out: String::from_utf8(stdout)?,
            err: String::from_utf8(stderr)?,
        })
    }

    fn check(&self, args: &[&str]) -> Result<Said> {
        self.check_with(&self.config(), args)
    }

    /// The report with this database instead of the file.
    fn check_mysql(&self, url: &str, args: &[&str]) -> Result<Value> {
        let path = self.database();
        let sqlite = format!("\"sqlite\"\nconnection = \"sqlite:///{}\"", path.display());
        let config = self.config();
        ensure!(config.contains(&sqlite), "{config}");
        let config = config.replace(&sqlite, &format!("\"mysql\"\nconnection = \"{url}\""));
        let Said { out, err, .. } = self.check_with(&config, &[&["--json"], args].concat())?;
        serde_json::from_str(&out).context(err)
    }

    fn json(&self, args: &[&str]) -> Result<Value> {
        let said = self.check(&[&["--json"], args].concat())?;
        serde_json::from_str(&said.out).with_context(|| said.err)
    }
}

fn path(mac: &str) -> String {
    format!("/pxelinux.cfg/{}", mac.replace(':', "-"))
}

/// The nodes whose machines have this result.
fn nodes_with(report: &Value, result: &str, known: Option<bool>) -> Vec<String> {
    let machines = report["machines"].as_array().into_iter().flatten();
    let is_known = |machine: &Value| {
        let differences = machine["differences"].as_array();
        differences.is_some_and(|all| all.iter().all(|it| it["known"].is_string()))
    };
    let mut names: Vec<String> = machines
        .filter(|it| it["result"] == result && known.is_none_or(|known| is_known(it) == known))
        .filter_map(|it| Some(it["node"].as_str()?.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Level and text of the findings about `subject`.
fn findings(report: &Value, subject: &str) -> Vec<(String, String)> {
    let all = report["findings"].as_array().into_iter().flatten();
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    all.filter(|it| it["subject"] == subject)
        .map(|it| (text(it, "level"), text(it, "text")))
        .collect()
}

#[tokio::test]
async fn every_recorded_node_agrees_but_for_the_known_ones() -> Result<()> {
    let ironic = Recorded::new().await?;
    let names: Vec<&str> = ironic.comparable.iter().map(String::as_str).collect();
    let Said { code, out, err } =
        ironic.check(&[&["--json", "--node"], names.as_slice()].concat())?;
    let report: Value = serde_json::from_str(&out).with_context(|| err.clone())?;
    assert_eq!(nodes_with(&report, "differs", None), [""; 0], "{out}");
    assert_eq!(nodes_with(&report, "known", Some(true)), KNOWN, "{out}");
    assert_eq!(code, Some(0), "{err}");
    let known = KNOWN.first().context("none is known")?;
    let Said { code, out, .. } = ironic.check(&["--strict", "--node", known])?;
    assert_eq!(code, Some(1), "{out}");
    let summary =
        json!({"agree": 31, "differ": 0, "known": 3, "not_compared": 0, "all_agree": false});
    assert_eq!(report["summary"], summary, "{out}");

    // All nodes: the files of some were not recorded.
    let report = ironic.json(&[])?;
    let machines = report["machines"].as_array().context("no machines")?;
    assert_eq!(machines.len(), 47);
    for name in nodes_with(&report, "differs", Some(false)) {
        ensure!(ironic.frozen.contains(&name), "{name}: {report}");
    }
    ensure!(!report.to_string().contains("lab-chap-pw"), "{report}");
    let requests = ironic.web.requests.entries();
    ensure!(requests.iter().all(|it| it.method == "GET"), "{requests:?}");
    Ok(())
}

#[tokio::test]
async fn one_node_that_agrees_is_a_success() -> Result<()> {
    let ironic = Recorded::new().await?;
    let Said { code, out, err } = ironic.check(&["--node", "bm-active-disk"])?;
    assert_eq!(code, Some(0), "{out}{err}");
    ensure!(out.contains("agrees  bm-active-disk"), "{out}");
    ensure!(out.contains("1 agree, 0 differ"), "{out}");
    for line in [
        "alembic version 9fb44677ef15: that of Ironic 39.0",
        "journal_mode is delete",
    ] {
        ensure!(out.contains(line), "{line}: {out}");
    }

    let config = ironic
        .config()
        .replace("deploy.kernel\"", "deploy.kernel?x\"");
    let config = config.replace("api_url = \"", "api_url = \"http://127.0.0.1:9\" #");
    let Said { out, .. } = ironic.check_with(&config, &["--json", "--node", "bm-deploy-wait"])?;
    let report: Value = serde_json::from_str(&out)?;
    ensure!(
        findings(&report, "api_url")[0].1.contains("refused"),
        "{out}"
    );
    let differences = &report["machines"][0]["differences"];
    let text = differences[0]["text"].as_str().unwrap_or_default();
    ensure!(text.contains("set [beside]api_url to Ironic's"), "{report}");
    let Said { code, out, .. } = ironic.check(&["--node", "bm-nobody"])?;
    ensure!(
        code == Some(1) && out.contains("no node has the name or UUID \"bm-nobody\""),
        "{out}"
    );
    Ok(())
}

#[tokio::test]
async fn a_database_that_cannot_be_read_is_one_error() -> Result<()> {
    let ironic = Recorded::new().await?;
    ironic
        .change("UPDATE alembic_version SET version_num = 'feedc0ffee'")
        .await?;
    let report = ironic.json(&["--node", "bm-active-disk"])?;
    let schema = &findings(&report, "schema")[0];
    ensure!(
        schema.0 == "WARN" && schema.1.contains("feedc0ffee"),
        "{report}"
    );
    assert_eq!(report["summary"]["all_agree"], true, "{report}");

    let mut writer = ironic.connect().await?;
    writer.execute("BEGIN EXCLUSIVE").await?;
    let report = ironic.json(&[])?;
    let query = &findings(&report, "boot query")[0];
    ensure!(query.0 == "ERROR" && query.1.contains("locked"), "{report}");
    ensure!(report["machines"] == json!([]), "{report}");
    writer.execute("ROLLBACK").await?;
    writer.close().await?;

    ironic
        .change("ALTER TABLE nodes RENAME COLUMN deploy_step TO other")
        .await?;
    let report = ironic.json(&[])?;
    let query = &findings(&report, "boot query")[0];
    ensure!(
        query.0 == "ERROR" && query.1.contains("deploy_step"),
        "{report}"
    );

    std::fs::remove_file(ironic.database())?;
    let report = ironic.json(&[])?;
    let query = &findings(&report, "boot query")[0];
    ensure!(
        query.0 == "ERROR" && query.1.contains("ironic.sqlite"),
        "{report}"
    );
    ensure!(!ironic.database().exists(), "it was created");
    Ok(())
}

#[tokio::test]
async fn a_web_server_that_gives_no_files_is_one_error() -> Result<()> {
    let ironic = Recorded::new().await?;
    let page = "<!DOCTYPE html><title>It works</title>";
    ironic
        .web
        .serve(&path("52:54:00:be:01:01"), page.as_bytes());
    let report = ironic.json(&["--node", "bm-deploy-wait"])?;
    let difference = &report["machines"][0]["differences"][0];
    assert_eq!(difference["topic"], "file", "{report}");
    ensure!(
        difference["text"]
            .as_str()
            .is_some_and(|it| it.contains("<!DOCTYPE html>"))
    );

    let forbidden = Answer::status(403);
    ironic
        .web
        .fail_next(&path("52:54:00:be:01:01"), 9, forbidden);
    let report = ironic.json(&["--node", "bm-deploy-wait"])?;
    let problem = &findings(&report, "web server")[0];
    ensure!(
        problem.0 == "ERROR" && problem.1.contains("403"),
        "{report}"
    );

    // Accepts connections, and is silent; then away.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let base = format!("http://{}", silent.local_addr()?);
    let config = ironic.config().replace(&ironic.web.local_url(""), &base);
    let Said { code, out, .. } = ironic.check_with(&config, &["--json"])?;
    assert_eq!(code, Some(1));
    let report: Value = serde_json::from_str(&out)?;
    let problems = findings(&report, "web server");
    ensure!(
        problems.len() == 1 && problems[0].1.contains("no answer within"),
        "{problems:?}"
    );
    assert_eq!(report["summary"]["not_compared"], 47, "{out}");
    // At most those that were asked at the same time.
    silent.set_nonblocking(true)?;
    let connections = std::iter::from_fn(|| silent.accept().ok()).count();
    ensure!((1..=4).contains(&connections), "{connections}");
    drop(silent);
    let Said { out, .. } = ironic.check_with(&config, &["--json"])?;
    let report: Value = serde_json::from_str(&out)?;
    let problems = findings(&report, "web server");
    ensure!(
        problems.len() == 1 && problems[0].1.contains("refused"),
        "{problems:?}"
    );

    let config = ironic.config().replace("conductor-1 =", "conductor-2 =");
    let Said { out, .. } = ironic.check_with(&config, &["--json"])?;
    let report: Value = serde_json::from_str(&out)?;
    let problems = findings(&report, "web server");
    ensure!(
        problems.len() == 1 && problems[0].1.contains("conductor-1"),
        "{problems:?}"
    );
    Ok(())
}

#[tokio::test]
async fn digests_compare_the_content_of_images() -> Result<()> {
    let ironic = Recorded::new().await?;
    let web = ironic.web.local_url("");
    let config = ironic.config().replace("http://192.0.2.20:8090", &web);
    let copies = "/9af5d88f-b7d4-54ae-ae50-b3d2c53d5563";
    ironic.web.serve("/deploy.kernel", *b"kernel");
    ironic.web.serve("/deploy.initramfs", *b"ramdisk");
    ironic
        .web
        .serve(&format!("{copies}/deploy_kernel"), *b"kernel");
    ironic
        .web
        .serve(&format!("{copies}/deploy_ramdisk"), *b"ramdisk");
    let args = ["--digests", "--node", "bm-deploy-wait"];
    let Said { code, out, err } = ironic.check_with(&config, &args)?;
    assert_eq!(code, Some(0), "{out}{err}");

    ironic
        .web
        .serve(&format!("{copies}/deploy_ramdisk"), *b"another");
    let Said { code, out, .. } = ironic.check_with(&config, &args)?;
    ensure!(
        code == Some(1) && out.contains("ramdisk: SHA-256 of Ironic's copy"),
        "{out}"
    );
    let Said { code, .. } = ironic.check_with(&config, &["--node", "bm-deploy-wait"])?;
    assert_eq!(code, Some(0), "without --digests, only names are compared");
    Ok(())
}

#[tokio::test]
async fn an_api_that_refuses_or_is_not_ironics_is_one_error() -> Result<()> {
    let ironic = Recorded::new().await?;
    for (fault, text) in [
        (Fault::Status(403, "not a system reader"), "system"),
        (Fault::Status(401, "no"), "401"),
        (Fault::Status(500, "no"), "500"),
        (Fault::Garbage, "GET /v1/conductors"),
    ] {
        let cloud = FaultyCloud::start()?;
        let config = format!(
            "[beside]\nsource = \"rest\"\nauth_type = \"none\"\nendpoint_override = \"{}\"\n\
             api_url = \"{}\"\n",
            cloud.url(),
            ironic.api.local_url(""),
        );
        let faults = || std::iter::repeat_n(fault.clone(), 6);
        for path in ["/v1/", "/v1/conductors", "/v1/nodes"] {
            cloud.order(path, faults());
        }
        let Said { code, out, err } = ironic.check_with(&config, &["--json"])?;
        assert_eq!(code, Some(1), "{err}");
        let report: Value = serde_json::from_str(&out)?;
        let query = findings(&report, "boot query");
        ensure!(query[0].0 == "ERROR" && query[0].1.contains(text), "{out}");
        assert_eq!(report["machines"], json!([]));
    }

    ironic.api.serve("/", *b"<html>Welcome to nginx!</html>");
    let report = ironic.json(&["--node", "bm-active-disk"])?;
    let api = &findings(&report, "api_url")[0];
    ensure!(
        api.0 == "ERROR" && api.1.contains("not that of Ironic's API"),
        "{report}"
    );
    Ok(())
}

#[test]
fn a_service_with_its_own_nodes_has_nothing_to_check() -> Result<()> {
    let Output { status, stderr, .. } = app::command(&["beside", "check"]).output()?;
    assert_eq!(status.code(), Some(64));
    let said = String::from_utf8(stderr)?;
    ensure!(said.contains("[beside]source is not set"), "{said}");
    Ok(())
}

/// The same on a server.
#[tokio::test]
async fn a_user_with_too_many_or_too_few_rights_is_found() -> Result<()> {
    let Some(server) = Mariadb::shared() else {
        return Ok(());
    };
    let ironic = Recorded::new().await?;
    let database = server.create_database()?;
    server.sql_file(&database, format!("{ROOT}/mariadb.sql").as_ref())?;
    let check = |url: &str, args: &[&str]| ironic.check_mysql(url, args);
    let report = check(&server.reader(&database), &["--node", "bm-volume-chap"])?;
    assert_eq!(report["summary"]["all_agree"], true, "{report}");
    assert_eq!(findings(&report, "rights")[0].0, "OK", "{report}");
    assert_eq!(findings(&report, "primary")[0].0, "OK", "{report}");
    assert_eq!(findings(&report, "schema")[0].0, "OK", "{report}");
    assert_eq!(findings(&report, "clock")[0].0, "OK", "{report}");

    let report = check(&server.url(&database), &["--node", "bm-active-disk"])?;
    let rights = &findings(&report, "rights")[0];
    ensure!(
        rights.0 == "WARN" && rights.1.contains("ALL PRIVILEGES"),
        "{report}"
    );

    server.sql(&database, "ALTER TABLE volume_targets RENAME TO gone")?;
    let report = check(&server.reader(&database), &[])?;
    let query = &findings(&report, "boot query")[0];
    ensure!(
        query.0 == "ERROR" && query.1.contains("volume_targets"),
        "{report}"
    );
    Ok(())
}

#[tokio::test]
async fn a_replica_is_an_error() -> Result<()> {
    if Mariadb::shared().is_none() {
        return Ok(());
    }
    let server = Mariadb::start_with(&["read_only=1"])?;
    let ironic = Recorded::new().await?;
    let database = server.create_database()?;
    server.sql_file(&database, format!("{ROOT}/mariadb.sql").as_ref())?;
    let report = ironic.check_mysql(&server.reader(&database), &["--node", "bm-active-disk"])?;
    assert_eq!(findings(&report, "primary")[0].0, "ERROR", "{report}");
    assert_eq!(findings(&report, "boot query")[0].0, "ERROR", "{report}");
    assert_eq!(report["summary"]["not_compared"], 1, "{report}");
    Ok(())
}
