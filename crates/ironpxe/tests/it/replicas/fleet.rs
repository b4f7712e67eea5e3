//! A fleet of machines that boot without end, and what happened to them.
//!
//! Each machine does what firmware does: it asks for its script and fetches the kernel that the
//! script names. It reaches the APIs as through a load balancer: in turn, and the next one when
//! one does not take the connection or breaks it off.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ironpxe_testkit::ironic::FIRMWARE;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_LENGTH, RETRY_AFTER, USER_AGENT};

use super::register::Register;

/// How long a machine waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long a machine rests between two boots: a small host must have room for what is tested.
const REST: Duration = Duration::from_millis(15);

/// One machine, and what it must get.
pub(super) struct Machine {
    pub(super) mac: String,
    /// What its script must contain.
    pub(super) script: Vec<String>,
    /// Whether the script names a kernel to fetch.
    pub(super) has_kernel: bool,
    /// What its script says of a value that changes all the time.
    pub(super) register: Option<Register>,
}

/// What became of one request.
enum Outcome {
    /// The right script.
    Right(String),
    /// Told to ask again, as firmware understands it.
    AskAgain,
    /// No API answered.
    Nothing,
    /// Anything else.
    Wrong(String),
}

/// What became of the requests of a while.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) right: u64,
    pub(super) ask_again: u64,
    pub(super) nothing: u64,
    /// Requests that the first API did not take, and another one did.
    pub(super) elsewhere: u64,
    pub(super) kernels: u64,
    /// The first few that were wrong.
    pub(super) wrong: Vec<String>,
    pub(super) wrong_count: u64,
    /// The longest time in which no machine got a script.
    pub(super) longest_silence: Duration,
    /// The longest any machine waited for one answer.
    pub(super) longest_answer: Duration,
    last_right: Option<Instant>,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome, took: Duration) {
        self.sent += 1;
        self.longest_answer = self.longest_answer.max(took);
        match outcome {
            Outcome::Right(_) => {
                self.right += 1;
                self.note_silence();
                self.last_right = Some(Instant::now());
            }
            Outcome::AskAgain => self.ask_again += 1,
            Outcome::Nothing => self.nothing += 1,
            Outcome::Wrong(what) => {
                self.wrong_count += 1;
                if self.wrong.len() < 3 {
                    self.wrong.push(what.clone());
                }
            }
        }
    }

    fn note_silence(&mut self) {
        if let Some(last) = self.last_right {
            self.longest_silence = self.longest_silence.max(last.elapsed());
        }
    }
}

/// The rows of a report, by what was done to the site.
#[derive(Debug, Default)]
pub(super) struct Report(pub(super) Vec<(&'static str, Tally)>);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| what was done | sent | 200 | 503 | no answer | wrong | by another API | kernels | \
             longest silence | slowest answer |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
        )?;
        for (what, tally) in &self.0 {
            writeln!(
                f,
                "| {what} | {} | {} | {} | {} | {} | {} | {} | {:.2} s | {:.2} s |",
                tally.sent,
                tally.right,
                tally.ask_again,
                tally.nothing,
                tally.wrong_count,
                tally.elsewhere,
                tally.kernels,
                tally.longest_silence.as_secs_f64(),
                tally.longest_answer.as_secs_f64(),
            )?;
        }
        Ok(())
    }
}

