//! The container image, read by programs that others wrote, and run as Kubernetes runs it.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use ironpxe_testkit::{
    http,
    process::{Child, guarded_by, spawn},
    wait::{TIMEOUT, eventually},
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Packages, has, is_root};
use crate::shell;

/// The image as skopeo copies it, which checks all digests and sizes, in a folder of its own.
fn copied(packages: &Packages) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir_in(&packages.folder)?;
    shell::run_quiet(
        Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--quiet"])
            .arg(format!("oci-archive:{}:1.2.3", packages.image.display()))
            .arg(format!(
                "oci:{}:ironpxe",
                folder.path().join("image").display()
            )),
    )?;
    Ok(folder)
}

/// The image as a bundle for an OCI runtime: `config.json` and `rootfs`.
fn unpacked(folder: &Path) -> Result<PathBuf> {
    let bundle = folder.join("bundle");
    shell::run_quiet(
        Command::new("umoci")
            .args(["unpack", "--image"])
            .arg(format!("{}:ironpxe", folder.join("image").display()))
            .arg(&bundle),
    )?;
    Ok(bundle)
}

#[test]
fn the_image_describes_itself() -> Result<()> {
    if !has(&["skopeo"]) {
        return Ok(());
    }
    let Some(packages) = Packages::shared()? else {
        return Ok(());
    };
    let folder = copied(packages)?;
    let image = format!("oci:{}:ironpxe", folder.path().join("image").display());
    let config = shell::run_quiet(Command::new("skopeo").args(["inspect", "--config", &image]))?;
    let config: Value = serde_json::from_str(&config)?;
    assert_eq!(
        config.get("config"),
        Some(&json!({
            "User": "65532:65532",
            "ExposedPorts": { "6385/tcp": {} },
            "Env": ["PATH=/usr/bin", "HOME=/var/lib/ironpxe"],
            "Entrypoint": ["/usr/bin/ironpxe"],
            "Cmd": ["serve", "--config", "/etc/ironpxe/ironpxe.toml"],
            "Volumes": { "/var/lib/ironpxe": {} },
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
                "org.opencontainers.image.description": super::oci::DESCRIPTION,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.title": "ironpxe",
                "org.opencontainers.image.version": "1.2.3",
            },
        }))
    );
    Ok(())
}

#[test]
fn the_image_runs_read_only_without_capabilities() -> Result<()> {
    if !is_root("a container") || !has(&["skopeo", "umoci", "runc"]) {
        return Ok(());
    }
    let Some(packages) = Packages::shared()? else {
        return Ok(());
    };
    let folder = copied(packages)?;
    let bundle = unpacked(folder.path())?;
    check_files(&bundle.join("rootfs"))?;
    let packaged = fs::read(packages.contents.join("usr/bin/ironpxe"))?;
    ensure!(fs::read(bundle.join("rootfs/usr/bin/ironpxe"))? == packaged);

    confine(&bundle.join("config.json"))?;
    let log = folder.path().join("log");
    let mut container = run(folder.path(), &bundle, &log)?;
    let url = listening(&mut container, &log)?;
    let client = http::client().build()?;
    for path in ["/healthz", "/readyz"] {
        let response = client.get(format!("{url}{path}")).send()?;
        assert_eq!(response.status().as_u16(), 200, "{path}");
    }
    // A change needs the state to be writable.
    let node = json!({ "driver": "fake-hardware", "name": "rack-1" });
    let created = client
        .post(format!("{url}/v1/nodes"))
        .header("Content-Type", "application/json")
        .header("X-OpenStack-Ironic-API-Version", "1.115")
        .body(node.to_string())
        .send()?;
    assert_eq!(created.status().as_u16(), 201);
    check_process(folder.path())?;
    container.terminate()?;
    let status = container.wait(TIMEOUT)?;
    ensure!(status.success(), "{status}: {}", fs::read_to_string(&log)?);
    Ok(())
}

/// What is in the image, and whose.
fn check_files(root: &Path) -> Result<()> {
    let mut programs = BTreeSet::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            let (mode, owner) = (metadata.permissions().mode() & 0o7777, metadata.uid());
            match name.as_str() {
                "var/lib/ironpxe" => ensure!((mode, owner) == (0o700, 65532), "{mode:o} {owner}"),
                "tmp" => ensure!((mode, owner) == (0o1777, 0), "{mode:o} {owner}"),
                _ => ensure!(mode & 0o7022 == 0 && owner == 0, "{name}: {mode:o} {owner}"),
            }
            if metadata.is_dir() {
                pending.push(path);
            } else if mode & 0o111 != 0 && !name.contains(".so") {
                programs.insert(name);
            }
        }
    }
    assert_eq!(programs, BTreeSet::from(["usr/bin/ironpxe".to_owned()]));
    let certificates = fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt"))?;
    assert!(certificates.matches("BEGIN CERTIFICATE").count() > 50);
    let libc = fs::read_to_string(root.join("var/lib/dpkg/status.d/libc6"))?;
    assert!(
        libc.starts_with("Package: libc6\n") && libc.contains("\nVersion: "),
        "{libc}"
    );
    Ok(())
}

