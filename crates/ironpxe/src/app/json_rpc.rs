//! JSON-RPC server and client, for APIs and conductors in separate processes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::AppError;
use super::settings::{bytes, seconds};
use crate::auth::{BasicCredentials, Users};
use crate::conductor::LocalConductor;
use crate::config::{JsonRpc, RpcAuth, Secret, Word};
use crate::db::Db;
use crate::error_chain::error_chain;
use crate::rpc::{Remote, Timeouts, server};
use crate::server::{HttpService, RequestMemory};
use crate::tls;

/// Authentication at a conductor's port; checked before anything is bound.
pub(super) struct RpcSecurity {
    users: Option<Users>,
}

impl RpcSecurity {
    /// The error is the setting and its problem.
    pub(super) fn new(rpc: &JsonRpc) -> Result<Self, (&'static str, String)> {
        let users = match (rpc.auth_strategy, &rpc.http_basic_auth_user_file) {
            (RpcAuth::NoAuth, _) => None,
            (RpcAuth::HttpBasic, Some(file)) => {
                let key = "[json_rpc]http_basic_auth_user_file";
                Some(Users::read(file).map_err(|error| (key, error_chain(&error)))?)
            }
            (RpcAuth::HttpBasic, None) => {
                let message = "without users no API could call this conductor: set \
                               [json_rpc]http_basic_auth_user_file";
                return Err(("[json_rpc]auth_strategy", message.to_owned()));
            }
        };
        Ok(Self { users })
    }
}

/// The JSON-RPC service of a conductor.
pub(super) fn http_service(
    conductor: LocalConductor,
    rpc: &JsonRpc,
    security: RpcSecurity,
) -> HttpService {
    let max_body_bytes = bytes(rpc.max_body_size);
    // Twice a body and its parsed form. There are few APIs, and each may need all of it.
    let memory = max_body_bytes.saturating_mul(4);
    let memory = RequestMemory::unshared(memory, "[json_rpc]max_body_size, four times,");
    let router = server::router(server::RpcServer {
        conductor: Arc::new(conductor),
        users: security.users,
        max_body_bytes,
        memory: memory.clone(),
    });
    HttpService {
        memory,
        router,
        fast_path: None,
        tls: None,
    }
}

/// The endpoint to register for a conductor that listens on `address`.
pub(super) fn endpoint(host: &str, address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return match host.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, address.port()).to_string(),
            Err(_) => format!("{host}:{}", address.port()),
        };
    }
    address.to_string()
}

/// An API's credentials for conductors, and its TLS configuration to verify them.
pub(super) struct RpcClient {
    credentials: Option<BasicCredentials>,
    tls: Option<rustls::ClientConfig>,
}

impl RpcClient {
    /// The error is the setting and its problem.
    pub(super) fn new(rpc: &JsonRpc) -> Result<Self, (&'static str, String)> {
        let credentials = match (rpc.auth_strategy, &rpc.username, &rpc.password) {
            (RpcAuth::HttpBasic, Some(Word(username)), Some(Secret(password))) => {
                Some(BasicCredentials {
                    username: username.clone(),
                    password: password.clone(),
                })
            }
            (RpcAuth::HttpBasic, _, _) => {
                let message = "with http_basic conductors would refuse this API: set \
                               [json_rpc]username and password";
                return Err(("[json_rpc]auth_strategy", message.to_owned()));
            }
            (RpcAuth::NoAuth, _, _) => None,
        };
        let tls = match (rpc.client_use_ssl, &rpc.cafile) {
            (true, Some(cafile)) => {
                let client = tls::client(cafile);
                Some(client.map_err(|error| ("[json_rpc]cafile", error_chain(&error)))?)
            }
            _ => None,
        };
        Ok(Self { credentials, tls })
    }
}

/// The client for all conductors.
pub(super) fn remote(db: &Db, rpc: &JsonRpc, client: RpcClient) -> Result<Remote, AppError> {
    let timeouts = Timeouts {
        ping: seconds(rpc.ping_timeout),
        find: seconds(rpc.find_timeout),
        read_try: seconds(rpc.read_try_timeout),
        call: seconds(rpc.call_timeout),
    };
    Ok(Remote::new(
        db.clone(),
        timeouts,
        client.credentials.as_ref(),
        client.tls,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_the_listen_address_or_the_host_name() {
        let at = |host: &str, address: &str| endpoint(host, address.parse().unwrap());
        assert_eq!(at("c1", "127.0.0.1:8089"), "127.0.0.1:8089");
        assert_eq!(at("c1", "[fd00::1]:8089"), "[fd00::1]:8089");
        assert_eq!(at("c1.example", "0.0.0.0:8089"), "c1.example:8089");
        assert_eq!(at("fd00::7", "[::]:8089"), "[fd00::7]:8089");
    }
}
