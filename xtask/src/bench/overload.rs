//! Four times more requests than a server can answer, and what it makes of them.
//!
//! First as many as it answers when each of 64 connections asks again at once: that is what it can
//! do. Then four times that, at even distances, whatever it does. At last half of what it can do:
//! a server that took the overload well is its old self.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    boot::Outcome,
    contestants::{Contestant, Field},
    figures::{Table, number, shown},
    load,
    pace::{Answered, Halves, Offer},
};

/// How much more is offered than can be answered.
const TIMES: f64 = 4.0;
/// How many machines wait at the same time at most.
const CONNECTIONS: usize = 4096;
/// How long a machine waits.
const PATIENCE: Duration = Duration::from_secs(10);

struct Trial {
    capacity: f64,
    overload: Answered,
    afterwards: Answered,
    idle_mib: f64,
    overloaded_mib: f64,
}

pub(super) fn run(field: &Field, halves: &Halves, nodes: u32, time: Duration) -> Result<Outcome> {
    let mut table = Table::new([
        "",
        "it can, per second",
        "offered, per second",
        "answered 200, per second",
        "of what it can, %",
        "200, of all, %",
        "503, of all, %",
        "other answers, %",
        "no answer in 10 s, %",
        "200, since due: p99, ms",
        "200, since sent: p50, ms",
        "200, since sent: p99, ms",
        "503, since sent: p99, ms",
        "memory before → after (RSS), MiB",
        "then at half load: p99, ms",
    ]);
    let mut all = serde_json::Map::new();
    for contestant in &field.all {
        let trial = halves.on_load_side(|| trial(contestant, nodes, time))?;
        table.row(trial.cells(contestant.kind.title(), time));
        all.insert(contestant.kind.key().to_owned(), trial.json());
    }
    Ok(Outcome {
        markdown: format!(
            "Servers on processors {}, the load on others; at most {CONNECTIONS} connections\n\n{}",
            halves.servers,
            table.into_text()
        ),
        json: Value::Object(all),
    })
}

fn trial(contestant: &Contestant, nodes: u32, time: Duration) -> Result<Trial> {
    let offer = Offer {
        target: &contestant.target,
        nodes,
        connections: CONNECTIONS,
        patience: PATIENCE,
    };
    offer.as_fast_as_it_goes(Duration::from_secs(1))?;
    let capacity = offer.as_fast_as_it_goes(time)?.accepted_per_second();
    let idle_mib = rss_mib(contestant)?;
    let overload = offer.at(capacity * TIMES, time)?;
    let overloaded_mib = rss_mib(contestant)?;
    let afterwards = offer.at(capacity / 2.0, time)?;
    Ok(Trial {
        capacity,
        overload,
        afterwards,
        idle_mib,
        overloaded_mib,
    })
}

fn rss_mib(contestant: &Contestant) -> Result<f64> {
    let all = load::usages(&contestant.target)?;
    Ok(all.iter().map(|(_, it)| it.rss_mib).sum())
}

impl Trial {
    fn cells(&self, name: &str, time: Duration) -> Vec<String> {
        let all = &self.overload;
        let share = |count: usize| shown(number(count) / number(all.offered) * 100.0, 1);
        let status = |it: u16| all.by_status.get(&it).copied().unwrap_or_default();
        let other = all
            .by_status
            .iter()
            .filter(|(it, _)| ![200, 503].contains(*it));
        vec![
            name.to_owned(),
            shown(self.capacity, 0),
            shown(number(all.offered) / time.as_secs_f64(), 0),
            shown(all.accepted_per_second(), 0),
            shown(all.accepted_per_second() / self.capacity * 100.0, 0),
            share(status(200)),
            share(status(503)),
            share(other.map(|(_, count)| count).sum()),
            share(all.none),
            shown(all.accepted.percentile(99.0), 1),
            shown(all.accepted_on_the_wire.percentile(50.0), 1),
            shown(all.accepted_on_the_wire.percentile(99.0), 1),
            shown(all.refused_on_the_wire.percentile(99.0), 1),
            format!("{:.0} → {:.0}", self.idle_mib, self.overloaded_mib),
            shown(self.afterwards.accepted.percentile(99.0), 2),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "capacity_per_second": self.capacity,
            "overload": self.overload.json(),
            "half_load_afterwards": self.afterwards.json(),
            "rss_before_mib": self.idle_mib,
            "rss_after_mib": self.overloaded_mib,
        })
    }
}
