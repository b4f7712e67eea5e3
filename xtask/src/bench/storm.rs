//! The storm: thousands of machines that all boot, while operators go on changing nodes.
//!
//! Each machine does what iPXE does: asks for `boot.ipxe`, then over the same connection for its
//! own script, then another server for a kernel of 1 MiB. Told 503, it waits as long as it was
//! told and asks again. Every script is held against what the operators have done to its node
//! ([`super::expected`]).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::{
    api::Template,
    boot::Outcome,
    client::{Client, Done, Handle, On, Request},
    contestants::{Contestant, Kind, Stage},
    expected::Expected,
    figures::Table,
    http, load,
    nginx::Nginx,
    operators::{self, Operators},
    weather::{self, Weather},
};

const KERNEL_BYTES: usize = 1024 * 1024;
/// So many machines are powered on at the same moment.
const AT_ONCE: usize = 1000;
/// How long a machine waits for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a machine asks again before it gives up.
const TRIES: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is to be blown.
pub(super) struct Plan<'a> {
    pub(super) ironpxe: &'a Path,
    pub(super) nginx: &'a Path,
    /// Whom it meets, one after the other: each has its own nodes, which are changed.
    pub(super) kinds: Vec<Kind>,
    pub(super) machines: u32,
    pub(super) changes_per_second: u32,
}

/// One storm for each. With what came out, how many scripts were wrong.
pub(super) fn run(plan: &Plan<'_>) -> Result<(Outcome, usize)> {
    let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
    let files = scratch.path().join("kernels");
    fs::create_dir_all(&files).context("cannot create a folder")?;
    fs::write(files.join("kernel"), vec![0x5a; KERNEL_BYTES]).context("cannot write a kernel")?;
    let folder = scratch.path().join("images");
    let images = Nginx::start(plan.nginx, &folder, &files, false, None)?;
    let mut table = Table::new(weather::HEADINGS);
    let mut all = Map::new();
    let mut wrong = Vec::new();
    // The others are the same servers, or none that operators could change.
    for kind in plan.kinds.iter().filter(|it| it.is_a_server()) {
        let stage = Stage {
            ironpxe: plan.ironpxe,
            nginx: plan.nginx,
            folder: &scratch.path().join(kind.key()),
            nodes: plan.machines,
            template: Template::Running,
            environment: &[],
            cores: None,
        };
        let field = stage.start(&[*kind])?;
        let storm = Storm {
            contestant: field.all.first().context("nobody to ask")?,
            images: images.address,
            machines: plan.machines,
            changes_per_second: plan.changes_per_second,
        };
        let weather = storm.blow()?;
        table.row(weather.cells(kind.title()));
        all.insert(kind.key().to_owned(), weather.json());
        wrong.extend(weather.wrong);
    }
    let mut markdown = format!(
        "{} machines, {AT_ONCE} at a time; boot.ipxe, script and a kernel of 1 MiB each; {} \
         changes a second\n\n{}",
        plan.machines,
        plan.changes_per_second,
        table.into_text()
    );
    for why in wrong.iter().take(5) {
        markdown.extend(["\nWrong: ", why, "\n"]);
    }
    let outcome = Outcome {
        markdown,
        json: Value::Object(all),
    };
    Ok((outcome, wrong.len()))
}

/// Who takes part.
struct Storm<'a> {
    contestant: &'a Contestant,
    images: SocketAddr,
    machines: u32,
    changes_per_second: u32,
}

/// What a machine wants next.
#[derive(Clone, Copy)]
enum Wants {
    First,
    Script,
    Kernel,
}

/// What a machine does next.
enum Next {
    /// Asks over the same connection.
    Ask,
    /// Asks another server.
    AskElsewhere,
    AskAt(Instant),
    Finished,
}

struct Machine {
    wants: Wants,
    started: Instant,
    tries: u32,
    connection: Option<Handle>,
}

