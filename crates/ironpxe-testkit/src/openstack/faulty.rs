//! Keystone, Glance and Neutron on one socket, as far as ironpxe asks them, and with every fault
//! that a test orders.
//!
//! Without an order it behaves: it gives tokens and refuses others, has the images and ports that
//! it was told of, and keeps the DHCP options that ports are given. An order is for the next
//! request to a path; orders for one path are done one after the other.

mod services;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::imageserver::wire::{Head, copy_exactly, reason};
use crate::journal::{Journal, hold};

/// The one who may have a token.
pub const USER: &str = "ironic";
/// With this password.
pub const PASSWORD: &str = "hush-hush";
/// The application credential that may have a token.
pub const CREDENTIAL: (&str, &str) = ("cred-1", "very-secret");
/// The project of all tokens.
pub const PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// A running cloud. Dropping it stops it.
#[derive(Debug)]
pub struct FaultyCloud {
    /// Every request, in the order in which they were answered.
    pub requests: Arc<Journal<Request>>,
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// `GET`, …
    pub method: String,
    /// The path with its query, as it was sent.
    pub path: String,
    /// `X-Auth-Token`.
    pub token: Option<String>,
    /// `X-Subject-Token`: the token that Keystone is asked about.
    pub subject: Option<String>,
    /// `Range`.
    pub range: Option<String>,
    /// The body, if it was JSON.
    pub body: Value,
    /// The status of the answer; 0 without one.
    pub status: u16,
}

/// What is to happen instead of an answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, and this body.
    Status(u16, &'static str),
    /// This status with a header.
    Header(u16, &'static str, String),
    /// 200 and a malformed body.
    Garbage,
    /// 200 and an endless body.
    Endless,
    /// 200, and then the connection ends in the middle of the body.
    Half,
    /// The connection ends without an answer.
    HangUp,
    /// No answer, and the connection stays open.
    Silence,
    /// 200, and then so much of the body and no more, though the connection stays open.
    Stall(usize),
}

#[derive(Debug)]
struct Shared {
    base: String,
    orders: Mutex<HashMap<String, VecDeque<Fault>>>,
    tokens: Mutex<Tokens>,
    described: Mutex<BTreeMap<String, Value>>,
    images: Mutex<BTreeMap<String, (Value, Vec<u8>)>>,
    ports: Mutex<BTreeMap<String, Value>>,
    closing: AtomicBool,
}

#[derive(Debug)]
struct Tokens {
    given: usize,
    good: Vec<String>,
    life: Duration,
}

/// What is sent.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

impl FaultyCloud {
    /// Opens on a free port of the loopback.
    pub fn start() -> Result<Self> {
        Self::open(None)
    }

    /// The same over TLS.
    pub fn start_tls(tls: Arc<rustls::ServerConfig>) -> Result<Self> {
        Self::open(Some(tls))
    }

    fn open(tls: Option<Arc<rustls::ServerConfig>>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot bind a cloud")?;
        let address = listener.local_addr().context("a cloud has no address")?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            base: format!("{scheme}://{address}"),
            orders: Mutex::default(),
            tokens: Mutex::new(Tokens {
                given: 0,
                good: Vec::new(),
                life: Duration::from_hours(1),
            }),
            described: Mutex::default(),
            images: Mutex::default(),
            ports: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let requests = Arc::new(Journal::default());
        let (state, log) = (Arc::clone(&shared), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if state.closing.load(Ordering::Relaxed) {
                    break;
                }
                let (state, log, tls) = (Arc::clone(&state), Arc::clone(&log), tls.clone());
                // Clients that hang up are part of the play.
                thread::spawn(move || {
                    let stream: Box<dyn Wire> = match tls {
                        None => Box::new(stream?),
                        Some(tls) => {
                            let tls =
                                rustls::ServerConnection::new(tls).map_err(io::Error::other)?;
                            Box::new(rustls::StreamOwned::new(tls, stream?))
                        }
                    };
                    state.converse(stream, &log)
                });
            }
        });
        Ok(Self {
            requests,
            address,
            scheme,
            shared,
        })
    }

    /// `http://host:port`. Below it are `/v3` (Keystone), `/image` and `/network`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// What happens to the next requests to `path` (without its query).
    pub fn order(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut orders = hold(&self.shared.orders);
        orders.entry(path.to_owned()).or_default().extend(faults);
    }

    /// How long tokens are good for from now on.
    pub fn token_life(&self, life: Duration) {
        hold(&self.shared.tokens).life = life;
    }

    /// Refuses all tokens that were given so far.
    pub fn revoke(&self) {
        hold(&self.shared.tokens).good.clear();
    }

    /// How many tokens were given.
    pub fn tokens_given(&self) -> usize {
        hold(&self.shared.tokens).given
    }

    /// Keystone knows this token of a client, and describes it so (`{"token": …}`) until its
    /// `expires_at`.
    pub fn has_token(&self, token: &str, description: Value) {
        hold(&self.shared.described).insert(token.to_owned(), description);
    }

    /// Revokes a token of a client.
    pub fn forget_token(&self, token: &str) {
        hold(&self.shared.described).remove(token);
    }

    /// Has an image. Without data it answers 204, as Glance does.
    pub fn has_image(&self, id: &str, image: Value, data: &[u8]) {
        hold(&self.shared.images).insert(id.to_owned(), (image, data.to_vec()));
    }

    /// Has a port with these addresses.
    pub fn has_port(&self, id: &str, mac: &str, addresses: &[&str]) {
        let ips: Vec<Value> = addresses
            .iter()
            .map(|ip| json!({ "ip_address": ip, "subnet_id": "a-subnet" }))
            .collect();
        let port = json!({
            "id": id, "mac_address": mac, "fixed_ips": ips, "extra_dhcp_opts": [],
            "status": "DOWN", "binding:vnic_type": "baremetal",
        });
        hold(&self.shared.ports).insert(id.to_owned(), port);
    }

    /// The DHCP options of a port, as `(name, value, version)`.
    pub fn dhcp_options(&self, port: &str) -> Vec<(String, String, u64)> {
        let ports = hold(&self.shared.ports);
        let options = ports.get(port).and_then(|it| it.get("extra_dhcp_opts"));
        let text = |option: &Value, key: &str| {
            let value = option.get(key).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        options
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|it| {
                let version = it.get("ip_version").and_then(Value::as_u64);
                let version = version.unwrap_or_default();
                (text(it, "opt_name"), text(it, "opt_value"), version)
            })
            .collect()
    }

    /// Method, path and status of the requests so far, without those for tokens.
    pub fn calls(&self) -> Vec<(String, String, u16)> {
        let all = self.requests.entries().into_iter();
        all.filter(|it| it.path != "/v3/auth/tokens")
            .map(|it| (it.method, it.path, it.status))
            .collect()
    }
}

