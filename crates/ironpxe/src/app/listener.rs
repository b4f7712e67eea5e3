//! Listening sockets.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use super::AppError;

/// The accept backlog, up to the system's limit (`net.core.somaxconn`). A machine whose connection
/// does not fit retries only after a second.
const BACKLOG: u32 = 4096;

/// A listening socket, and the addresses derived from it.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    /// The API's address on this host, if known.
    pub(super) api_address: SocketAddr,
    /// This service's ports on this host; no images are fetched from them.
    pub(super) own_ports: Vec<u16>,
}

/// Binds the address of a configuration section.
pub(super) fn listen(
    host_ip: IpAddr,
    port: u16,
    section: &'static str,
) -> Result<(TcpListener, SocketAddr), AppError> {
    let address = SocketAddr::new(host_ip, port);
    let bind = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|source| AppError::Listen {
        address,
        section,
        source,
    })
}
