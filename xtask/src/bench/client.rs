//! Who asks, where wrk cannot: many connections in one thread, each request with the moment at
//! which it should be sent.
//!
//! wrk waits for an answer before it asks again, so that a slow server is asked less. Here
//! requests come when they come (open loop), and what they wait for a connection counts as
//! waiting. Nothing blocks: connections are opened, written and read as the kernel says they are
//! ready.

use std::{
    collections::{HashMap, VecDeque},
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{
    connection::{Connection, Current, Progress},
    http::{Answer, Incoming},
};

/// A request, and when it is due.
pub(super) struct Request {
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
    /// What the caller knows it by.
    pub(super) tag: u64,
    pub(super) due: Instant,
    pub(super) on: On,
}

/// Which connection a request takes.
#[derive(Clone, Copy)]
pub(super) enum On {
    /// Any that is free; a new one if none is.
    Any,
    /// A new one, which the caller gets.
    New,
    /// The one the caller got; a new one if that has ended meanwhile.
    Given(Handle),
}

/// A connection that is one caller's alone.
#[derive(Clone, Copy)]
pub(super) struct Handle {
    index: usize,
    /// Places are used again; numbers are not.
    number: u64,
}

/// What became of a request.
pub(super) struct Done {
    pub(super) tag: u64,
    pub(super) due: Instant,
    pub(super) sent: Instant,
    pub(super) ended: Instant,
    pub(super) outcome: Result<Answer>,
    /// The caller's own connection, if it still is one.
    pub(super) connection: Option<Handle>,
}

impl Done {
    /// From when it was due until the answer was complete.
    pub(super) fn latency(&self) -> Duration {
        self.ended - self.due
    }

    /// From when it was sent until the answer was complete.
    pub(super) fn on_the_wire(&self) -> Duration {
        self.ended - self.sent
    }
}

pub(super) struct Client {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    connections: Vec<Option<Connection>>,
    vacant: Vec<usize>,
    free: HashMap<SocketAddr, Vec<usize>>,
    waiting: VecDeque<Request>,
    done: Vec<Done>,
    made: u64,
    open: usize,
    busy: usize,
    limit: usize,
    patience: Duration,
    next_look: Instant,
}

/// How often it is looked for requests that took too long.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Client {
    /// A client with at most `limit` connections, who gives a request up `patience` after it was
    /// due.
    pub(super) fn new(limit: usize, patience: Duration) -> Result<Self> {
        Ok(Self {
            poll: Poll::new().context("cannot watch connections")?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 * 1024],
            connections: Vec::new(),
            vacant: Vec::new(),
            free: HashMap::new(),
            waiting: VecDeque::new(),
            done: Vec::new(),
            made: 0,
            open: 0,
            busy: 0,
            limit,
            patience,
            next_look: Instant::now() + LOOK_EVERY,
        })
    }

    /// How many requests have no answer yet.
    pub(super) fn under_way(&self) -> usize {
        self.waiting.len() + self.busy
    }

    /// Sends a request, or keeps it until a connection is free.
    pub(super) fn submit(&mut self, request: Request) -> Result<()> {
        let free = match request.on {
            On::Given(handle) => self.is_open(handle).then_some(handle.index),
            On::Any => self.free.get_mut(&request.to).and_then(Vec::pop),
            On::New => None,
        };
        match free {
            Some(index) => self.send(index, request),
            None if self.open < self.limit => {
                let index = self.connect(request.to, !matches!(request.on, On::Any))?;
                self.send(index, request);
            }
            None => self.waiting.push_back(request),
        }
        Ok(())
    }

    /// Waits until something happened, or until `until`, and gives what has ended.
    pub(super) fn turn(&mut self, until: Instant) -> Result<Vec<Done>> {
        let now = Instant::now();
        let until = until.min(self.next_look);
        let wait = if self.done.is_empty() {
            until.saturating_duration_since(now)
        } else {
            Duration::ZERO
        };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => other.context("cannot watch connections")?,
        }
        let ready: Vec<usize> = self.events.iter().map(|it| it.token().0).collect();
        for index in ready {
            self.go_on(index);
        }
        if Instant::now() >= self.next_look {
            self.give_up();
            self.next_look = Instant::now() + LOOK_EVERY;
        }
        self.send_waiting()?;
        Ok(std::mem::take(&mut self.done))
    }

    /// Ends a connection that the caller got.
    pub(super) fn close(&mut self, handle: Handle) {
        if self.is_open(handle) {
            self.drop_connection(handle.index);
        }
    }

    fn is_open(&self, handle: Handle) -> bool {
        let there = self.connections.get(handle.index).and_then(Option::as_ref);
        there.is_some_and(|it| it.number == handle.number)
    }

    fn connect(&mut self, to: SocketAddr, private: bool) -> Result<usize> {
        let mut stream = TcpStream::connect(to).with_context(|| format!("cannot connect {to}"))?;
        let index = self.vacant.pop().unwrap_or(self.connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .poll
            .registry()
            .register(&mut stream, Token(index), interest);
        registered.context("cannot watch a connection")?;
        self.made += 1;
        let connection = Some(Connection {
            stream,
            number: self.made,
            to,
            private,
            current: None,
        });
        match self.connections.get_mut(index) {
            Some(place) => *place = connection,
            None => self.connections.push(connection),
        }
        self.open += 1;
        Ok(index)
    }

    fn send(&mut self, index: usize, request: Request) {
        if let Some(Some(connection)) = self.connections.get_mut(index) {
            self.busy += 1;
            connection.current = Some(Current {
                tag: request.tag,
                due: request.due,
                sent: Instant::now(),
                unwritten: request.bytes,
                incoming: Incoming::default(),
            });
        }
        self.go_on(index);
    }

    /// Writes and reads as far as that goes without waiting.
    fn go_on(&mut self, index: usize) {
        let Some(Some(connection)) = self.connections.get_mut(index) else {
            return;
        };
        let progress = connection.go_on(&mut self.buffer);
        let outcome = match progress {
            Ok(Progress::Waiting) => return,
            Ok(Progress::Complete { reusable }) => Ok(reusable),
            Err(error) => Err(error),
        };
        let reusable = matches!(outcome, Ok(true));
        let private = connection.private;
        let to = connection.to;
        let number = connection.number;
        if let Some(current) = connection.current.take() {
            self.busy -= 1;
            self.done.push(Done {
                tag: current.tag,
                due: current.due,
                sent: current.sent,
                ended: Instant::now(),
                outcome: outcome.map(|_| current.incoming.into_answer()),
                connection: (private && reusable).then_some(Handle { index, number }),
            });
        }
        if !reusable {
            self.drop_connection(index);
        } else if !private {
            self.free.entry(to).or_default().push(index);
        }
    }

    fn drop_connection(&mut self, index: usize) {
        let Some(place) = self.connections.get_mut(index) else {
            return;
        };
        if let Some(connection) = place.take() {
            self.open -= 1;
            self.vacant.push(index);
            if let Some(free) = self.free.get_mut(&connection.to) {
                free.retain(|other| *other != index);
            }
        }
    }

    fn send_waiting(&mut self) -> Result<()> {
        while let Some(first) = self.waiting.front() {
            let free = self.free.get(&first.to).is_some_and(|it| !it.is_empty());
            if !free && self.open >= self.limit {
                return Ok(());
            }
            if let Some(request) = self.waiting.pop_front() {
                self.submit(request)?;
            }
        }
        Ok(())
    }

    /// Ends what took too long.
    fn give_up(&mut self) {
        let Some(too_early) = Instant::now().checked_sub(self.patience) else {
            return;
        };
        let late: Vec<usize> = (0..self.connections.len())
            .filter(|index| {
                let connection = self.connections.get(*index).and_then(Option::as_ref);
                let current = connection.and_then(|it| it.current.as_ref());
                current.is_some_and(|it| it.due < too_early)
            })
            .collect();
        for index in late {
            let connection = self.connections.get_mut(index).and_then(Option::as_mut);
            if let Some(current) = connection.and_then(|it| it.current.take()) {
                self.busy -= 1;
                self.end(current.tag, current.due, current.sent);
            }
            self.drop_connection(index);
        }
        while let Some(first) = self.waiting.front().filter(|it| it.due < too_early) {
            let (tag, due) = (first.tag, first.due);
            self.waiting.pop_front();
            self.end(tag, due, Instant::now());
        }
    }

    fn end(&mut self, tag: u64, due: Instant, sent: Instant) {
        self.done.push(Done {
            tag,
            due,
            sent,
            ended: Instant::now(),
            outcome: Err(anyhow::anyhow!("no answer in {:?}", self.patience)),
            connection: None,
        });
    }
}

