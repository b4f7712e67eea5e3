//! `[beside]`: its source, and its checks across settings.

use super::beside::{Beside, BesideSource, OnRefusal, SourceKind};
use super::beside_connection::{BesideConnection, MysqlTls};
use super::dhcp::DhcpProvider;
use super::error::Origin;
use super::load::Loader;
use super::openstack::{AuthType, CREDENTIALS};
use super::section::Section as _;
use super::values::Secret;

/// What only a database needs, and what only the API, besides its credentials.
const OF_DATABASE: [&str; 1] = ["connection"];
const OF_API: [&str; 3] = [
    "application_credential_secret",
    "endpoint_override",
    "region_name",
];

impl Loader {
    /// Puts the source together: `connection` or the API, password and certificates.
    pub(super) fn complete_beside(&mut self) {
        let Some(kind) = self.config.beside.source else {
            return;
        };
        if self.config.beside.on_refusal == OnRefusal::Refuse
            && !self.is_set("api", "restrict_boot_config")
        {
            self.config.api.restrict_boot_config = false;
        }
        let password = match self.beside_password() {
            Ok(password) => password,
            Err(message) => return self.about("[beside]password_file", message),
        };
        let beside = &self.config.beside;
        self.config.beside_source = match (kind, &beside.connection) {
            (SourceKind::Rest, _) => {
                let mut api = beside.openstack();
                api.password = password.or(api.password);
                Some(BesideSource::Rest(Box::new(api)))
            }
            (SourceKind::Sqlite, Some(BesideConnection::Sqlite(path))) => {
                Some(BesideSource::Sqlite(path.clone()))
            }
            (SourceKind::Mysql, Some(BesideConnection::Mysql(mysql))) => {
                let mut mysql = mysql.clone();
                mysql.password = password.or(mysql.password);
                if let Some(cafile) = &beside.cafile {
                    let cafile = Some(cafile.clone());
                    mysql.tls = MysqlTls::Verify { cafile };
                }
                if mysql.socket.is_some() {
                    mysql.tls = MysqlTls::Off;
                }
                Some(BesideSource::Mysql(mysql))
            }
            // `check_beside` says so.
            (SourceKind::Sqlite | SourceKind::Mysql, _) => None,
        };
    }

    fn beside_password(&self) -> Result<Option<Secret>, String> {
        let Some(path) = &self.config.beside.password_file else {
            return Ok(None);
        };
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {shown}: {error}"))?;
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() || password.contains('\n') {
            return Err(format!("{shown} must have one line: the password"));
        }
        Ok(Some(Secret(password.to_owned())))
    }

    /// Checks for what is missing in `[beside]`, and for settings that have no effect with it.
    pub(super) fn check_beside(&mut self) {
        let Some(source) = self.config.beside.source else {
            let defaults = Beside::default().keys().into_iter();
            let keys = self.config.beside.keys().into_iter().zip(defaults);
            for (key, _) in keys.filter(|(key, default)| key.value != default.value) {
                let message = "this requires [beside]source".to_owned();
                self.about(&format!("[beside]{}", key.name), message);
            }
            return;
        };
        let beside = &self.config.beside;
        let mut problems = Vec::new();
        let name = source.name();
        match (source, &beside.connection) {
            (SourceKind::Rest, _)
            | (SourceKind::Sqlite, Some(BesideConnection::Sqlite(_)))
            | (SourceKind::Mysql, Some(BesideConnection::Mysql(_))) => {}
            (_, None) => problems.push((
                "source",
                format!("{name:?} requires [beside]connection, or [database]connection in a file of [beside]ironic_conf"),
            )),
            (_, Some(connection)) => {
                let message = format!("{connection} does not fit [beside]source = {name:?}");
                problems.push(("connection", message));
            }
        }
        if source == SourceKind::Rest {
            if beside.auth_type.is_none() {
                let message = "\"rest\" requires [beside]auth_type: \"none\", \"http_basic\", \
                               \"password\" or \"v3applicationcredential\"";
                problems.push(("source", message.to_owned()));
            }
            if let Some(BesideSource::Rest(api)) = &self.config.beside_source {
                problems.extend(api.missing());
            }
        }
        if beside.api_url.is_none() {
            let message = "this requires [beside]api_url, the URL of Ironic's API for ramdisks: no \
                           file of [beside]ironic_conf sets [service_catalog]endpoint_override";
            problems.push(("source", message.to_owned()));
        }
        let (unused, credentials): (&[&str], &[&str]) = match source {
            SourceKind::Rest => (&OF_DATABASE, &[]),
            SourceKind::Mysql | SourceKind::Sqlite => (&OF_API, &CREDENTIALS),
        };
        let unused = credentials.iter().chain(unused).copied();
        let of_sqlite = ["password_file", "cafile"].into_iter();
        let of_sqlite = of_sqlite.filter(|_| source == SourceKind::Sqlite);
        for key in unused.chain(of_sqlite) {
            if self.is_set("beside", key) {
                let message =
                    format!("this has no effect with [beside]source = {name:?}; remove it");
                problems.push((key, message));
            }
        }
        if self.config.api.restrict_boot_config && beside.on_refusal == OnRefusal::Refuse {
            let message = "with [api]restrict_boot_config the script of a refusal does not say that it \
                           is one, so a machine would go on to Ironic's own script; unset either";
            problems.push(("on_refusal", message.to_owned()));
        }
        let listens_on_loopback = self.config.api.host_ip.to_canonical().is_loopback();
        if let Some(url) = &beside.api_url
            && url.is_loopback()
            && !listens_on_loopback
        {
            let message = format!(
                "with {:?} each ramdisk would connect to itself; use the address or name by which \
                 machines reach Ironic's API",
                url.0
            );
            problems.push(("api_url", message));
        }
        for (key, message) in problems {
            self.about(&format!("[beside]{key}"), message);
        }
        self.check_own_settings();
    }

    /// Settings of what does not exist beside another Ironic.
    fn check_own_settings(&mut self) {
        for key in self.config.database.keys() {
            if self.is_set("database", key.name) {
                let message = "there is no database of ironpxe with [beside]source; remove this (the \
                               database of Ironic is [beside]connection)";
                self.about(&format!("[database]{}", key.name), message.to_owned());
            }
        }
        if self.config.dhcp.dhcp_provider != DhcpProvider::None {
            let message = "with [beside]source DHCP stays Ironic's; remove this".to_owned();
            self.about("[dhcp]dhcp_provider", message);
        }
    }

    /// `http_basic` is for Ironic's API only.
    pub(super) fn check_http_basic(&mut self) {
        let services = [
            ("glance", self.config.glance.auth_type),
            ("neutron", self.config.neutron.auth_type),
        ];
        for (section, auth_type) in services {
            if auth_type == Some(AuthType::HttpBasic) {
                let message = "\"http_basic\" is only for [beside]".to_owned();
                self.about(&format!("[{section}]auth_type"), message);
            }
        }
    }

    fn is_set(&self, section: &str, key: &str) -> bool {
        self.config.origin(&format!("[{section}]{key}")) != Origin::Default
    }
}
