//! `ironpxe config`, and what `serve` says about a configuration it cannot use.

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};

use crate::app::command as ironpxe;

fn run(command: &mut Command) -> Result<(Option<i32>, String, String)> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output()?;
    Ok((
        status.code(),
        String::from_utf8(stdout)?,
        String::from_utf8(stderr)?,
    ))
}

#[test]
fn sample_is_a_valid_configuration() -> Result<()> {
    let (code, sample, stderr) = run(&mut ironpxe(&["config", "sample"]))?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let kept = include_str!("../../../../packaging/ironpxe.toml");
    assert_eq!(
        sample, kept,
        "run: ironpxe config sample > packaging/ironpxe.toml"
    );
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ironpxe.toml");
    std::fs::write(&file, sample)?;
    let (code, stdout, stderr) = run(ironpxe(&["config", "check", "--config"]).arg(&file))?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, "The configuration is good.\n");
    Ok(())
}

#[test]
fn check_shows_the_source_of_each_setting() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("my.toml"),
        "[api]\nport = 7000\nmax_limit = 5\n",
    )?;
    let (code, stdout, stderr) = run(ironpxe(&["config", "check", "--config", "my.toml"])
        .current_dir(folder.path())
        .env("IRONPXE_API__PORT", "7001"))?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(
        stdout,
        "[api]port = 7001  # IRONPXE_API__PORT\n\
         [api]max_limit = 5  # my.toml:3\n\
         The configuration is good.\n"
    );
    Ok(())
}

/// Both commands say the same, and exit with 64.
fn refused(text: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("my.toml"), text)?;
    let in_folder = |args: &[&str]| {
        run(ironpxe(args)
            .args(["--config", "my.toml"])
            .current_dir(folder.path()))
    };
    let (code, stdout, said) = in_folder(&["config", "check"])?;
    assert_eq!((code, stdout.as_str()), (Some(64), ""), "{said}");
    let serve = in_folder(&["serve", "--state-dir", "state"])?;
    assert_eq!(serve, (code, stdout, said.clone()));
    assert!(!folder.path().join("state").exists());
    Ok(said)
}

#[test]
fn unknown_key_wrong_type_and_bad_value_are_shown_with_file_and_line() -> Result<()> {
    let said = refused("[api]\nprot = 7000\n")?;
    assert!(
        said.starts_with("ironpxe: configuration: my.toml:2: [api]prot: no such key"),
        "{said}"
    );
    let said = refused("[api]\n\nport = \"7000\"\n")?;
    assert!(
        said.starts_with("ironpxe: configuration: my.toml:3: [api]port: invalid type"),
        "{said}"
    );
    let said = refused("[api]\n\n\nmax_limit = 0\n")?;
    assert!(
        said.starts_with("ironpxe: configuration: my.toml:4: [api]max_limit: 0 is not between 1"),
        "{said}"
    );
    Ok(())
}

#[test]
fn missing_file_is_named() -> Result<()> {
    let (code, _, said) = run(&mut ironpxe(&["serve", "--config", "/nonexistent/my.toml"]))?;
    assert_eq!(code, Some(64));
    assert!(
        said.contains("cannot read /nonexistent/my.toml: No such file"),
        "{said}"
    );
    Ok(())
}

#[test]
fn unknown_hardware_types_are_refused() -> Result<()> {
    let (code, _, said) = run(ironpxe(&["serve", "--listen", "127.0.0.1:0"])
        .env("IRONPXE_DEFAULT__ENABLED_HARDWARE_TYPES", "warp-drive"))?;
    assert_eq!(code, Some(64));
    assert!(
        said.contains("unknown hardware type \"warp-drive\""),
        "{said}"
    );
    assert_eq!(said.matches("warp-drive").count(), 1, "{said}");
    Ok(())
}

const CONDUCTOR: &[&str] = &["--role", "conductor"];
const API: &[&str] = &["--role", "api"];