/// Sends the requests, `at_once` at a time, and hands each answer to `take`. For what is prepared
/// or compared; the first that fails is an error.
pub(super) fn fetch_all(
    to: SocketAddr,
    count: u32,
    at_once: usize,
    bytes: impl Fn(u32) -> Vec<u8>,
    mut take: impl FnMut(u32, Answer) -> Result<()>,
) -> Result<()> {
    let mut client = Client::new(at_once, Duration::from_secs(30))?;
    let (mut next, mut finished) = (0, 0);
    while finished < count {
        while next < count && client.under_way() < at_once {
            client.submit(Request {
                to,
                bytes: bytes(next),
                tag: u64::from(next),
                due: Instant::now(),
                on: On::Any,
            })?;
            next += 1;
        }
        for done in client.turn(Instant::now() + Duration::from_secs(1))? {
            finished += 1;
            let index = u32::try_from(done.tag)?;
            let answer = done.outcome.with_context(|| format!("node {index}"))?;
            take(index, answer)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn requests_share_connections_and_what_takes_too_long_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        // Answers three requests of one connection, then none any more.
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 8];
            for _ in 0..3 {
                stream.read_exact(&mut asked).unwrap();
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .unwrap();
            }
            let _ = stream.read(&mut asked);
            let _ = stream.read(&mut asked);
        });
        let mut client = Client::new(1, Duration::from_millis(300)).unwrap();
        for tag in 0..4 {
            let (bytes, due, on) = (b"GET it\r\n".to_vec(), Instant::now(), On::Any);
            let request = Request {
                to,
                bytes,
                tag,
                due,
                on,
            };
            client.submit(request).unwrap();
        }
        assert_eq!(client.under_way(), 4);
        let mut outcomes = Vec::new();
        while outcomes.len() < 4 {
            let done = client
                .turn(Instant::now() + Duration::from_secs(5))
                .unwrap();
            outcomes.extend(done.into_iter().map(|it| (it.tag, it.outcome.is_ok())));
        }
        assert_eq!(outcomes, [(0, true), (1, true), (2, true), (3, false)]);
        assert_eq!((client.under_way(), client.open), (0, 0));
        server.join().unwrap();
    }
}
