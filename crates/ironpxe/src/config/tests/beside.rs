//! `[beside]`.

use std::fmt::Write;

use super::*;
use crate::config::BesideSource;
use crate::config::beside_connection::{BesideConnection, Mysql, MysqlTls};

const API_URL: &str = "api_url = \"http://192.0.2.1:6385\"\n";

fn mysql(url: &str) -> Result<Mysql, String> {
    match BesideConnection::try_from(url.to_owned())? {
        BesideConnection::Mysql(mysql) => Ok(*mysql),
        BesideConnection::Sqlite(path) => Err(path.display().to_string()),
    }
}

#[test]
fn mysql_urls_are_split_as_sqlalchemy_does() {
    let plain = mysql("mysql://ironpxe@db.example/ironic").unwrap();
    assert_eq!(
        (plain.host.as_str(), plain.port, plain.user.as_str()),
        ("db.example", 3306, "ironpxe")
    );
    assert_eq!((plain.password, plain.tls), (None, MysqlTls::Off));

    let full = "mysql+pymysql://iro%40nic:p%40ss:w%2Fo+rd%25/?@[2001:db8::1]:3307/ironic?\
                charset=utf8mb4&ssl_ca=/etc/ssl/my%20ca.pem&ssl=on&read_timeout=60&unix_socket=";
    let full = mysql(full).unwrap();
    assert_eq!(full.user, "iro@nic");
    assert_eq!(full.password, Some(Secret("p@ss:w/o+rd%/?".to_owned())));
    assert_eq!((full.host.as_str(), full.port), ("2001:db8::1", 3307));
    assert_eq!(full.database, "ironic");
    let cafile = Some("/etc/ssl/my ca.pem".into());
    assert_eq!(full.tls, MysqlTls::Verify { cafile });
    let shown = format!("{full} {full:?}");
    assert!(
        !shown.contains("p@ss") && !shown.contains("p%40"),
        "{shown}"
    );
    assert!(
        shown.starts_with("mysql://iro@nic@[2001:db8::1]:3307/ironic?ssl_ca=/etc/ssl/my ca.pem"),
        "{shown}"
    );

    for (url, tls) in [
        ("?ssl=off", MysqlTls::Off),
        ("?ssl=true", MysqlTls::Verify { cafile: None }),
        ("?charset=utf8", MysqlTls::Off),
    ] {
        let url = format!("mariadb+mysqldb://u:p@h:/db{url}");
        assert_eq!(mysql(&url).unwrap().tls, tls, "{url}");
    }
    let socket = mysql("mysql://u@/db?unix_socket=/run/mysqld/mysqld.sock").unwrap();
    assert_eq!(socket.socket, Some("/run/mysqld/mysqld.sock".into()));
}

#[test]
fn wrong_urls_are_refused_without_their_password() {
    for (url, says) in [
        ("mysql://u:hush@h", "no database name"),
        ("mysql://u:hush@h/", "no database name"),
        ("mysql://h/db", "no user"),
        ("mysql://:hush@h/db", "no user"),
        ("mysql://u:hush@/db", "no host"),
        ("mysql://u:hush@h:0/db", "invalid host or port"),
        ("mysql://u:hush@h:x/db", "invalid host or port"),
        ("mysql://u:hush@[::1/db", "invalid host or port"),
        ("mysql://u:hush@[::1]x/db", "invalid host or port"),
        ("mysql://u:hu@sh@h/db", "more than one @"),
        ("mysql://u:hush@h/db/x", "more than one @"),
        ("mysql://u:hush@h/db#x", "more than one @"),
        ("mysql://u/x:hush@h/db", "user name has a /"),
        (
            "mysql://u:hush@h/db?password=hush",
            "belongs before the host",
        ),
        ("mysql://u:hush@h/db?ssl_key=hush", "is not supported"),
        ("mysql://u:hush@h/db?ssl=hush", "must be on or off"),
        ("mysql://u:hush@h/db?ssl=off&ssl_ca=/x", "contradict"),
        ("mysql://u:hush%FF@h/db", "not UTF-8"),
        ("postgresql://u:hush@h/db", "27.0"),
        ("hush@h", "expected mysql://"),
        ("oracle://hush@h", "expected mysql://"),
        ("sqlite://hush", "absolute path"),
        ("sqlite:///", "absolute path"),
        ("sqlite:////hush?mode=ro", "absolute path"),
    ] {
        let said = BesideConnection::try_from(url.to_owned()).unwrap_err();
        assert!(said.contains(says), "{url}: {said}");
        assert!(!said.contains("hush"), "{url}: {said}");
    }
    for url in [
        "sqlite:////var/i.sqlite",
        "sqlite:///var/i.sqlite",
        "/var/i.sqlite",
    ] {
        let path = BesideConnection::try_from(url.to_owned()).unwrap();
        assert_eq!(
            path,
            BesideConnection::Sqlite("/var/i.sqlite".into()),
            "{url}"
        );
    }
}

