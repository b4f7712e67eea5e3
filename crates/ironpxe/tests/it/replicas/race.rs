//! Two operators who want something of one node at the same moment, each at a replica of their
//! own: one of them gets it.

use std::sync::Barrier;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use ironpxe_testkit::ironic::{Ironic, Reply};
use serde_json::{Value, json};

use super::fixture::{ReplicasFixture, on_each_site};

const ROUNDS: usize = 12;

#[test]
fn one_of_two_simultaneous_verbs_is_accepted_and_one_refused() -> Result<()> {
    on_each_site(check_site)
}

fn check_site(site: &ReplicasFixture) -> Result<()> {
    let clients = site.clients()?;
    let [one, other, ..] = clients.as_slice() else {
        bail!("no two replicas");
    };
    let node = one.create_node(&json!({"driver": "fake-hardware", "automated_clean": false}))?;
    let node = node.get("uuid").and_then(Value::as_str);
    let node = node.context("a node without UUID")?;
    for verb in ["manage", "provide"].iter().cycle().take(ROUNDS) {
        let start = Barrier::new(2);
        let ask = |client: &Ironic| -> Result<Reply> {
            let path = format!("/v1/nodes/{node}/states/provision");
            start.wait();
            client.put(&path, &json!({"target": verb}))
        };
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| ask(one));
            let second = ask(other);
            (first.join(), second)
        });
        let first = first.ok().context("an operator panicked")??;
        let answers = [first, second?];
        let won = answers.iter().filter(|it| it.status == 202).count();
        ensure!(won == 1, "{verb}: {won} won: {answers:#?}");
        for lost in answers.iter().filter(|it| it.status != 202) {
            // A request after the winner's work is done asks for the state that the node is in.
            let late = lost.status == 400 && lost.text.contains("can not be performed");
            let locked = lost.status == 409 && lost.text.contains("is locked by host");
            ensure!(late || locked, "{verb}: {lost:?}");
        }
        one.wait_unreserved(node)?;
    }
    Ok(())
}