/// Changes the configuration that umoci made from the image to what Kubernetes makes of `packaging/kubernetes`:
/// nothing is writable but the volume, and there are no capabilities. It has the test's network.
fn confine(file: &Path) -> Result<()> {
    let mut config: Value = serde_json::from_slice(&fs::read(file)?)?;
    let process = config.get_mut("process").and_then(Value::as_object_mut);
    let process = process.context("no process")?;
    let user = process.get("user").context("no user")?;
    ensure!(user.get("uid") == Some(&json!(65532)) && user.get("gid") == Some(&json!(65532)));
    process.insert("terminal".to_owned(), json!(false));
    process.insert("noNewPrivileges".to_owned(), json!(true));
    process.insert("capabilities".to_owned(), json!({}));
    let environment = process.get_mut("env").and_then(Value::as_array_mut);
    environment
        .context("no environment")?
        .push(json!("IRONPXE_API__PORT=0"));
    let root = config.get_mut("root").and_then(Value::as_object_mut);
    root.context("no root")?
        .insert("readonly".to_owned(), json!(true));
    let mounts = config.get_mut("mounts").and_then(Value::as_array_mut);
    let mounts = mounts.context("no mounts")?;
    mounts.retain(|mount| mount.get("destination") != Some(&json!("/var/lib/ironpxe")));
    mounts.retain(|mount| mount.get("type") != Some(&json!("cgroup")));
    mounts.push(json!({
        "destination": "/var/lib/ironpxe",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "nodev", "mode=0700", "uid=65532", "gid=65532"],
    }));
    let linux = config.get_mut("linux").and_then(Value::as_object_mut);
    let linux = linux.context("nothing for Linux")?;
    linux.remove("resources");
    linux.insert(
        "namespaces".to_owned(),
        json!([{ "type": "pid" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" }]),
    );
    Ok(fs::write(file, serde_json::to_vec(&config)?)?)
}

fn run(folder: &Path, bundle: &Path, log: &Path) -> Result<Child> {
    let runc = shell::find_program("runc").context("no runc")?;
    // It hands the signal on to what it runs.
    let mut command = guarded_by(Signal::SIGTERM, &runc, None)?;
    command
        .arg("--root")
        .arg(folder.join("state"))
        .args(["run", "--bundle"])
        .arg(bundle)
        .arg(container_name())
        .stdout(File::create(folder.join("output"))?)
        .stderr(File::create(log)?);
    spawn(command)
}

fn container_name() -> String {
    format!("ironpxe-test-{}", std::process::id())
}

/// Looks at the process in the container.
fn check_process(folder: &Path) -> Result<()> {
    let mut runc = Command::new("runc");
    runc.arg("--root").arg(folder.join("state"));
    let state = shell::run_quiet(runc.args(["state", &container_name()]))?;
    let state: Value = serde_json::from_str(&state)?;
    let pid = state.get("pid").and_then(Value::as_u64).context("no pid")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    for line in [
        "Name:\tironpxe",
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        ensure!(
            status.lines().any(|it| it == line),
            "no {line:?} in {status}"
        );
    }
    // Not even root can write there.
    for path in [
        "etc/written",
        "tmp/written",
        "usr/bin/written",
        "var/lib/written",
    ] {
        let refused = File::create(format!("/proc/{pid}/root/{path}")).map(drop);
        let kind = refused.map_err(|error| error.kind());
        ensure!(
            kind == Err(ErrorKind::ReadOnlyFilesystem),
            "{path}: {kind:?}"
        );
    }
    Ok(())
}

/// Where it listens, once it does.
fn listening(container: &mut Child, log: &Path) -> Result<String> {
    let mut url = None;
    eventually("it listens", || {
        let text = fs::read_to_string(log)?;
        if let Some(status) = container.ended()? {
            bail!("{status}: {text}");
        }
        url = text
            .split_whitespace()
            .find(|word| word.starts_with("http://127.0.0.1:"))
            .map(str::to_owned);
        Ok(url.is_some())
    })?;
    url.context("no address")
}
