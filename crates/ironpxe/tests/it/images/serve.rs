//! What a machine gets by a signed URL, and which URLs are refused.

use anyhow::{Result, ensure};

use super::wire::fetch;
use super::{ImagesFixture, MAC, SOON, content, url_in};

#[test]
fn file_is_served_completely_and_by_range() -> Result<()> {
    let site = ImagesFixture::new()?;
    let kernel = content(300_000);
    let ramdisk = content(10);
    let (kernel_url, ramdisk_url) = (
        site.file("kernel", &kernel)?,
        site.file("ramdisk", &ramdisk)?,
    );
    site.waits_for(MAC, &kernel_url, &ramdisk_url)?;
    let path = site.path_of(MAC, "kernel")?;
    let got = site.get(&path)?;
    ensure!((got.status, got.complete) == (200, true), "{}", got.head);
    ensure!(got.body == kernel, "another image");
    ensure!(
        got.header("Content-Length") == Some("300000"),
        "{}",
        got.head
    );
    ensure!(
        got.header("Cache-Control") == Some("no-store"),
        "{}",
        got.head
    );
    ensure!(got.header("Accept-Ranges") == Some("bytes"), "{}", got.head);

    // What the script calls it is what the URL calls it.
    let ramdisk_path = site.path_of(MAC, "initrd")?;
    ensure!(ramdisk_path.ends_with("/deploy_ramdisk"), "{ramdisk_path}");
    ensure!(site.get(&ramdisk_path)?.body == ramdisk, "another ramdisk");

    let base = site.server.base_url();
    let head = fetch(base, "HEAD", &path, &[])?;
    ensure!((head.status, head.body.len()) == (200, 0), "{}", head.head);
    ensure!(
        head.header("Content-Length") == Some("300000"),
        "{}",
        head.head
    );
    let packed = fetch(base, "GET", &path, &[("Accept-Encoding", "gzip, br")])?;
    ensure!(packed.body == kernel && !packed.head.contains("Encoding"));

    for (range, status, content_range, part) in [
        ("bytes=0-0", 206, Some("bytes 0-0/300000"), 0..1),
        (
            "bytes=299990-",
            206,
            Some("bytes 299990-299999/300000"),
            299_990..300_000,
        ),
        (
            "bytes=-5",
            206,
            Some("bytes 299995-299999/300000"),
            299_995..300_000,
        ),
        (
            "bytes=10-999999",
            206,
            Some("bytes 10-299999/300000"),
            10..300_000,
        ),
        ("bytes=300000-", 416, Some("bytes */300000"), 0..0),
        ("bytes=5-1", 200, None, 0..300_000),
        ("bytes=0-1,4-5", 200, None, 0..300_000),
    ] {
        let got = fetch(base, "GET", &path, &[("Range", range)])?;
        ensure!(
            (got.status, got.complete) == (status, true),
            "{range}: {}",
            got.head
        );
        ensure!(
            got.header("Content-Range") == content_range,
            "{range}: {}",
            got.head
        );
        ensure!(Some(got.body.as_slice()) == kernel.get(part), "{range}");
        let head = fetch(base, "HEAD", &path, &[("Range", range)])?;
        ensure!(head.status == status, "{range}: {}", head.head);
        ensure!(head.body.is_empty(), "{range}");
    }
    let line = site.server.wait_for_log("kernel served", SOON)?;
    ensure!(line.contains(&kernel_url), "{line}");
    Ok(())
}

/// Whoever has no good URL gets nothing, and no 200, which firmware would run.
#[test]
fn rejects_requests_without_a_valid_signed_url() -> Result<()> {
    let site = ImagesFixture::new()?;
    let url = site.file("kernel", b"kernel")?;
    let node = site.waits_for(MAC, &url, &url)?;
    let other = site.waits_for("52:54:00:aa:00:02", &url, &url)?;
    let path = site.path_of(MAC, "kernel")?;
    let parts: Vec<&str> = path.split('/').collect();
    let [_, _, _, _, kind, tag, expires, signature, _] = parts.as_slice() else {
        anyhow::bail!("{path}")
    };
    let zeros = "0".repeat(64);
    for (what, forged) in [
        ("another node's", path.replace(&node, &other)),
        (
            "another kind",
            path.replace(&format!("/{kind}/"), "/ramdisk/"),
        ),
        ("another image", path.replace(tag, "0123456789abcdef")),
        ("a later end", path.replace(expires, "9999999999")),
        ("no end", path.replace(expires, "x")),
        ("another name", format!("{path}x")),
        ("no signature", path.replace(signature, "x")),
        ("a signature of nothing", path.replace(signature, &zeros)),
        (
            "shouted",
            path.replace(signature, &signature.to_uppercase()),
        ),
    ] {
        for agent in ["curl/8", "iPXE/1.21.1"] {
            let base = site.server.base_url();
            let got = fetch(base, "GET", &forged, &[("User-Agent", agent)])?;
            ensure!(got.status == 403, "{what}: {}", got.head);
            ensure!(
                got.text()
                    .contains("signature of this image URL is invalid"),
                "{what}"
            );
            ensure!(got.text().starts_with("{\"error_message\""), "{what}");
        }
    }
    ensure!(site.get(&format!("{path}/x"))?.status == 404);
    let post = fetch(site.server.base_url(), "POST", &path, &[])?;
    ensure!(post.status == 405, "{}", post.head);
    // Slashes that a proxy adds do no harm.
    ensure!(site.get(&path.replace("/v1/", "//v1//"))?.status == 200);
    Ok(())
}

