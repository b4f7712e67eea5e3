//! What operators do: enrolling, patching and bringing nodes from state to state, eight calls at a time.
//! The same calls go to real Ironic in the same run, if that is asked for.

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::Bench;
use crate::client::{self, Connection};
use crate::figures::{Cells, Table, Tally, number, shown};
use crate::ironic;
use crate::names::{mac, uuid};
use crate::servers::{Service, Target};
use crate::variants::{RAMDISK, Setup};

const AT_ONCE: usize = 8;
/// No call takes longer, with the change of state that it asks for.
const LIMIT: Duration = Duration::from_mins(1);
/// No more calls of one kind than this, however fast they are made.
const MOST: usize = 20_000;
/// Nodes from here on are not used otherwise.
const FIRST_NODE: u32 = 1_000_000;

/// What operators ask for, in this order.
#[derive(Clone, Copy, PartialEq)]
enum Call {
    CreateNode,
    CreatePort,
    PatchNode,
    ShowNode,
    /// The verb, and the state that it leads to.
    Provision(&'static str, &'static str),
}

const CALLS: [(&str, Call); 6] = [
    ("create a node", Call::CreateNode),
    ("create a port", Call::CreatePort),
    ("patch a node", Call::PatchNode),
    ("show a node", Call::ShowNode),
    ("manage a node", Call::Provision("manage", "manageable")),
    ("provide a node", Call::Provision("provide", "available")),
];

pub(crate) fn run(bench: &Bench, ironic: Option<&Path>) -> Result<String> {
    let deployment = Setup { nodes: 1, ..bench.setup(RAMDISK) }.start(&bench.ironpxes())?;
    let ironic = ironic.map(ironic::start).transpose()?;
    let mut table = Table::new("");
    // Some services share a database.
    let mut fresh = FIRST_NODE..;
    for Service { title, target, .. } in deployment.services.iter().chain(&ironic) {
        let mut cells = Vec::new();
        let mut nodes: Vec<u32> = fresh.by_ref().take(MOST).collect();
        for (name, call) in CALLS {
            let repeated = matches!(call, Call::PatchNode | Call::ShowNode);
            let count = if repeated { MOST } else { nodes.len() };
            let on = nodes.iter().copied().cycle().take(count);
            let (done, figures) = call.measure(target, bench.time(), on)?;
            cells.extend(figures.map(|(figure, cell)| (format!("{name}: {figure}"), cell)));
            if !repeated {
                nodes = done;
            }
        }
        table.row(title, cells);
    }
    Ok(format!(
        "{AT_ONCE} calls at once. A change of state is done when the node is in the new state and \
         it is not reserved. CPU is per call, that of the database server behind the plus.\n\n{}",
        table.transposed()
    ))
}

impl Call {
    /// Makes it for one node after the other, until there are no more or the time is over. Gives the nodes
    /// for which it succeeded, and cells of the table.
    fn measure(
        self,
        target: &Target,
        time: Duration,
        nodes: impl Iterator<Item = u32>,
    ) -> Result<(Vec<u32>, Cells<5>)> {
        let (before, database) = (target.usage()?, target.database_usage()?);
        let (start, nodes) = (Instant::now(), RefCell::new(nodes.enumerate()));
        let next = || nodes.borrow_mut().next().filter(|_| start.elapsed() < time);
        let (tally, done) = (Tally::default(), RefCell::new(Vec::new()));
        let operator = || async {
            let mut connection = Connection::new(target.address);
            while let Some((number, node)) = next() {
                let began = Instant::now();
                let made = timeout(LIMIT, self.make(&mut connection, node, number)).await;
                if let Ok(Ok(())) = made {
                    tally.record("done", began);
                    done.borrow_mut().push(node);
                } else {
                    tally.record("failed", began);
                }
            }
        };
        client::run(async { Ok(join_all((0..AT_ONCE).map(|_| operator())).await) })?;
        let (seconds, count) = (start.elapsed().as_secs_f64(), number(tally.count("done")));
        let mut cpu = shown((target.usage()?.cpu - before.cpu) * 1e3 / count, 2);
        let database_cpu = target.database_usage()?.cpu - database.cpu;
        if database_cpu > 0.0 {
            cpu += &format!(" + {}", shown(database_cpu * 1e3 / count, 2));
        }
        let figures = [
            ("per second", shown(count / seconds, 0)),
            ("p50, ms", tally.cell("done", 50.0, 1)),
            ("p99, ms", tally.cell("done", 99.0, 1)),
            ("CPU, ms", cpu),
            ("failed", tally.count("failed").to_string()),
        ];
        Ok((done.into_inner(), figures))
    }

    /// Makes it for a node, and waits for the state that it leads to. `number` is another one each time.
    async fn make(self, connection: &mut Connection, node: u32, number: usize) -> Result<()> {
        let uuid = uuid(node, 1);
        let path = format!("/v1/nodes/{uuid}");
        let (method, url, body) = match self {
            Self::CreateNode => (Method::POST, "/v1/nodes", RAMDISK.node(node)),
            Self::CreatePort => {
                (Method::POST, "/v1/ports", json!({ "node_uuid": uuid, "address": mac(node) }))
            }
            Self::PatchNode => {
                let patch = json!([{ "op": "add", "path": "/extra/number", "value": number }]);
                (Method::PATCH, path.as_str(), patch)
            }
            Self::ShowNode => (Method::GET, path.as_str(), Value::Null),
            Self::Provision(verb, state) => return connection.provision(&path, verb, state).await,
        };
        connection.call(method, url, &body).await.map(drop)
    }
}