/// Configurations that cannot be used: flags and the file. Some are found by the text alone, some
/// need other files, and some depend on what this release has.
const WRONG: &[(&[&str], &str)] = &[
    (&[], "[api"),
    (&[], "[DEFAULT]\nhost = me\n"),
    (&[], "[api]\nprot = 1\n"),
    (
        &[],
        "[api]\npublic_endpoint = \"http://2001:db8::139:6180\"\n",
    ),
    (&[], "[api]\npublic_endpoint = \"http://0.0.0.0:6385\"\n"),
    (&[], "[api]\npublic_endpoint = \"http://h:0\"\n"),
    (&[], "[deploy]\nhttp_url = \"http://u:p@h\"\n"),
    (&[], "[conductor]\ndeploy_kernel = \"http://h/k\"\n"),
    (
        &[],
        "[conductor]\ndeploy_kernel_by_arch = { aarch64 = \"http://h/k\" }\n",
    ),
    (&["--listen", "0.0.0.0:0", "--allow-unauthenticated"], ""),
    (&["--listen", "[::]:0", "--allow-unauthenticated"], ""),
    (
        &["--listen", "192.0.2.1:0", "--allow-unauthenticated"],
        "[api]\npublic_endpoint = \"http://127.0.0.1:6385\"\n",
    ),
    (&["--listen", "192.0.2.1:0"], ""),
    (&[], "[DEFAULT]\n\nenabled_hardware_types = [\"ipmi\"]\n"),
    (&[], "[DEFAULT]\ndefault_deploy_interface = \"warp\"\n"),
    (&[], "[anaconda]\ndefault_ks_template = \"none.ks\"\n"),
    (API, "[anaconda]\ndefault_ks_template = \"none.ks\"\n"),
    (&[], "[anaconda]\ndefault_ks_template = \"broken.ks\"\n"),
    (&[], "[pxe]\nipxe_config_template = \"none.ipxe\"\n"),
    (
        &[],
        "[pxe]\nipxe_config_template_by_arch = { arm = \"broken.ks\" }\n",
    ),
    (&[], "[images]\ncafile = \"none.pem\"\n"),
    (&[], "[images]\ncafile = \"broken.ks\"\n"),
    (
        &[],
        "[glance]\nauth_type = \"none\"\nendpoint_override = \"http://g\"\ncafile = \"none.pem\"\n",
    ),
    (
        &[],
        "[neutron]\nauth_type = \"none\"\nendpoint_override = \"http://g\"\ncafile = \"none.pem\"\n",
    ),
    (CONDUCTOR, "[json_rpc]\nauth_strategy = \"http_basic\"\n"),
    (
        CONDUCTOR,
        "[json_rpc]\nauth_strategy = \"http_basic\"\nhttp_basic_auth_user_file = \"none\"\n",
    ),
    (
        CONDUCTOR,
        "[json_rpc]\nauth_strategy = \"http_basic\"\nhttp_basic_auth_user_file = \"broken.ks\"\n",
    ),
    (
        CONDUCTOR,
        "[json_rpc]\nuse_ssl = true\ncert_file = \"none.pem\"\nkey_file = \"none.key\"\n",
    ),
    (
        CONDUCTOR,
        "[DEFAULT]\nenabled_hardware_types = [\"ipmi\"]\n",
    ),
    (CONDUCTOR, "[json_rpc]\nhost_ip = \"192.0.2.1\"\n"),
    (API, "[json_rpc]\nauth_strategy = \"http_basic\"\n"),
    (
        API,
        "[json_rpc]\nclient_use_ssl = true\ncafile = \"none.pem\"\n",
    ),
];

/// A folder with `my.toml`, and a file that is none of what is looked for.
fn folder_with(file: &str) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("my.toml"), file)?;
    std::fs::write(folder.path().join("broken.ks"), "{% if %}\n")?;
    Ok(folder)
}

/// A configuration is refused by both, with the same words and with exit 64, before anything is
/// bound or written.
#[test]
fn check_and_serve_refuse_with_the_same_message() -> Result<()> {
    let mut table = String::new();
    for (flags, file) in WRONG {
        let folder = folder_with(file)?;
        let in_folder = |verb: &[&str]| {
            run(ironpxe(verb)
                .args(["--config", "my.toml", "--state-dir", "state"])
                .args(*flags)
                .current_dir(folder.path()))
        };
        let (code, stdout, said) = in_folder(&["config", "check"])?;
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{file}: {said}");
        let flags = flags.join(" ");
        for line in flags.lines().chain(file.lines()) {
            writeln!(table, "    {line}")?;
        }
        // The list of all keys is another one with every new key.
        let stable = said
            .split("; [api] has host_ip, ")
            .next()
            .unwrap_or_default();
        writeln!(table, "{}\n", stable.trim_end())?;
        assert_eq!(in_folder(&["serve"])?, (code, stdout, said), "{file}");
        assert!(!folder.path().join("state").exists(), "{file}");
    }
    insta::assert_snapshot!(table);
    // The log's filter is a part of it, though not of the file.
    let with_filter = |verb: &[&str]| run(ironpxe(verb).env("IRONPXE_LOG", "x=nonsense"));
    let (code, stdout, said) = with_filter(&["config", "check"])?;
    assert_eq!((code, stdout.as_str()), (Some(64), ""), "{said}");
    assert!(said.contains("IRONPXE_LOG"), "{said}");
    assert_eq!(with_filter(&["serve"])?, (code, stdout, said));
    Ok(())
}

