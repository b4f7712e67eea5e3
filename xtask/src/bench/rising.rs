//! Latency under rising load: requests at an even pace, more and more of them, until a server no
//! longer keeps up.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{
    boot::Outcome,
    contestants::{Contestant, Field},
    figures::{Table, shown},
    pace::{Answered, Halves, Offer},
    plot::{self, Line},
};

/// Requests a second.
const RATES: &[f64] = &[
    500.0, 1000.0, 2000.0, 3000.0, 4000.0, 6000.0, 8000.0, 10_000.0, 13_000.0, 16_000.0, 20_000.0,
    25_000.0, 30_000.0, 40_000.0, 50_000.0, 65_000.0, 80_000.0,
];
/// What is answered less than this, of what is asked, is not kept up with.
const ENOUGH: f64 = 0.97;
const CONNECTIONS: usize = 256;
const PATIENCE: Duration = Duration::from_secs(5);

/// Latencies of one server at one rate.
struct Point {
    rate: f64,
    answered: Answered,
}

/// What came out, and the drawing of it.
pub(super) fn run(
    field: &Field,
    halves: &Halves,
    nodes: u32,
    time: Duration,
) -> Result<(Outcome, String)> {
    let mut headings = vec!["requests per second".to_owned()];
    let mut series = Vec::new();
    for contestant in &field.all {
        let title = contestant.kind.title();
        headings.push(format!("{title}: p50, ms"));
        headings.push(format!("{title}: p99, ms"));
        series.push(halves.on_load_side(|| points(contestant, nodes, time))?);
    }
    let mut table = Table::new(headings);
    for rate in RATES {
        let mut cells = vec![shown(*rate, 0)];
        for points in &series {
            #[expect(clippy::float_cmp, reason = "the same number, not a computed one")]
            let point = points.iter().find(|it| it.rate == *rate);
            let latency =
                |percent| point.map_or(f64::NAN, |it| it.answered.accepted.percentile(percent));
            cells.extend([shown(latency(50.0), 2), shown(latency(99.0), 2)]);
        }
        if cells.iter().skip(1).any(|it| it != "–") {
            table.row(cells);
        }
    }
    let mut lines = Vec::new();
    let mut all = Map::new();
    for (contestant, points) in field.all.iter().zip(&series) {
        let title = contestant.kind.title();
        for (percent, dashed) in [(50.0, true), (99.0, false)] {
            lines.push(Line {
                name: format!("{title}, p{percent:.0}"),
                series: contestant.kind as usize,
                dashed,
                points: points
                    .iter()
                    .map(|it| (it.rate, it.answered.accepted.percentile(percent)))
                    .collect(),
            });
        }
        let points: Vec<Value> = points
            .iter()
            .map(|it| json!({ "rate": it.rate, "answered": it.answered.json() }))
            .collect();
        all.insert(contestant.kind.key().to_owned(), Value::Array(points));
    }
    let svg = plot::svg(
        "Latency of boot requests under rising load",
        ("requests per second", "milliseconds"),
        &lines,
    );
    let outcome = Outcome {
        markdown: format!(
            "Servers on processors {}, the load on others; a dash where a server no longer keeps \
             up. Drawn in target/bench/latency.svg\n\n{}",
            halves.servers,
            table.into_text()
        ),
        json: Value::Object(all),
    };
    Ok((outcome, svg))
}

fn points(contestant: &Contestant, nodes: u32, time: Duration) -> Result<Vec<Point>> {
    let offer = Offer {
        target: &contestant.target,
        nodes,
        connections: CONNECTIONS,
        patience: PATIENCE,
    };
    offer.as_fast_as_it_goes(Duration::from_secs(1))?;
    let mut points = Vec::new();
    for rate in RATES {
        let keeps_up = |it: &Answered| it.accepted_per_second() >= rate * ENOUGH;
        let mut answered = offer.at(*rate, time)?;
        if !keeps_up(&answered) {
            // Something else may have been in the way.
            answered = offer.at(*rate, time)?;
        }
        if !keeps_up(&answered) {
            break;
        }
        points.push(Point {
            rate: *rate,
            answered,
        });
    }
    Ok(points)
}
