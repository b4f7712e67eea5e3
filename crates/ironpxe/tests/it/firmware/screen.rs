//! The operator's page shows what is on a machine's screen; here is whether it is.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::machine::Machine;

use super::{NODE, request_id};

const PAGE: &str = include_str!("../../../../../docs/what-boots-when.md");

/// The node of the page's pictures.
const PICTURED_NODE: &str = "bm-1";
const PICTURED_UUID: &str = "ee490fb7-d420-4b2f-8153-8a674b930740";
const PICTURED_ADDRESS: &str = "52:54:00:12:34:56";
const PICTURED_URL: &str = "http://192.0.2.1:6385/";
const PICTURED_REQUEST: &str = "req-00000000-0000-4000-8000-000000000001";

/// The picture with this title.
fn picture(title: &str) -> Result<&'static str> {
    let start = format!("**{title}**\n\n```\n");
    let rest = PAGE.split_once(&start).map(|(_, rest)| rest);
    let end = rest.and_then(|rest| rest.split_once("```"));
    let picture = end.map(|(picture, _)| picture);
    picture.with_context(|| format!("docs/what-boots-when.md has no picture {title:?}"))
}

/// Whether the lines of a picture are on the machine's console, in their order. In between iPXE
/// has its own to say: what it downloads, what is in its way. (After a row that is just full, a
/// line is not seen to begin; its end is enough.) `id` is what stands for the machine:
/// its node's UUID, or the address of an unknown machine.
pub(super) fn looks_as_documented(machine: &Machine, title: &str, id: &str) -> Result<()> {
    looks_as_documented_at(machine, title, id, PICTURED_URL)
}

/// The same where the picture shows the service's URL, which here is `url` (with a slash at its end).
pub(super) fn looks_as_documented_at(
    machine: &Machine,
    title: &str,
    id: &str,
    url: &str,
) -> Result<()> {
    let console = machine.console();
    let mut lines = console.lines();
    let mut said = 0;
    for line in picture(title)?.lines() {
        let mut expected = line
            .replace(PICTURED_NODE, NODE)
            .replace(PICTURED_UUID, id)
            .replace(PICTURED_ADDRESS, id)
            .replace(&PICTURED_ADDRESS.replace(':', "-"), &id.replace(':', "-"))
            .replace(PICTURED_URL, url);
        if expected.contains(PICTURED_REQUEST) {
            let own = console.lines().find(|line| line.contains("req-"));
            let own = request_id(own.context("no request id on the console")?)?;
            expected = expected.replace(PICTURED_REQUEST, &own);
        }
        ensure!(
            lines.any(|line| line.ends_with(&expected)),
            "{title}: no line {expected:?} in its place in:\n{console}"
        );
        said += 1;
    }
    ensure!(said > 0, "the picture {title:?} is empty");
    Ok(())
}
