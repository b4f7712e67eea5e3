//! What the demo claims, each with what proves it.

use std::time::Instant;

use anyhow::Result;

use super::screen::{Screen, Tone, wrap};

const EVIDENCE_COLUMNS: usize = 90;

/// The facts so far, in order.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<Fact>);

#[derive(Debug)]
struct Fact {
    title: String,
    took: f64,
    /// What proves it, or what was seen instead.
    evidence: Result<String, String>,
}

impl Facts {
    /// Waits for a fact. `look` returns the value to continue with, and the proof of the fact.
    pub(super) fn observe<T>(
        &mut self,
        title: &str,
        look: impl FnOnce() -> Result<(T, String)>,
    ) -> Result<T> {
        let start = Instant::now();
        let seen = look();
        let (value, evidence) = match seen {
            Ok((value, evidence)) => (Ok(value), Ok(evidence)),
            Err(error) => {
                // Long errors carry the console; their first line says what is missing.
                let short = format!("{error:#}")
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                (Err(error), Err(short))
            }
        };
        let took = start.elapsed().as_secs_f64();
        self.0.push(Fact {
            title: title.to_owned(),
            took,
            evidence,
        });
        value
    }

    /// Shows them, numbered.
    pub(super) fn print(&self, screen: &Screen) {
        for (
            number,
            Fact {
                title,
                took,
                evidence,
            },
        ) in (1..).zip(&self.0)
        {
            let (mark, tone) = match evidence {
                Ok(_) => ("✔", Tone::Green),
                Err(_) => ("✘", Tone::Red),
            };
            println!(
                "  {} {number}  {title:<58}{took:>8.2} s",
                screen.toned(tone, mark)
            );
            let evidence = evidence.as_ref().unwrap_or_else(|error| error);
            for row in wrap(evidence, EVIDENCE_COLUMNS) {
                println!("       {}", screen.toned(Tone::Dim, &row));
            }
        }
    }
}