/// The node's state and fields decide again at every request.
#[test]
fn image_is_served_only_while_the_node_boots_it() -> Result<()> {
    let site = ImagesFixture::new()?;
    let (one, two) = (site.file("one", b"one")?, site.file("two", b"two")?);
    let node = site.runs(MAC, &one, &one)?;
    let path = site.path_of(MAC, "kernel")?;
    ensure!(site.get(&path)?.body == b"one");

    let change = |image: &str| site.set_kernel(&node, image);
    change(&two)?;
    let got = site.get(&path)?;
    ensure!(got.status == 404, "{}", got.head);
    ensure!(
        got.text().contains("no longer boots this image"),
        "{}",
        got.text()
    );
    let line = site.server.wait_for_log(
        "the URL is for an image that the node no longer boots",
        SOON,
    )?;
    ensure!(line.contains(&node) && line.contains(&two), "{line}");
    let new = site.path_of(MAC, "kernel")?;
    ensure!(site.get(&new)?.body == b"two");
    change(&one)?;
    ensure!(
        site.get(&path)?.body == b"one",
        "the first URL is good again"
    );

    site.ironic.provision(&node, "deleted")?;
    site.ironic.wait_state(&node, "available", SOON)?;
    let got = site.get(&path)?;
    ensure!(got.status == 404, "{}", got.head);
    let line = site
        .server
        .wait_for_log("kernel not served: this state", SOON)?;
    ensure!(line.contains("this state boots nothing"), "{line}");
    site.ironic
        .delete(&format!("/v1/nodes/{node}"))?
        .expect_status(204)?;
    ensure!(site.get(&path)?.status == 404);
    Ok(())
}

#[test]
fn files_outside_the_allowed_folders_are_refused() -> Result<()> {
    let site = ImagesFixture::new()?;
    let outside = tempfile::TempDir::new()?;
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret")?;
    let link = site.folder.path().join("link");
    std::os::unix::fs::symlink(&secret, &link)?;
    let good = site.file("kernel", b"kernel")?;
    let node = site.runs(MAC, &good, &good)?;
    let set = |image: String| site.set_kernel(&node, &image);
    let inside = site.folder.path().display();
    for (image, why) in [
        (
            format!("file://{}", secret.display()),
            "not below a directory",
        ),
        (format!("file://{}", link.display()), "symbolic link"),
        (
            format!("file://{inside}/../secret"),
            "may be empty, . or ..",
        ),
        (format!("file://{inside}"), "not a regular file"),
        (format!("file://{inside}/nothing"), "does not exist"),
        (
            "file:///proc/self/environ".to_owned(),
            "not below a directory",
        ),
    ] {
        set(image.clone())?;
        let script = site.script(MAC)?;
        ensure!(!script.contains("\nkernel "), "{image}: {script}");
        ensure!(
            script
                .replace('\n', " ")
                .replace(" echo ", " ")
                .contains(why),
            "{image}: {script}"
        );
        let by_decision = why.starts_with("may be empty");
        let field = if by_decision {
            "instance_info.kernel:".to_owned()
        } else {
            format!("kernel {image}:")
        };
        let said = format!("machine not booted: {field}");
        site.server.wait_for_log(&said, SOON)?;
    }
    // What is exchanged after the script was written is looked at again.
    set(good.clone())?;
    let path = site.path_of(MAC, "kernel")?;
    let kernel = site.folder.path().join("kernel");
    std::fs::remove_file(&kernel)?;
    std::os::unix::fs::symlink(&secret, &kernel)?;
    let got = site.get(&path)?;
    ensure!(
        got.status == 404 && !got.text().contains("secret"),
        "{}",
        got.head
    );
    let line = site
        .server
        .wait_for_log("kernel not served: it is a symbolic link", SOON)?;
    ensure!(line.contains(&node) && line.contains(&good), "{line}");
    Ok(())
}

#[test]
fn preview_names_the_image_sources_and_opens_no_file() -> Result<()> {
    let site = ImagesFixture::new()?;
    let url = site.file("kernel", b"kernel")?;
    let node = site.waits_for(MAC, &url, "http://images.example/ramdisk")?;
    let state_dir = site.server.state_dir().to_owned();
    let allowed = site.folder.path().display().to_string();
    let run = |what: &str| -> Result<String> {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_ironpxe"))
            .args(["script", what, &node, "--state-dir"])
            .arg(&state_dir)
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("IRONPXE_CONDUCTOR__FILE_URL_ALLOWED_PATHS", &allowed)
            .env("IRONPXE_API__PUBLIC_ENDPOINT", site.server.base_url())
            .envs(
                site.server
                    .database()
                    .map(|it| ("IRONPXE_DATABASE__CONNECTION", it)),
            )
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    let said = run("explain")?
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    ensure!(
        said.contains(&format!("{url}, from driver_info.deploy_kernel")),
        "{said}"
    );
    ensure!(
        said.contains("relayed by this service from the file of 6 bytes"),
        "{said}"
    );
    let script = run("show")?;
    let shown = url_in(&script, "kernel")?;
    let path = shown.replace(site.server.base_url(), "");
    ensure!(site.get(&path)?.status == 403, "{shown}");
    ensure!(site.get(&site.path_of(MAC, "kernel")?)?.status == 200);
    Ok(())
}
