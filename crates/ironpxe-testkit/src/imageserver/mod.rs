//! Serves images over HTTP, logs the requests, and misbehaves on request.
//!
//! For each request the first that applies answers: a fault that was ordered for its path
//! ([`ImageServer::fail_next`]), a file ([`ImageServer::serve`], [`ImageServer::serve_folder`]), another server behind this one
//! ([`ImageServer::relay_to`]), 404. With a server behind it, it is the *faulty front* through
//! which a machine talks to the real ironpxe.
//!
//! HTTP as iPXE of 2019 wants it: HTTP/1.1, kept alive, always an exact `Content-Length`, and
//! parts of files for when it uses one as a disk.

mod range;
mod relay;
pub(crate) mod wire;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::journal::{Journal, hold};
use crate::machine::HOST;
use range::Wanted;
use wire::Head;

/// A running image server. Dropping it stops it.
#[derive(Debug)]
pub struct ImageServer {
    /// Every request that was answered (or whose client went away), in that order.
    pub requests: Arc<Journal<Request>>,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A request, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, …
    pub method: String,
    /// The path, without the query, as it was sent.
    pub path: String,
    /// What followed the `?`, as it was sent; empty without one.
    pub query: String,
    /// The status of the answer.
    pub status: u16,
    /// How many bytes of the answer's body were sent.
    pub bytes: u64,
    /// How long the answer took.
    pub took: Duration,
}

/// An answer that is not an image.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers besides `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

#[derive(Debug, Default)]
struct Shared {
    files: Mutex<HashMap<String, Arc<[u8]>>>,
    folder: Mutex<Option<PathBuf>>,
    without_ranges: AtomicBool,
    faults: Mutex<HashMap<String, (usize, Answer)>>,
    behind: Mutex<Option<Behind>>,
    closing: AtomicBool,
}

/// The server to which requests are passed on.
#[derive(Clone, Debug)]
struct Behind {
    authority: String,
    /// The prefix to strip from each path. Paths without it get no response.
    prefix: String,
}

impl ImageServer {
    /// Opens on a free port of the loopback.
    pub fn start() -> Result<Self> {
        Self::start_on(0)
    }

    /// Opens on this port of the loopback.
    pub fn start_on(port: u16) -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Opens at this address.
    pub fn start_at(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).context("cannot bind an image server")?;
        let address = listener
            .local_addr()
            .context("an image server has no address")?;
        let shared = Arc::new(Shared::default());
        let requests = Arc::new(Journal::default());
        let (state, log) = (Arc::clone(&shared), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if state.closing.load(Ordering::Relaxed) {
                    break;
                }
                let (state, log) = (Arc::clone(&state), Arc::clone(&log));
                // Clients that vanish are what firmware is like: no reason to say anything.
                thread::spawn(move || stream.and_then(|stream| state.converse(&stream, &log)));
            }
        });
        Ok(Self {
            requests,
            address,
            shared,
        })
    }

    /// Serves `content` at `path`, which starts with a slash.
    pub fn serve(&self, path: &str, content: impl Into<Arc<[u8]>>) {
        hold(&self.shared.files).insert(path.to_owned(), content.into());
    }

    /// Serves the files below `folder`, each as it is when it is asked for.
    pub fn serve_folder(&self, folder: impl Into<PathBuf>) {
        *hold(&self.shared.folder) = Some(folder.into());
    }

    /// Answers the next `times` requests to `path` with `answer`, whatever else is there.
    pub fn fail_next(&self, path: &str, times: usize, answer: Answer) {
        hold(&self.shared.faults).insert(path.to_owned(), (times, answer));
    }

    /// Answers with whole files from now on, even when a part was asked for: simple servers do.
    pub fn forget_ranges(&self) {
        self.shared.without_ranges.store(true, Ordering::Relaxed);
    }

    /// Passes everything that is not served here to the server at `base_url` (`http://host:port`).
    pub fn relay_to(&self, base_url: &str) -> Result<()> {
        self.relay_below("", base_url)
    }

    /// The same for paths that begin with `prefix` (`/baremetal`), which the server behind does not
    /// see.
    pub fn relay_below(&self, prefix: &str, base_url: &str) -> Result<()> {
        let authority = base_url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'));
        let authority = authority.filter(|authority| !authority.contains('/'));
        let authority = authority.ok_or_else(|| anyhow!("not http://host:port: {base_url}"))?;
        *hold(&self.shared.behind) = Some(Behind {
            authority: authority.to_owned(),
            prefix: prefix.to_owned(),
        });
        Ok(())
    }

    /// The URL of `path` for a machine: on the user network, or on that of the server.
    pub fn url(&self, path: &str) -> String {
        if self.address.ip().is_loopback() {
            format!("http://{HOST}:{}{path}", self.address.port())
        } else {
            self.local_url(path)
        }
    }

    /// The URL of `path` for this host.
    pub fn local_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests to `path` so far.
    pub fn requests_to(&self, path: &str) -> Vec<Request> {
        let mut requests = self.requests.entries();
        requests.retain(|request| request.path == path);
        requests
    }

    /// Waits until `path` was requested, and answered with `status`.
    pub fn wait_for(&self, path: &str, status: u16, timeout: Duration) -> Result<Request> {
        let is_it = |request: &&Request| request.path == path && request.status == status;
        let found = self
            .requests
            .wait(timeout, |all| all.iter().find(is_it).cloned());
        found.with_context(|| {
            let all = self.requests.entries();
            format!("no {status} for {path} within {timeout:?}, but: {all:#?}")
        })
    }
}

