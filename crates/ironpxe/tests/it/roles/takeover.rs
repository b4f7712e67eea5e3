//! The nodes of a conductor that is gone.

use std::collections::BTreeMap;

use super::*;

/// What the dead conductor left behind: states, how many nodes of each, and what becomes of them.
const LEFT_BEHIND: [(&str, u8, &str); 9] = [
    ("deploying", 4, "deploy failed"),
    ("cleaning", 3, "clean failed"),
    ("inspecting", 2, "inspect failed"),
    ("rescuing", 2, "rescue failed"),
    ("deleting", 1, "error"),
    ("servicing", 1, "service failed"),
    ("wait call-back", 3, "wait call-back"),
    ("clean wait", 2, "clean wait"),
    ("active", 2, "active"),
];

/// Puts nodes into a state that a conductor has only for a moment.
fn hold(site: &RolesFixture, nodes: &BTreeMap<String, &str>, holder: Option<&str>) -> Result<()> {
    let holder = holder.map_or("NULL".to_owned(), |holder| format!("'{holder}'"));
    let statements: Vec<String> = nodes
        .iter()
        .map(|(uuid, state)| {
            let uuid = site.database.uuid(uuid);
            format!(
                "UPDATE nodes SET provision_state = '{state}', reservation = {holder}, \
                 revision = revision + 1 WHERE uuid = {uuid};"
            )
        })
        .collect();
    site.database.execute(&statements.join("\n"))
}

fn twenty(client: &Ironic) -> Result<BTreeMap<String, &'static str>> {
    let mut nodes = BTreeMap::new();
    let mut number = 0;
    for (state, count, _) in LEFT_BEHIND {
        for _ in 0..count {
            number += 1;
            nodes.insert(enrol(client, number)?.0, state);
        }
    }
    ensure!(nodes.len() == 20);
    Ok(nodes)
}

fn becomes(state: &str) -> &'static str {
    let row = LEFT_BEHIND.iter().find(|(before, ..)| *before == state);
    row.map_or("?", |(.., after)| after)
}

/// Waits until none of them is reserved, and checks what became of each.
fn settled(client: &Ironic, nodes: &BTreeMap<String, &str>, holder: &str) -> Result<()> {
    for (uuid, state) in nodes {
        eventually("the node is given back", || {
            Ok(client.node(uuid)?["reservation"].is_null())
        })?;
        let node = client.node(uuid)?;
        let after = becomes(state);
        ensure!(node["provision_state"] == after, "{state}: {node}");
        let said = node["last_error"].as_str().unwrap_or_default();
        ensure!(
            (after == *state) == said.is_empty() && (said.is_empty() || said.contains(holder)),
            "{state}: {said:?}"
        );
    }
    Ok(())
}

/// How often the conductors say that they released each node.
fn releases(conductors: &[&Server]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for conductor in conductors {
        for line in conductor.log_with("released from a dead conductor") {
            let uuid = line.split("node.uuid=").nth(1).unwrap_or_default();
            let uuid = uuid.split_whitespace().next().unwrap_or_default();
            *count.entry(uuid.to_owned()).or_insert(0) += 1;
        }
    }
    count
}

#[test]
fn nodes_of_a_dead_conductor_are_released_exactly_once() -> Result<()> {
    RolesFixture::for_each(a_dead_conductor)
}

fn a_dead_conductor(site: &RolesFixture) -> Result<()> {
    let one = site.conductor("one")?;
    let two = site.conductor("two")?;
    let mut dead = site.conductor("dead")?;
    let (api, client) = site.api()?;
    let nodes = twenty(&client)?;
    let (bystander, mac) = enrol(&client, 99)?;
    hold(
        site,
        &BTreeMap::from([(bystander.clone(), "wait call-back")]),
        None,
    )?;
    // Its next change goes to another conductor, and that is all.
    let but_conductor = |mut node: Value| {
        node["conductor"].take();
        node
    };
    let before = but_conductor(client.node(&bystander)?);

    let (boots, ()) = booting(&api, &mac, || {
        dead.kill()?;
        hold(site, &nodes, Some("dead"))?;
        settled(&client, &nodes, "dead")
    })?;
    ensure!(boots > 20, "only {boots} boots");
    let once: BTreeMap<String, usize> = nodes.keys().map(|uuid| (uuid.clone(), 1)).collect();
    ensure!(
        releases(&[&one, &two]) == once,
        "{:?}",
        releases(&[&one, &two])
    );
    ensure!(
        but_conductor(client.node(&bystander)?) == before,
        "a node that waits was touched"
    );
    Ok(())
}

#[test]
fn returning_conductor_does_not_change_nodes_taken_over() -> Result<()> {
    RolesFixture::for_each(a_conductor_that_hangs)
}

fn a_conductor_that_hangs(site: &RolesFixture) -> Result<()> {
    let one = site.conductor("one")?;
    let hangs = site.conductor("hangs")?;
    let (_api, client) = site.api()?;
    let nodes = twenty(&client)?;
    pause(site, &hangs)?;
    hold(site, &nodes, Some("hangs"))?;
    settled(&client, &nodes, "hangs")?;
    hangs.resume()?;
    eventually("it is back", || alive(&client, "hangs"))?;
    settled(&client, &nodes, "hangs")?;
    ensure!(releases(&[&one]).len() == 20 && releases(&[&hangs]).is_empty());
    // And it is a full member again.
    drop(one);
    let node = client.create_node(&json!({"driver": "fake-hardware"}))?;
    ensure!(node["provision_state"] == "enroll");
    Ok(())
}
