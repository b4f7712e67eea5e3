//! Where a process listens.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use super::AppError;

/// How many connections may wait to be accepted, if the system lets them (`net.core.somaxconn`): a
/// machine that finds no room there tries again only after a second.
const BACKLOG: u32 = 4096;

/// What a process listens on, and what follows for others.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    /// Where the API of this host is, as far as this process knows.
    pub(super) api_address: SocketAddr,
    /// The ports on this host that may be this service's: no image is fetched from them.
    pub(super) own_ports: Vec<u16>,
}

/// Listens as a section of the configuration says.
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