/// What concerns another role's process is no reason to refuse this one's, by neither of them.
#[test]
fn serve_starts_with_every_configuration_that_check_accepts() -> Result<()> {
    let basic = "[json_rpc]\nauth_strategy = \"http_basic\"\n";
    let types = "[DEFAULT]\nenabled_hardware_types = [\"ipmi\"]\n";
    for (flags, file) in [
        (&[][..], ""),
        (&[], basic),
        (API, types),
        (CONDUCTOR, ""),
        (
            &[],
            "[api]\npublic_endpoint = \"http://192.0.2.1:6385/v1\"\n",
        ),
        (
            &["--allow-unauthenticated"],
            "[api]\npublic_endpoint = \"http://h\"\n",
        ),
    ] {
        let folder = folder_with(file)?;
        let command = |verb: &[&str]| {
            let mut command = ironpxe(verb);
            command
                .args(["--config", "my.toml", "--state-dir", "state"])
                .args(["--listen", "127.0.0.1:0"])
                .args(flags)
                .current_dir(folder.path());
            command
        };
        let (code, stdout, said) = run(&mut command(&["config", "check"]))?;
        assert_eq!((code, said.as_str()), (Some(0), ""), "{file}: {stdout}");
        assert!(stdout.ends_with("The configuration is good.\n"), "{stdout}");
        let mut serving = command(&["serve"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = serving.stderr.take().context("no log")?;
        let listens = BufReader::new(log)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("listening on http://"));
        serving.kill()?;
        serving.wait()?;
        assert!(listens, "{flags:?} {file}");
    }
    Ok(())
}

#[test]
fn invalid_command_lines_are_refused() -> Result<()> {
    for args in [
        &["serve", "--nonsense"][..],
        &["serve", "--listen", "nowhere"],
        &["dance"],
        &[],
    ] {
        let (code, stdout, said) = run(&mut ironpxe(args))?;
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{said}");
    }
    let (code, stdout, _) = run(&mut ironpxe(&["--version"]))?;
    assert_eq!(
        (code, stdout),
        (Some(0), format!("ironpxe {}\n", env!("CARGO_PKG_VERSION")))
    );
    Ok(())
}

/// The files of a directory as Metal3 starts Ironic: credentials merged, and one template.
fn ironic_conf(folder: &std::path::Path) -> Result<()> {
    std::fs::create_dir(folder.join("conf.d"))?;
    std::fs::write(
        folder.join("conf.d/ironic.conf"),
        "[pxe]\nipxe_config_template = /templates/ipxe_config.template\n\
         kernel_append_params = nofb sshkey=\"ssh-ed25519 AAAA root@h\"\n\
         [service_catalog]\nendpoint_override = http://192.0.2.1:6385\n",
    )?;
    std::fs::write(
        folder.join("conf.d/zz-credentials.conf"),
        "[database]\nconnection = mysql+pymysql://ironic:hush@db.example/ironic\n",
    )?;
    Ok(())
}

#[test]
fn import_writes_a_file_that_serve_takes_and_prints_no_password() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir()?;
    ironic_conf(folder.path())?;
    let import = |more: &[&str]| {
        run(
            ironpxe(&["config", "import", "--ironic-conf", "conf.d", "--beside"])
                .args(more)
                .env("OS_PXE__IPXE_TIMEOUT", "30")
                .env("OS_CONDUCTOR__DEPLOY_KERNEL", "http://192.0.2.1/k")
                .env("OS_CONDUCTOR__DEPLOY_RAMDISK", "http://192.0.2.1/r")
                .current_dir(folder.path()),
        )
    };
    let (code, stdout, stderr) = import(&["--output", "ironpxe.toml"])?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(!stdout.contains("hush"), "{stdout}");
    for line in [
        "  [pxe]ipxe_timeout = 30  # OS_PXE__IPXE_TIMEOUT\n",
        "  [beside]api_url = \"http://192.0.2.1:6385\"  # [service_catalog]endpoint_override, conf.d/ironic.conf:5\n",
        "  [pxe]ipxe_config_template (conf.d/ironic.conf:2): templates of Ironic (Jinja2)",
        "\nironpxe.toml is written.\n",
    ] {
        assert!(stdout.contains(line), "{line}\n{stdout}");
    }
    let path = folder.path().join("ironpxe.toml");
    assert_eq!(
        std::fs::metadata(&path)?.permissions().mode() & 0o777,
        0o600
    );
    let file = std::fs::read_to_string(&path)?;
    assert!(file.contains("ironic:hush@db.example"), "{file}");

    let (code, stdout, stderr) = run(ironpxe(&["config", "check", "--config"])
        .arg(&path)
        .current_dir(folder.path()))?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("[beside]source = \"mysql\""), "{stdout}");
    assert!(!stdout.contains("hush"), "{stdout}");

    // It stays, unless its loss is asked for.
    std::fs::write(&path, "mine")?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644))?;
    let (code, _, stderr) = import(&["--output", "ironpxe.toml"])?;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("ironpxe.toml; pass --force to overwrite it"),
        "{stderr}"
    );
    assert_eq!(std::fs::read_to_string(&path)?, "mine");
    assert_eq!(import(&["--output", "ironpxe.toml", "--force"])?.0, Some(0));
    assert_eq!(std::fs::read_to_string(&path)?, file);
    assert_eq!(
        std::fs::metadata(&path)?.permissions().mode() & 0o777,
        0o600
    );

    // Without a file, the configuration is printed without the password, and the report beside it.
    let (code, stdout, stderr) = import(&[])?;
    assert_eq!(code, Some(0));
    assert!(stdout.contains("ipxe_timeout = 30") && stdout.contains("connection = (secret)"));
    assert!(stderr.starts_with("Taken:\n"), "{stderr}");
    assert!(!format!("{stdout}{stderr}").contains("hush"));
    Ok(())
}