impl Drop for FaultyCloud {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn converse(&self, stream: Box<dyn Wire>, log: &Journal<Request>) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(head) = Head::read(&mut stream)? {
            let mut body = Vec::new();
            copy_exactly(&mut stream, &mut body, head.content_length().unwrap_or(0))?;
            let header = |name: &str| head.header(name).map(str::to_owned);
            let mut request = Request {
                method: head.word(0).to_owned(),
                path: head.word(1).to_owned(),
                token: header("x-auth-token"),
                subject: header("x-subject-token"),
                range: header("range"),
                body: serde_json::from_slice(&body).unwrap_or_default(),
                status: 0,
            };
            let path = request.path.split('?').next().unwrap_or_default();
            let fault = hold(&self.orders)
                .get_mut(path)
                .and_then(VecDeque::pop_front);
            let stays = if let Some(fault) = fault {
                self.misbehave(&fault, &mut request, stream.get_mut(), log)?
            } else {
                let answer = self.answer(&request);
                request.status = answer.status;
                log.push(request);
                answer.send(stream.get_mut())?;
                true
            };
            if !stays {
                break;
            }
        }
        Ok(())
    }

    /// Does as ordered, and tells whether the connection stays.
    fn misbehave(
        &self,
        fault: &Fault,
        request: &mut Request,
        stream: &mut impl Write,
        log: &Journal<Request>,
    ) -> io::Result<bool> {
        let (answer, headers) = match fault {
            Fault::Status(status, body) => (Some((*status, *body)), Vec::new()),
            Fault::Header(status, name, value) => {
                (Some((*status, "")), vec![(*name, value.clone())])
            }
            Fault::Garbage => (Some((200, "<html>Welcome to nginx!</html>")), Vec::new()),
            Fault::Endless | Fault::Half | Fault::HangUp | Fault::Silence | Fault::Stall(_) => {
                (None, Vec::new())
            }
        };
        request.status = answer.map_or(0, |(status, _)| status);
        log.push(request.clone());
        if let Some((status, body)) = answer {
            let body = body.as_bytes().to_vec();
            Answer {
                status,
                headers,
                body,
            }
            .send(stream)?;
            return Ok(true);
        }
        let head = |length: u64| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        match fault {
            Fault::Endless => {
                stream.write_all(head(1 << 40).as_bytes())?;
                // Ends when the client has had enough.
                while !self.closing.load(Ordering::Relaxed) {
                    stream.write_all(&[b' '; 4096])?;
                }
            }
            Fault::Half => {
                stream.write_all(head(1000).as_bytes())?;
                stream.write_all(b"{\"image\":")?;
                stream.flush()?;
            }
            Fault::Silence => self.wait(),
            Fault::Stall(bytes) => {
                stream.write_all(head(1 << 20).as_bytes())?;
                stream.write_all(&vec![b'x'; *bytes])?;
                stream.flush()?;
                self.wait();
            }
            _ => {}
        }
        Ok(false)
    }

    /// Until the cloud closes.
    fn wait(&self) {
        while !self.closing.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "text/html".to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    fn send(&self, stream: &mut impl Write) -> io::Result<()> {
        write!(
            stream,
            "HTTP/1.1 {} {}\r\n",
            self.status,
            reason(self.status)
        )?;
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        if self.status == 204 {
            write!(stream, "\r\n")?;
        } else {
            write!(stream, "Content-Length: {}\r\n\r\n", self.body.len())?;
            stream.write_all(&self.body)?;
        }
        stream.flush()
    }
}
