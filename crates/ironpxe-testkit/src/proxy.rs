//! A TCP proxy that injects network faults.
//!
//! It forwards connections until it is told to reset them, as a host whose program has died does,
//! or to deliver nothing, as a network does in which packets get lost.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// The timeout for connecting to the target.
const TIMEOUT: Duration = crate::wait::TIMEOUT;

/// What the proxy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything is delivered.
    Forward,
    /// Open connections are closed, new ones are closed at once.
    Reset,
    /// Nothing is delivered, without an error. Connections stay open, new ones are accepted.
    Blackhole,
}

/// A proxy for one target. Dropping it closes its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    ended: bool,
    open: Vec<TcpStream>,
}

impl Proxy {
    /// Forwards to `target` from a port of the loopback.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
        let address = listener.local_addr().context("a socket has no address")?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                mode: Mode::Forward,
                ended: false,
                open: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.lock().ended {
                    return;
                }
                let Ok(client) = client else { continue };
                let shared = Arc::clone(&accepting);
                thread::spawn(move || {
                    // An end is what such a connection is for. The caller must see it, although
                    // the list of what is open still holds the connection.
                    let _ = shared.forward(&client, target);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(Self { address, shared })
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the mode, for open and new connections.
    pub fn set(&self, mode: Mode) {
        let mut state = self.shared.lock();
        state.mode = mode;
        if mode == Mode::Reset {
            state.close_all();
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.close_all();
        drop(state);
        self.shared.changed.notify_all();
        // The accepting thread checks the mode at the next connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn close_all(&mut self) {
        for stream in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while nothing is delivered; an error if the connection is to end.
    fn wait_until_forwarding(&self) -> io::Result<()> {
        let mut state = self.lock();
        loop {
            if state.ended || state.mode == Mode::Reset {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if state.mode == Mode::Forward {
                return Ok(());
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn forward(self: Arc<Self>, client: &TcpStream, target: SocketAddr) -> io::Result<()> {
        self.lock().open.push(client.try_clone()?);
        self.wait_until_forwarding()?;
        let server = TcpStream::connect_timeout(&target, TIMEOUT)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        self.lock().open.push(server.try_clone()?);
        let back = (server.try_clone()?, client.try_clone()?);
        let shared = Arc::clone(&self);
        let answers = thread::spawn(move || shared.copy(&back.0, &back.1));
        self.copy(client, &server);
        let _ = answers.join();
        Ok(())
    }

    /// Copies from `from` to `to`, until either ends or the connection is reset.
    fn copy(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let written = self
                .wait_until_forwarding()
                .and_then(|()| to.write_all(buffer.get(..length).unwrap_or_default()));
            if written.is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends every byte back twice.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().take(4) {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() {
                        stream.write_all(&[byte[0], byte[0]]).unwrap();
                    }
                });
            }
        });
        address
    }

    fn say(stream: &mut TcpStream, byte: u8) -> io::Result<[u8; 2]> {
        say_within(TIMEOUT, stream, byte)
    }

    fn say_within(timeout: Duration, stream: &mut TcpStream, byte: u8) -> io::Result<[u8; 2]> {
        stream.set_read_timeout(Some(timeout))?;
        stream.write_all(&[byte])?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn modes_interrupt_and_restore_a_connection() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(say(&mut stream, b'a').unwrap(), *b"aa");

        proxy.set(Mode::Blackhole);
        let silence = say_within(Duration::from_millis(300), &mut stream, b'b').unwrap_err();
        assert!(matches!(
            silence.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ));
        // What was lost on the way arrives late, as TCP sees to.
        proxy.set(Mode::Forward);
        let mut late = [0; 2];
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.read_exact(&mut late).unwrap();
        assert_eq!(late, *b"bb");

        proxy.set(Mode::Reset);
        assert!(say(&mut stream, b'c').is_err());
        let refused = TcpStream::connect(proxy.address()).and_then(|mut s| say(&mut s, b'd'));
        assert!(refused.is_err());
        proxy.set(Mode::Forward);
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(say(&mut stream, b'e').unwrap(), *b"ee");
    }
}