impl Drop for ImageServer {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn converse(&self, stream: &TcpStream, log: &Journal<Request>) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some(head) = Head::read(&mut reader)? {
            let started = Instant::now();
            let target = head.word(1).to_owned();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let mut request = Request {
                method: head.word(0).to_owned(),
                path: path.to_owned(),
                query: query.to_owned(),
                status: 0,
                bytes: 0,
                took: Duration::ZERO,
            };
            let done = self.answer(&head, &mut reader, stream, &mut request);
            request.took = started.elapsed();
            log.push(request);
            if done? == Connection::Close {
                break;
            }
        }
        Ok(())
    }

    fn answer(
        &self,
        head: &Head,
        reader: &mut BufReader<&TcpStream>,
        stream: &TcpStream,
        request: &mut Request,
    ) -> io::Result<Connection> {
        let fault = self.fault(&request.path);
        let file = hold(&self.files).get(&request.path).cloned();
        let file = file.or_else(|| self.in_folder(&request.path));
        let behind = hold(&self.behind).clone();
        let behind = behind.filter(|it| request.path.starts_with(&it.prefix));
        if let (None, None, Some(behind)) = (&fault, &file, behind) {
            return relay::relay(&behind, head, reader, stream, request);
        }
        wire::skip_body(head, reader)?;
        match (fault, file) {
            (Some(fault), _) => send(stream, &fault, fault.body.as_bytes(), request)?,
            (None, Some(file)) if matches!(request.method.as_str(), "GET" | "HEAD") => {
                self.send_file(stream, head, &file, request)?;
            }
            (None, Some(_)) => send(stream, &Answer::status(405), &[], request)?,
            (None, None) => send(stream, &Answer::status(404), &[], request)?,
        }
        Ok(Connection::after(head))
    }

    fn in_folder(&self, path: &str) -> Option<Arc<[u8]>> {
        let path = Path::new(path.trim_start_matches('/'));
        let mut components = path.components();
        if !components.all(|it| matches!(it, Component::Normal(_))) {
            return None;
        }
        let folder = hold(&self.folder).clone()?;
        fs::read(folder.join(path)).ok().map(Arc::from)
    }

    /// The file, or the part that was asked for.
    fn send_file(
        &self,
        stream: &TcpStream,
        head: &Head,
        file: &[u8],
        request: &mut Request,
    ) -> io::Result<()> {
        let length = file.len();
        let wanted = if self.without_ranges.load(Ordering::Relaxed) {
            Wanted::Whole
        } else {
            range::wanted(head, length)
        };
        match wanted {
            Wanted::Whole => send(stream, &Answer::status(200), file, request),
            Wanted::Nothing => send(stream, &Answer::status(416), &[], request),
            Wanted::Part(first, end) => {
                let range = format!("bytes {first}-{}/{length}", end - 1);
                let answer = Answer::status(206).header("Content-Range", &range);
                let part = file.get(first..end).unwrap_or_default();
                send(stream, &answer, part, request)
            }
        }
    }

    fn fault(&self, path: &str) -> Option<Answer> {
        let mut faults = hold(&self.faults);
        let (left, answer) = faults.get_mut(path)?;
        *left = left.checked_sub(1)?;
        Some(answer.clone())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Keep,
    Close,
}

impl Connection {
    /// What the client wished.
    fn after(request: &Head) -> Self {
        if request.closes() {
            Self::Close
        } else {
            Self::Keep
        }
    }
}

fn send(
    mut stream: &TcpStream,
    answer: &Answer,
    body: &[u8],
    request: &mut Request,
) -> io::Result<()> {
    request.status = answer.status;
    let mut head = format!(
        "HTTP/1.1 {} {}\r\n",
        answer.status,
        wire::reason(answer.status)
    );
    for (name, value) in &answer.headers {
        write!(head, "{name}: {value}\r\n").map_err(io::Error::other)?;
    }
    write!(head, "Content-Length: {}\r\n\r\n", body.len()).map_err(io::Error::other)?;
    stream.write_all(head.as_bytes())?;
    if request.method != "HEAD" {
        request.bytes = wire::copy_exactly(&mut &*body, stream, body.len() as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