/// The machines, while they boot.
pub(super) struct Fleet<'a> {
    machines: &'a [Machine],
    apis: Vec<String>,
    tally: Mutex<Tally>,
    over: AtomicBool,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(machines: &'a [Machine], apis: Vec<String>) -> Self {
        Self {
            machines,
            apis,
            tally: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Boots `concurrency` machines at a time, while `act` does something to the site and
    /// `beside` is repeated beside it.
    pub(super) fn boot_while<T>(
        &self,
        concurrency: usize,
        beside: impl Fn() + Send,
        act: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        thread::scope(|scope| {
            for number in 0..concurrency {
                scope.spawn(move || self.boot_on(number));
            }
            scope.spawn(move || {
                while !self.over.load(Ordering::Relaxed) {
                    beside();
                }
            });
            let done = act(self);
            self.over.store(true, Ordering::Relaxed);
            done
        })
    }

    /// What happened since this was last asked.
    pub(super) fn take_tally(&self) -> Tally {
        let mut tally = self.lock();
        tally.note_silence();
        let last_right = tally.last_right.map(|_| Instant::now());
        let fresh = Tally {
            last_right,
            ..Tally::default()
        };
        std::mem::replace(&mut *tally, fresh)
    }

    /// How many right scripts there were since the tally was last taken.
    pub(super) fn right(&self) -> u64 {
        self.lock().right
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Boots one machine after the other.
    fn boot_on(&self, number: usize) {
        let client = ironpxe_testkit::http::client().timeout(TIMEOUT).build();
        let client = client.unwrap_or_default();
        for (turn, machine) in (number..).zip(self.machines.iter().cycle().skip(number)) {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let started = Instant::now();
            let outcome = self.ask(&client, turn, machine);
            self.lock().count(&outcome, started.elapsed());
            if let Outcome::Right(script) = outcome
                && machine.has_kernel
                && fetch_kernel(&client, &script).is_ok()
            {
                self.lock().kernels += 1;
            }
            thread::sleep(REST);
        }
    }

    /// One request for a script, at the first API in turn that takes it.
    fn ask(&self, client: &Client, turn: usize, machine: &Machine) -> Outcome {
        let in_turn = self.apis.iter().cycle().skip(turn % self.apis.len());
        for (tries, api) in in_turn.take(self.apis.len()).enumerate() {
            let since = machine.register.as_ref().map_or(0, Register::acknowledged);
            let url = format!("{api}{}", super::fixture::boot_path(&machine.mac));
            let answer = client.get(&url).header(USER_AGENT, FIRMWARE).send();
            // A load balancer does not send a request twice that an API may be working on.
            let answer = match answer {
                Err(error) if error.is_timeout() => return Outcome::Nothing,
                Err(_) => continue,
                Ok(answer) => answer,
            };
            if tries > 0 {
                self.lock().elsewhere += 1;
            }
            return judge(machine, since, answer);
        }
        Outcome::Nothing
    }
}

/// Whether an answer is one that the machine may get.
fn judge(machine: &Machine, since: u64, answer: Response) -> Outcome {
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let Ok(text) = answer.text() else {
        return Outcome::Nothing;
    };
    let mac = &machine.mac;
    let wrong = |why: &str| Outcome::Wrong(format!("{mac}: {why}: {status} {headers:?}\n{text}"));
    match status {
        503 if headers.contains_key(RETRY_AFTER) && headers.contains_key(CONTENT_LENGTH) => {
            Outcome::AskAgain
        }
        200 => {
            if let Some(part) = machine.script.iter().find(|part| !text.contains(*part)) {
                return wrong(&format!("no {part:?}"));
            }
            let seen = machine.register.as_ref();
            match seen.map_or(Ok(()), |register| register.allows(&text, since)) {
                Ok(()) => Outcome::Right(text),
                Err(why) => wrong(&why),
            }
        }
        _ => wrong("neither a script nor a reason to ask again"),
    }
}

/// Fetches the kernel that a script names, whole.
fn fetch_kernel(client: &Client, script: &str) -> Result<()> {
    let url = script
        .split_whitespace()
        .find(|word| word.starts_with("http") && word.ends_with("/kernel"))
        .context("no kernel")?;
    let kernel = client
        .get(url)
        .send()
        .and_then(Response::error_for_status)
        .and_then(Response::bytes)
        .context("no kernel came")?;
    anyhow::ensure!(kernel.len() == super::chaos::KERNEL_SIZE);
    Ok(())
}
