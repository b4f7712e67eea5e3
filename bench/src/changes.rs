//! What operators do: enrolling, patching and bringing nodes from state to state, eight calls at a time.
//! The same calls go to real Ironic in the same run, if that is asked for.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::Bench;
use crate::client::{self, Answer, Connection};
use crate::contestants::{Kind, RAMDISK, is_settled};
use crate::figures::{Latencies, Table, number, shown};
use crate::ironic::RealIronic;
use crate::names;
use crate::servers::Target;

const AT_ONCE: usize = 8;
/// No change of state takes longer.
const LIMIT: Duration = Duration::from_mins(1);
/// A node is looked at again after a quarter of the time it has taken, and not earlier than this.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);
/// No more nodes than this, however fast they are made.
const MOST: usize = 20_000;
/// Addresses from here on are not used otherwise.
const FIRST_ADDRESS: usize = 1_000_000;

type Call = (Method, String, Option<Value>);

/// What came of one kind of call.
#[derive(Default)]
struct Phase {
    latencies: Latencies,
    failed: usize,
    seconds: f64,
    cpu: f64,
    database_cpu: f64,
}

pub(crate) fn run(bench: &Bench, ironic: Option<&Path>) -> Result<String> {
    let scratch = tempfile::tempdir()?;
    let mut kinds = bench.kinds(&[Kind::Embedded, Kind::Postgres]);
    kinds.retain(|it| it.is_ironpxe());
    let field = bench.stage(scratch.path(), 1, RAMDISK).start(&kinds)?;
    let folder = scratch.path().join("ironic");
    let ironic = ironic.map(|venv| RealIronic::start(venv, &folder)).transpose()?;
    let mut services: Vec<(&str, &Target)> = Vec::new();
    services.extend(field.all.iter().map(|it| (it.title.as_str(), &it.target)));
    services.extend(ironic.iter().map(|it| (it.name.as_str(), &it.target)));
    let mut headings = String::new();
    let mut measured = Vec::new();
    for (name, target) in services {
        headings += &format!("|{name}: per second|p50, ms|p99, ms|CPU, ms|failed");
        measured.push(measure(target, bench.time())?);
    }
    let mut table = Table::new(&headings);
    let calls = "create a node|create a port|patch a node|show a node|manage a node|provide a node";
    for (index, name) in calls.split('|').enumerate() {
        let phases = measured.iter().filter_map(|it| it.get(index));
        let cells = phases.flat_map(|it| {
            let count = number(it.latencies.count());
            let mut cpu = shown(it.cpu * 1e3 / count, 2);
            if it.database_cpu > 0.0 {
                cpu += &format!(" + {}", shown(it.database_cpu * 1e3 / count, 2));
            }
            let per_second = shown(count / it.seconds, 0);
            let (p50, p99) = (it.latencies.cell(50.0, 1), it.latencies.cell(99.0, 1));
            [per_second, p50, p99, cpu, it.failed.to_string()]
        });
        table.row(name, cells);
    }
    Ok(format!(
        "{AT_ONCE} calls at once. A change of state is done when the node is in the new state and \
         it is not reserved. CPU is per call, that of the database server behind the plus.\n\n{}",
        table.into_text()
    ))
}

fn measure(target: &Target, time: Duration) -> Result<Vec<Phase>> {
    let mut uuids = Vec::new();
    let create = |position: usize| {
        let body = RAMDISK.node(&format!("made-{position}"));
        Some((Method::POST, "/v1/nodes".to_owned(), Some(body)))
    };
    let mut phases = vec![phase(target, time, None, create, |_, answer| {
        let uuid = answer.json().get("uuid").and_then(Value::as_str).map(str::to_owned);
        uuids.extend(uuid);
    })?];
    let any = |position: usize| uuids.get(position % uuids.len().max(1));
    let port = |position: usize| {
        let address = names::mac(u32::try_from(FIRST_ADDRESS + position).ok()?);
        let body = json!({ "node_uuid": uuids.get(position)?, "address": address });
        Some((Method::POST, "/v1/ports".to_owned(), Some(body)))
    };
    phases.push(phase(target, time, None, port, |_, _| {})?);
    let patch = |position: usize| {
        let body = json!([{ "op": "add", "path": "/extra/position", "value": position }]);
        Some((Method::PATCH, format!("/v1/nodes/{}", any(position)?), Some(body)))
    };
    phases.push(phase(target, time, None, patch, |_, _| {})?);
    let show = |position: usize| Some((Method::GET, format!("/v1/nodes/{}", any(position)?), None));
    phases.push(phase(target, time, None, show, |_, _| {})?);
    let mut ready = uuids.clone();
    for (verb, state) in [("manage", "manageable"), ("provide", "available")] {
        let mut arrived = Vec::new();
        let change = |position: usize| {
            let path = format!("/v1/nodes/{}/states/provision", ready.get(position)?);
            Some((Method::PUT, path, Some(json!({ "target": verb }))))
        };
        let done = |position: usize, _: &Answer| arrived.extend(ready.get(position).cloned());
        phases.push(phase(target, time, Some(state), change, done)?);
        ready = arrived;
    }
    Ok(phases)
}

/// Makes the calls that `call` gives, until it gives no more or the time is over. With `state`, a call is
/// done when its node is in that state.
fn phase(
    target: &Target,
    time: Duration,
    state: Option<&str>,
    call: impl Fn(usize) -> Option<Call>,
    done: impl FnMut(usize, &Answer),
) -> Result<Phase> {
    let (before, database) = (target.usage()?, target.database_usage()?);
    let (start, next) = (Instant::now(), Cell::new(0));
    let (phase, done) = (RefCell::new(Phase::default()), RefCell::new(done));
    let operator = || async {
        let mut connection = Connection::new(target.address);
        while start.elapsed() < time && next.get() < MOST {
            let position = next.replace(next.get() + 1);
            let Some((method, path, body)) = call(position) else {
                break;
            };
            let began = Instant::now();
            let answer = connection.call(method, &path, body.as_ref()).await;
            match answer {
                Ok(answer)
                    if answer.succeeded() && settles(&mut connection, &path, state).await =>
                {
                    phase.borrow_mut().latencies.push(began.elapsed());
                    done.borrow_mut()(position, &answer);
                }
                _ => phase.borrow_mut().failed += 1,
            }
        }
    };
    client::run(async { Ok(join_all((0..AT_ONCE).map(|_| operator())).await) })?;
    let mut phase = phase.into_inner();
    phase.seconds = start.elapsed().as_secs_f64();
    phase.cpu = target.usage()?.cpu - before.cpu;
    phase.database_cpu = target.database_usage()?.cpu - database.cpu;
    Ok(phase)
}

/// Waits until the node is in the state, if one is given.
async fn settles(connection: &mut Connection, path: &str, state: Option<&str>) -> bool {
    let Some(state) = state else { return true };
    let path = path.replace("/states/provision", "?fields=provision_state,reservation");
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        let node = connection.call(Method::GET, &path, None).await;
        if node.is_ok_and(|it| is_settled(&it.json(), state)) {
            return true;
        }
        sleep((start.elapsed() / 4).max(SHORTEST_WAIT)).await;
    }
    false
}
