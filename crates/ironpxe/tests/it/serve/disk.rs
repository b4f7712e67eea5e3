//! Disks that are full and files that may not grow: machines boot, changes are refused with the
//! reason, and the process goes on.

use serde_json::json;

use super::*;

const BOOT: &str = "/v1/boot/52-54-00-aa-00-01/boot.ipxe";

/// The program, started by `wrapper`.
fn start(wrapper: &[&str], home: &Path, state: &Path) -> Result<Bare> {
    let mut words = wrapper.iter();
    let child = Command::new(words.next().context("no wrapper")?)
        .args(words)
        .arg(binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--state-dir"])
        .arg(state)
        .env("HOME", home)
        .env("IRONPXE_CONDUCTOR__HEARTBEAT_INTERVAL", "1")
        // Nodes are recognized by their names in scripts.
        .env("IRONPXE_API__RESTRICT_BOOT_CONFIG", "false")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok(Bare(child))
}

fn client(server: &mut Bare) -> Result<Ironic> {
    Ironic::new(&format!("http://{}", server.address()?))
}

/// A machine that can ask.
fn enrol(client: &Ironic) -> Result<()> {
    let node = json!({"driver": "fake-hardware", "name": "n1"});
    client.enrol(&node, "52:54:00:aa:00:01").map(drop)
}

fn boots(client: &Ironic) -> Result<()> {
    let script = client.get_as_firmware(BOOT)?;
    ensure!(script.status == 200, "{}: {}", script.status, script.text);
    ensure!(
        script.text.starts_with("#!ipxe") && script.text.contains("n1"),
        "{}",
        script.text
    );
    Ok(())
}

/// Whether the service says that it cannot write, and why; it boots machines, so that it is ready.
fn tells(client: &Ironic, why: &str) -> Result<bool> {
    let ready = client.get("/readyz")?;
    ensure!(ready.status == 200, "{}: {}", ready.status, ready.text);
    Ok(ready.text.contains(why))
}

/// Creates nodes until that is refused, and gives the reason.
fn fill(client: &Ironic) -> Result<String> {
    for number in 0..200 {
        let node =
            json!({"driver": "fake-hardware", "extra": {"x": "x".repeat(50_000), "n": number}});
        let reply = client.post("/v1/nodes", &node)?;
        if reply.status != 201 {
            ensure!(reply.status == 503, "{}: {}", reply.status, reply.text);
            return Ok(reply.text);
        }
    }
    anyhow::bail!("there was room for everything")
}

#[test]
fn database_at_its_file_size_limit_gives_errors_and_the_service_continues() -> Result<()> {
    let home = tempfile::tempdir()?;
    let wrapper = ["prlimit", "--fsize=1500000", "--"];
    let mut server = start(&wrapper, home.path(), home.path())?;
    let api = client(&mut server)?;
    enrol(&api)?;
    let why = "the database cannot be written to: writing its file failed";
    let said = fill(&api)?;
    assert!(said.contains(why), "{said}");
    boots(&api)?;
    ensure!(server.0.try_wait()?.is_none(), "it has ended");

    // And again, where the file stands at its limit.
    server.kill("-KILL")?;
    server.wait()?;
    let mut server = start(&wrapper, home.path(), home.path())?;
    let api = client(&mut server)?;
    boots(&api)
}

/// A file system of a few megabytes in a mount namespace of its own.
struct SmallDisk(std::process::Child);

impl SmallDisk {
    fn mount(at: &Path) -> Result<Self> {
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-c"])
            .arg("mount -t tmpfs -o size=3m,mode=700 none \"$0\" && echo mounted && exec sleep 600")
            .arg(at)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        BufReader::new(holder.stdout.take().context("no stdout")?).read_line(&mut said)?;
        let disk = Self(holder);
        ensure!(
            said == "mounted\n",
            "no file system could be mounted: {said}"
        );
        Ok(disk)
    }

    /// A path of it, as seen from outside of the namespace.
    fn path(&self, path: &Path) -> Result<std::path::PathBuf> {
        let root = format!("/proc/{}/root", self.0.id());
        Ok(Path::new(&root).join(path.strip_prefix("/")?))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn machines_boot_with_a_full_disk_even_after_a_restart() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: a disk of its own needs root");
        return Ok(());
    }
    let home = tempfile::tempdir()?;
    let state = home.path().join("state");
    std::fs::create_dir(&state)?;
    let disk = SmallDisk::mount(&state)?;
    let target = disk.0.id().to_string();
    let wrapper = ["nsenter", "--target", &target, "--mount", "--"];
    let ballast = disk.path(&state.join("ballast"))?;
    let fill_up = || -> Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&ballast)?;
        while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
        Ok(())
    };

    let mut server = start(&wrapper, home.path(), &state)?;
    let api = client(&mut server)?;
    enrol(&api)?;
    fill_up()?;
    let why = "the database cannot be written to: its disk is full";
    let said = fill(&api)?;
    assert!(said.contains(why), "{said}");
    eventually("the cause is told", || tells(&api, why))?;
    boots(&api)?;

    let mut api = api;
    for end in ["-KILL", "-TERM"] {
        server.kill(end)?;
        server.wait()?;
        fill_up()?;
        server = start(&wrapper, home.path(), &state)?;
        api = client(&mut server)?;
        boots(&api).with_context(|| format!("after {end}"))?;
        assert!(fill(&api)?.contains(why), "after {end}");
        eventually("the cause is told", || tells(&api, why))?;
    }

    // There is room again.
    std::fs::remove_file(&ballast)?;
    eventually("no problem", || {
        Ok(!api.get("/readyz")?.text.contains("problem"))
    })?;
    let node = json!({"driver": "fake-hardware"});
    api.post("/v1/nodes", &node)?.expect_status(201)?;
    boots(&api)
}
