//! The example in `docs/preview.md` is what the program prints.

use ironpxe_testkit::docs::Page;

use super::*;

const QUESTION: [&str; 6] = [
    "explain",
    MAC,
    "--state",
    "inspect wait",
    "--firmware",
    "uefi",
];

#[test]
fn docs_show_the_printed_explanation() -> Result<()> {
    let site = ScriptFixture::start()?;
    let folder = site.server.state_dir().to_str().context("odd folder")?;
    let endpoint = [("IRONPXE_API__PUBLIC_ENDPOINT", "http://192.0.2.1:6385")];
    let said = script_in(
        &endpoint,
        &[&QUESTION[..], &["--state-dir", folder]].concat(),
    )?;
    ensure!(said.code == Some(0), "{}", said.err);
    let said = said
        .out
        .replace(&site.node, "ee490fb7-d420-4b2f-8153-8a674b930740");
    for line in said.lines() {
        let words = line.split_whitespace().count();
        // Two words: a topic, and one that is too long to be broken.
        assert!(line.len() <= 79 || words <= 2, "{line}");
    }
    let question =
        "ironpxe script explain 52:54:00:aa:00:01 --state \"inspect wait\" --firmware uefi";
    let example = format!("```\n$ {question}\n{said}```\n");
    Page::open("preview.md")?
        .section("example", &example)?
        .check()
}