impl Storm<'_> {
    fn blow(&self) -> Result<Weather> {
        let mut weather = Weather {
            idle_mib: self.rss_mib()?,
            ..Weather::default()
        };
        let mut client = Client::new(2 * AT_ONCE + 64, PATIENCE)?;
        let mut expected = Expected::default();
        let address = self.contestant.target.address;
        let mut operators = Operators::new(address, self.machines, self.changes_per_second);
        let mut machines: BTreeMap<u32, Machine> = BTreeMap::new();
        let mut asleep: BinaryHeap<Reverse<(Instant, u32)>> = BinaryHeap::new();
        let mut next = 0;
        let start = Instant::now();
        let mut next_look = start;
        while next < self.machines || !machines.is_empty() {
            let now = Instant::now();
            while next < self.machines && machines.len() < AT_ONCE {
                let machine = Machine {
                    wants: Wants::First,
                    started: now,
                    tries: 0,
                    connection: None,
                };
                self.ask(&mut client, next, &machine)?;
                machines.insert(next, machine);
                next += 1;
            }
            while asleep.peek().is_some_and(|Reverse((when, _))| *when <= now) {
                if let Some(Reverse((_, index))) = asleep.pop()
                    && let Some(machine) = machines.get(&index)
                {
                    self.ask(&mut client, index, machine)?;
                }
            }
            operators.act(now, next, &mut client, &mut expected)?;
            if now >= next_look {
                weather.peak_mib = weather.peak_mib.max(self.rss_mib()?);
                next_look = now + LOOK_EVERY;
            }
            for done in client.turn(now + Duration::from_millis(5))? {
                if done.tag >= operators::TAGS {
                    operators.take(&done, &mut expected);
                    continue;
                }
                let index = u32::try_from(done.tag)?;
                let Some(mut machine) = machines.remove(&index) else {
                    continue;
                };
                match went(&mut weather, &expected, index, &mut machine, &done) {
                    Next::Ask => self.ask(&mut client, index, &machine)?,
                    Next::AskElsewhere => {
                        if let Some(handle) = machine.connection.take() {
                            client.close(handle);
                        }
                        self.ask(&mut client, index, &machine)?;
                    }
                    Next::AskAt(when) => {
                        if let Some(handle) = machine.connection.take() {
                            client.close(handle);
                        }
                        asleep.push(Reverse((when, index)));
                    }
                    Next::Finished => {
                        if let Some(handle) = machine.connection {
                            client.close(handle);
                        }
                        continue;
                    }
                }
                machines.insert(index, machine);
            }
        }
        weather.seconds = start.elapsed().as_secs_f64();
        weather.changes = operators.made();
        weather.changes_failed = operators.failed();
        weather.change_failure = operators.failure();
        weather.change_latencies = operators.into_latencies();
        Ok(weather)
    }

    fn rss_mib(&self) -> Result<f64> {
        let all = load::usages(&self.contestant.target)?;
        Ok(all.iter().map(|(_, it)| it.rss_mib).sum())
    }

    fn ask(&self, client: &mut Client, index: u32, machine: &Machine) -> Result<()> {
        let server = self.contestant.target.address;
        let (to, path) = match machine.wants {
            Wants::First => (server, "/boot.ipxe".to_owned()),
            Wants::Script => (server, self.contestant.target.path(index)),
            Wants::Kernel => (self.images, "/kernel".to_owned()),
        };
        client.submit(Request {
            to,
            bytes: http::firmware_request(&path),
            tag: u64::from(index),
            due: Instant::now(),
            on: machine.connection.map_or(On::New, On::Given),
        })
    }
}

/// What a machine does with an answer.
fn went(
    weather: &mut Weather,
    expected: &Expected,
    index: u32,
    machine: &mut Machine,
    done: &Done,
) -> Next {
    machine.connection = done.connection;
    let answer = match &done.outcome {
        Ok(answer) if answer.status == 200 => answer,
        other => {
            machine.tries += 1;
            let wait = match other {
                Ok(answer) if answer.status == 503 => {
                    weather.told_to_wait += 1;
                    answer.retry_after.unwrap_or(1)
                }
                _ => 1,
            };
            if machine.tries < TRIES {
                return Next::AskAt(done.ended + Duration::from_secs(wait));
            }
            weather.failed += 1;
            weather.failure = Some(match other {
                Ok(answer) => format!("status {}", answer.status),
                Err(error) => format!("{error:#}"),
            });
            return Next::Finished;
        }
    };
    match machine.wants {
        Wants::First => {
            weather.first.push(done.latency());
            if !answer.body.starts_with(b"#!ipxe") {
                weather
                    .wrong
                    .push(format!("machine {index}: boot.ipxe is no script"));
            }
            machine.wants = Wants::Script;
            Next::Ask
        }
        Wants::Script => {
            weather.scripts.push(done.latency());
            let text = String::from_utf8_lossy(&answer.body);
            weather.of_changed += usize::from(expected.was_changed(index));
            if let Err(why) = expected.check(index, &text, done.sent, done.ended) {
                weather.wrong.push(why);
            }
            machine.wants = Wants::Kernel;
            Next::AskElsewhere
        }
        Wants::Kernel => {
            weather.kernels.push(done.latency());
            weather.boots.push(done.ended - machine.started);
            weather.kernel_bytes += answer.length;
            if answer.length != KERNEL_BYTES {
                weather
                    .wrong
                    .push(format!("machine {index}: a kernel of {}", answer.length));
            }
            Next::Finished
        }
    }
}
