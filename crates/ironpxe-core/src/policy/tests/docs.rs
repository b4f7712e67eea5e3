//! The table of `docs/policy.md`.

use std::fmt::Write;

use ironpxe_testkit::docs::Page;

use crate::policy::Rule;

/// Set `UPDATE_DOCS=1` to write the page again.
#[test]
fn docs_list_every_rule() {
    let mut table = String::from(
        "| rule | permits | default check | scopes | follows |\n|---|---|---|---|---|\n",
    );
    for rule in Rule::ALL {
        let own = if rule.is_own() { " *" } else { "" };
        let check = match rule.default_check() {
            "" => "@",
            check => check,
        };
        let scopes: Vec<_> = rule.scopes().iter().map(|scope| scope.name()).collect();
        let scopes = if scopes.is_empty() {
            "any".to_owned()
        } else {
            scopes.join(", ")
        };
        let follows = rule.once_part_of().map(|rule| format!("`{}`", rule.name()));
        writeln!(
            table,
            "| `{}`{own} | {} | `{check}` | {scopes} | {} |",
            rule.name(),
            rule.description(),
            follows.unwrap_or_default()
        )
        .unwrap();
    }
    Page::open("policy.md")
        .unwrap()
        .section("rules", &table)
        .unwrap()
        .check()
        .unwrap();
}

/// The example of the page is a policy.
#[test]
fn example_of_the_docs_is_a_policy() {
    let page = include_str!("../../../../../docs/policy.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let file = crate::policy::PolicyFile::parse("policy.yaml", example).unwrap();
    let policy = crate::policy::Policy::with_files(&[file]).unwrap();
    assert_eq!(
        policy.check(Rule::NodeGet).to_string(),
        "((role:reader and system_scope:all) or rule:support or rule:is_node_owner)"
    );
}
