//! The roles: what a process is, of what there is to be.
//!
//! One process can be everything, and then nothing travels. Or an API and conductors are
//! processes of their own, which meet in the database and over JSON-RPC.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::AppError;
use super::settings::bytes;
use crate::conductor::LocalConductor;
use crate::config::{JsonRpc, RpcAuth, Secret, Word};
use crate::db::Db;
use crate::rpc::{Credentials, Patience, Remote, Users, server};
use crate::server::Site;
use crate::tls;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    All,
    /// What clients and machines ask.
    Api,
    /// What does the work.
    Conductor,
}

impl Role {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Conductor => "conductor",
        }
    }
}

/// What guards a conductor's port; checked before anything is bound.
pub(super) struct Guards {
    users: Option<Users>,
    /// The server's side of TLS.
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Guards {
    pub(super) fn new(rpc: &JsonRpc) -> Result<Self, AppError> {
        let users = match (rpc.auth_strategy, &rpc.http_basic_auth_user_file) {
            (RpcAuth::NoAuth, _) => None,
            (RpcAuth::HttpBasic, Some(file)) => Some(Users::read(file)?),
            (RpcAuth::HttpBasic, None) => return Err(AppError::NoUsers),
        };
        let tls = match (rpc.use_ssl, &rpc.cert_file, &rpc.key_file) {
            (true, Some(cert_file), Some(key_file)) => Some(tls::server(cert_file, key_file)?),
            _ => None,
        };
        Ok(Self { users, tls })
    }
}

/// A conductor's JSON-RPC.
pub(super) fn rpc_site(conductor: LocalConductor, rpc: &JsonRpc, guards: Guards) -> Site {
    let router = server::router(server::Served {
        conductor: Arc::new(conductor),
        users: guards.users,
        max_body_bytes: bytes(rpc.max_body_size),
    });
    Site {
        router,
        express: None,
        tls: guards.tls,
    }
}

/// Where others find the conductor that listens on `address`.
pub(super) fn endpoint(host: &str, address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return match host.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, address.port()).to_string(),
            Err(_) => format!("{host}:{}", address.port()),
        };
    }
    address.to_string()
}

/// All conductors, as an API sees them.
pub(super) fn remote(db: &Db, rpc: &JsonRpc) -> Result<Remote, AppError> {
    let credentials = match (rpc.auth_strategy, &rpc.username, &rpc.password) {
        (RpcAuth::HttpBasic, Some(Word(username)), Some(Secret(password))) => Some(Credentials {
            username: username.clone(),
            password: password.clone(),
        }),
        (RpcAuth::HttpBasic, _, _) => return Err(AppError::NoCredentials),
        (RpcAuth::NoAuth, _, _) => None,
    };
    let tls = match (rpc.client_use_ssl, &rpc.cafile) {
        (true, Some(cafile)) => Some(tls::client(cafile)?),
        _ => None,
    };
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let patience = Patience {
        boot_try: seconds(rpc.boot_try_timeout),
        boot: seconds(rpc.boot_timeout),
        read_try: seconds(rpc.read_try_timeout),
        call: seconds(rpc.call_timeout),
    };
    Ok(Remote::new(
        db.clone(),
        patience,
        credentials.as_ref(),
        tls,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conductor_is_found_where_it_listens() {
        let at = |host: &str, address: &str| endpoint(host, address.parse().unwrap());
        assert_eq!(at("c1", "127.0.0.1:8089"), "127.0.0.1:8089");
        assert_eq!(at("c1", "[fd00::1]:8089"), "[fd00::1]:8089");
        assert_eq!(at("c1.example", "0.0.0.0:8089"), "c1.example:8089");
        assert_eq!(at("fd00::7", "[::]:8089"), "[fd00::7]:8089");
    }
}