#[test]
fn sources_are_complete_with_password_and_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "from-file\n").unwrap();
    let password = format!("password_file = \"{}\"\n", password.display());

    let source = |text: &str| {
        let file = format!("[beside]\n{API_URL}{text}");
        let config = load(&file, &[], &[]).unwrap();
        let shown = format!("{config:?}{}", config.settings_made());
        assert!(
            !shown.contains("from-file") && !shown.contains("hush"),
            "{shown}"
        );
        config.beside_source
    };
    let sqlite = source("source = \"sqlite\"\nconnection = \"/var/lib/ironic/ironic.sqlite\"\n");
    let path = "/var/lib/ironic/ironic.sqlite".into();
    assert_eq!(sqlite, Some(BesideSource::Sqlite(path)));

    let text = "source = \"mysql\"\nconnection = \"mysql://u:hush@h/db?ssl_ca=/a\"\n";
    let Some(BesideSource::Mysql(of_url)) = source(text) else {
        panic!("no MySQL");
    };
    assert_eq!(of_url.password, Some(Secret("hush".to_owned())));
    let text = format!("{text}cafile = \"/b\"\n{password}");
    let Some(BesideSource::Mysql(of_file)) = source(&text) else {
        panic!("no MySQL");
    };
    assert_eq!(of_file.password, Some(Secret("from-file".to_owned())));
    let cafile = Some("/b".into());
    assert_eq!(of_file.tls, MysqlTls::Verify { cafile });

    let text = format!(
        "source = \"rest\"\nauth_type = \"http_basic\"\nusername = \"u\"\n\
         endpoint_override = \"http://127.0.0.1:6385\"\n{password}"
    );
    let Some(BesideSource::Rest(api)) = source(&text) else {
        panic!("no API");
    };
    assert_eq!(api.password, Some(Secret("from-file".to_owned())));
    assert_eq!(load("", &[], &[]).unwrap().beside_source, None);
}

#[test]
fn settings_that_do_not_go_together_are_named() {
    let sqlite = "source = \"sqlite\"\nconnection = \"/d/b\"\n";
    let files = [
        "connection = \"/d/b\"\nonly_nodes = [\"a\"]\n".to_owned(),
        "source = \"postgresql\"\n".to_owned(),
        "source = \"mysql\"\n".to_owned(),
        "source = \"mysql\"\nconnection = \"mysql://u:hush@h/db\"\n".to_owned(),
        format!("source = \"sqlite\"\nconnection = \"mysql://u:hush@h/db\"\n{API_URL}"),
        format!("{sqlite}{API_URL}username = \"u\"\ncafile = \"/c\"\n"),
        format!("source = \"rest\"\n{API_URL}"),
        format!("source = \"rest\"\nconnection = \"/d/b\"\nauth_type = \"none\"\n{API_URL}"),
        format!(
            "source = \"rest\"\nauth_type = \"http_basic\"\nendpoint_override = \"http://h\"\n{API_URL}"
        ),
        format!(
            "{sqlite}{API_URL}[database]\nmax_pool_size = 3\n[dhcp]\ndhcp_provider = \"dnsmasq\"\n"
        ),
        format!(
            "{sqlite}api_url = \"http://localhost:6385\"\n[api]\nhost_ip = \"192.0.2.1\"\n\
             allow_unauthenticated_access = true\n"
        ),
        format!("{sqlite}{API_URL}password_file = \"/does/not/exist\"\n"),
        format!("{sqlite}{API_URL}ironic_conf = \"/does/not/exist.conf\"\n"),
        format!("{sqlite}{API_URL}ironic_conf = \"ironic.conf\"\n"),
        format!("{sqlite}{API_URL}file_urls = {{ \"/shared\" = \"http://h\" }}\n"),
        format!("{sqlite}{API_URL}only_networks = \"10.0.0.1/8\"\n"),
        format!("{sqlite}{API_URL}on_refusal = \"reboot\"\n"),
        format!(
            "{sqlite}{API_URL}[conductor]\ndeploy_kernel = \"file:///s/k\"\n\
             deploy_ramdisk = \"http://h/r\"\n"
        ),
        format!(
            "{sqlite}{API_URL}[glance]\nauth_type = \"http_basic\"\nusername = \"u\"\n\
             password = \"hush\"\nendpoint_override = \"http://h\"\n"
        ),
    ];
    let mut text = String::new();
    for file in files {
        let said = complaint(&format!("[beside]\n{file}"));
        assert!(
            !said.contains("hush@") && !said.contains("\"hush"),
            "{said}"
        );
        writeln!(text, "{}\n=> {said}\n", file.replace("hush", "******")).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn files_with_a_url_need_no_directory_and_lists_can_be_texts() {
    let file = format!(
        "[beside]\nsource = \"sqlite\"\nconnection = \"/d/b\"\n{API_URL}\
         file_urls = {{ \"file:///s/\" = \"http://h/\" }}\n\
         only_conductor_groups = [\"\", \"g\"]\n\
         [conductor]\ndeploy_kernel = \"file:///s/k\"\ndeploy_ramdisk = \"file:///s/r\"\n"
    );
    let variables = [
        ("IRONPXE_BESIDE__ONLY_NODES", "rack-1, rack-2"),
        ("IRONPXE_BESIDE__ONLY_NETWORKS", "192.0.2.0/24"),
    ];
    let beside = load(&file, &variables, &[]).unwrap().beside;
    assert_eq!(beside.only_nodes.0, ["rack-1", "rack-2"]);
    assert_eq!(beside.only_conductor_groups.0, ["", "g"]);
    assert_eq!(beside.only_networks.0.len(), 1);
}

/// A refusal that is shown has to say that it is one.
#[test]
fn shown_refusals_are_not_restricted_by_default() {
    let beside =
        "[beside]\nsource = \"sqlite\"\nconnection = \"/d/b\"\napi_url = \"http://h:6385\"\n";
    let restricts = |file: &str| load(file, &[], &[]).unwrap().api.restrict_boot_config;
    assert!(restricts(""));
    assert!(restricts(beside));
    assert!(!restricts(&format!("{beside}on_refusal = \"refuse\"\n")));
    let both = format!("{beside}on_refusal = \"refuse\"\n[api]\nrestrict_boot_config = true\n");
    let said = complaint(&both);
    assert!(said.contains("[beside]on_refusal"), "{said}");
}