#[test]
fn ironic_conf_that_cannot_be_read_is_named_with_file_and_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    ironic_conf(folder.path())?;
    std::fs::write(
        folder.path().join("conf.d/broken.conf"),
        "[pxe]\nhalf a line\n",
    )?;
    let (code, stdout, stderr) =
        run(ironpxe(&["config", "import", "--ironic-conf", "conf.d"]).current_dir(folder.path()))?;
    assert_eq!((code, stdout.as_str()), (Some(64), ""));
    assert!(
        stderr.contains("conf.d/broken.conf:2: no '=' or ':' found"),
        "{stderr}"
    );
    let said = refused(&format!(
        "[beside]\nsource = \"mysql\"\nironic_conf = [\"{}\"]\n",
        folder.path().join("conf.d").display()
    ))?;
    assert!(
        said.contains("conf.d/broken.conf:2: no '=' or ':' found"),
        "{said}"
    );
    Ok(())
}

#[test]
fn mistakes_in_policy_files_are_shown_with_file_and_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("my.toml"), "")?;
    let in_folder = |args: &[&str]| {
        run(ironpxe(args)
            .args(["--config", "my.toml"])
            .current_dir(folder.path()))
    };
    let check = || in_folder(&["config", "check"]);
    let policy = folder.path().join("policy.yaml");
    let shown = policy.display();
    for (text, said) in [
        (
            "# mine\n\"baremetal:node:gte\": \"role:admin\"\n\"baremetal:port:get\": \"role:a and\"\n",
            format!(
                "ironpxe: configuration: {shown}:3: rule \"baremetal:port:get\": a check is missing \
                 before the end\n"
            ),
        ),
        (
            "\"baremetal:node:get\": \"@\"\n\"baremetal:node:gte\": \"role:admin\"\n",
            format!(
                "ironpxe: configuration: {shown}:2: rule \"baremetal:node:gte\": there is no such rule; \
                 `ironpxe policy list` shows all\n"
            ),
        ),
        (
            "\"baremetal:node:get\": \"!\"\n",
            format!(
                "ironpxe: configuration: {shown}:1: rule \"baremetal:node:get\": this locks everybody \
                 out: nobody can list, see and provision nodes; to serve nevertheless, pass --force\n"
            ),
        ),
    ] {
        std::fs::write(&policy, text)?;
        assert_eq!(check()?, (Some(64), String::new(), said.clone()));
        assert_eq!(in_folder(&["serve"])?, (Some(64), String::new(), said));
    }
    let (code, stdout, _) = in_folder(&["config", "check", "--force"])?;
    assert_eq!(code, Some(0));
    assert!(
        stdout.contains("Note: the policy lets nobody list"),
        "{stdout}"
    );

    std::fs::write(&policy, "\"baremetal:conductor:get\": role:reader\n")?;
    assert_eq!(check()?.0, Some(0));
    let listed = in_folder(&["policy", "list", "--changed"])?;
    let line = format!("\"baremetal:conductor:get\": \"role:reader\"  # {shown}:1\n");
    assert_eq!(listed, (Some(0), line, String::new()));
    let (_, all, _) = in_folder(&["policy", "list"])?;
    assert_eq!(all.lines().count(), 134);
    Ok(())
}

#[test]
fn configured_policy_files_must_exist() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = "[oslo_policy]\npolicy_file = \"mine.yaml\"\npolicy_dirs = [\"more\"]\n";
    std::fs::write(folder.path().join("my.toml"), text)?;
    let (code, _, said) =
        run(ironpxe(&["config", "check", "--config", "my.toml"]).current_dir(folder.path()))?;
    assert_eq!(code, Some(64));
    for name in ["mine.yaml", "more"] {
        let line = format!(
            "configuration: {}: cannot be read",
            folder.path().join(name).display()
        );
        assert!(said.contains(&line), "{said}");
    }
    Ok(())
}
