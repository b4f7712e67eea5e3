//! One connection of the client, and the request that is under way on it.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use mio::net::TcpStream;

use super::http::Incoming;

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) number: u64,
    pub(super) to: SocketAddr,
    /// Given to the caller, and to nobody else.
    pub(super) private: bool,
    pub(super) current: Option<Current>,
}

/// A request under way.
pub(super) struct Current {
    pub(super) tag: u64,
    pub(super) due: Instant,
    pub(super) sent: Instant,
    pub(super) unwritten: Vec<u8>,
    pub(super) incoming: Incoming,
}

/// How far it went.
pub(super) enum Progress {
    Waiting,
    Complete { reusable: bool },
}

impl Connection {
    /// Writes and reads as far as that goes without waiting.
    pub(super) fn go_on(&mut self, buffer: &mut [u8]) -> Result<Progress> {
        let Some(current) = &mut self.current else {
            // Nothing is asked, so that the only news can be its end.
            return match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Progress::Waiting),
                Err(error) if error.kind() == ErrorKind::NotConnected => Ok(Progress::Waiting),
                _ => Ok(Progress::Complete { reusable: false }),
            };
        };
        while !current.unwritten.is_empty() {
            match self.stream.write(&current.unwritten) {
                Ok(written) => {
                    current.unwritten.drain(..written);
                    if current.unwritten.is_empty() {
                        // There can be no answer yet; the kernel says when there is.
                        return Ok(Progress::Waiting);
                    }
                }
                Err(error) if is_not_yet(error.kind()) => return Ok(Progress::Waiting),
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        loop {
            match self.stream.read(buffer) {
                Ok(0) => {
                    ensure!(current.incoming.ended(), "the connection was closed");
                    return Ok(Progress::Complete { reusable: false });
                }
                Ok(got) => {
                    if current
                        .incoming
                        .take(buffer.get(..got).unwrap_or_default())?
                    {
                        let reusable = !current.incoming.closes;
                        return Ok(Progress::Complete { reusable });
                    }
                }
                Err(error) if is_not_yet(error.kind()) => return Ok(Progress::Waiting),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read"),
            }
        }
    }
}

/// Not ready, or not yet connected.
fn is_not_yet(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
