//! Several boot requests in one message to a conductor, when several wait.
//!
//! A request that finds no message on its way to a conductor goes at once, alone. The others wait
//! until the message has come back; then one of them takes all that wait along, as a batch of
//! JSON-RPC 2.0, so that what a message costs is shared by as many as there are when there is much
//! to do. Nobody waits for company. When a message takes its time, the next request to come does not
//! wait for it: then there are a few under way at once.
//!
//! What several do together can go wrong for all, and takes as long as the slowest of them: one
//! machine whose images must be looked for in a Glance that hangs must not keep the others. So
//! whoever hears nothing for a moment asks alone: what a machine asks changes nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::client::{Client, Connection, Trouble};
use super::envelope;

/// How many messages to one conductor are under way at once, at most.
const PLACES: usize = 4;
/// How long the last one that was sent must be under way before there is another one. Longer than
/// a conductor needs for what it has at hand.
const LONG: Duration = Duration::from_millis(5);

/// The messages to all conductors.
#[derive(Debug, Default)]
pub(super) struct Batches {
    /// By endpoint.
    lines: Mutex<HashMap<String, Arc<Line>>>,
}

/// What goes to one conductor.
struct Line {
    state: Mutex<State>,
    /// Whether it does not take batches, as Ironic's conductors do not.
    one_by_one: AtomicBool,
}

struct State {
    /// How many places are taken.
    taken: usize,
    /// When one was taken last, or given on.
    since: Instant,
    waiting: Vec<Waiting>,
}

/// A request that waits for a place, or for somebody who takes it along.
struct Waiting {
    body: Bytes,
    news: oneshot::Sender<News>,
}

/// What one that waits hears.
enum News {
    /// Its answer.
    Answer(Result<Bytes, Trouble>),
    /// It has a place, and takes these along.
    Turn(Place, Vec<Waiting>),
}

/// A place, until it is dropped: then those who wait have it.
struct Place(Arc<Line>);

impl Batches {
    /// Sends a request to `host:port`, and gives the answer's body. A batch may take so long as
    /// `together` before each in it asks alone; whoever waits for a place and then for a batch,
    /// twice as long.
    pub(super) async fn post(
        &self,
        client: &Client,
        endpoint: &str,
        body: Bytes,
        together: Duration,
    ) -> Result<Bytes, Trouble> {
        let line = self.line(endpoint);
        let alone = || client.post(endpoint, body.clone(), Connection::Kept);
        if line.one_by_one.load(Ordering::Relaxed) {
            return alone().await;
        }
        let news = match line.enter(&body) {
            Ok(turn) => Ok(Ok(turn)),
            Err(waiting) => timeout(2 * together, waiting).await,
        };
        match news {
            Ok(Ok(News::Answer(answer))) => answer,
            Ok(Ok(News::Turn(_place, others))) if others.is_empty() => alone().await,
            Ok(Ok(News::Turn(place, others))) => {
                let sent = client.post(endpoint, batch(&body, &others), Connection::Kept);
                let answers = match timeout(together, sent).await {
                    Ok(Ok(answers)) => envelope::parts(&answers, others.len() + 1),
                    Ok(Err(Trouble::Fault(_))) => None,
                    Ok(Err(trouble)) => {
                        for it in others {
                            // Whoever has gone needs no answer, here and below.
                            let _ = it.news.send(News::Answer(Err(trouble.clone())));
                        }
                        return Err(trouble);
                    }
                    Err(_) => {
                        drop((place, others));
                        return alone().await;
                    }
                };
                let mut answers = answers.into_iter().flatten();
                let Some(own) = answers.next() else {
                    line.one_by_one.store(true, Ordering::Relaxed);
                    drop((place, others));
                    return alone().await;
                };
                for (it, answer) in others.into_iter().zip(answers) {
                    let _ = it.news.send(News::Answer(Ok(answer)));
                }
                Ok(own)
            }
            Ok(Err(_)) | Err(_) => alone().await,
        }
    }

    fn line(&self, endpoint: &str) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(endpoint) {
            return Arc::clone(line);
        }
        // Whoever starts again may do so elsewhere.
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        let line = Arc::new(Line {
            state: Mutex::new(State {
                taken: 0,
                since: Instant::now(),
                waiting: Vec::new(),
            }),
            one_by_one: AtomicBool::new(false),
        });
        lines.insert(endpoint.to_owned(), Arc::clone(&line));
        line
    }
}

fn batch(own: &Bytes, others: &[Waiting]) -> Bytes {
    let others = others.iter().map(|it| &it.body);
    envelope::batch(std::iter::once(own).chain(others))
}

impl Line {
    /// Takes a place, if there is one now; otherwise, where to hear of it.
    fn enter(self: &Arc<Self>, body: &Bytes) -> Result<News, oneshot::Receiver<News>> {
        let mut state = self.state();
        if state.taken == 0 || (state.taken < PLACES && state.since.elapsed() >= LONG) {
            state.taken += 1;
            let others = state.next(envelope::MAX_BATCH - 1);
            return Ok(News::Turn(Place(Arc::clone(self)), others));
        }
        let (news, waiting) = oneshot::channel();
        state.waiting.push(Waiting {
            body: body.clone(),
            news,
        });
        Err(waiting)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// So many of those who wait, at most, for one who has a place now.
    fn next(&mut self, most: usize) -> Vec<Waiting> {
        self.since = Instant::now();
        self.waiting.retain(|it| !it.news.is_closed());
        let most = most.min(self.waiting.len());
        self.waiting.drain(..most).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (first, others) = {
            let mut state = self.0.state();
            let mut next = state.next(envelope::MAX_BATCH);
            let Some(first) = next.pop() else {
                state.taken -= 1;
                return;
            };
            (first, next)
        };
        let place = Self(Arc::clone(&self.0));
        // If it has gone after all, the place comes back here, and goes to the next.
        let _ = first.news.send(News::Turn(place, others));
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
