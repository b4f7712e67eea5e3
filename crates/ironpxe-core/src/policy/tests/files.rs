//! Policy files: what they change, and what is wrong with them.

use proptest::prelude::*;

use crate::policy::{Credentials, Policy, PolicyFile, PolicyProblem, Rule, RuleOrigin, Target};

fn load(texts: &[&str]) -> Result<Policy, Vec<PolicyProblem>> {
    let files = texts
        .iter()
        .enumerate()
        .map(|(index, text)| PolicyFile::parse(&format!("{index}.yaml"), text))
        .collect::<Result<Vec<_>, _>>()?;
    Policy::with_files(&files)
}

fn policy(texts: &[&str]) -> Policy {
    load(texts).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn problems(text: &str) -> String {
    let problems = load(&[text]).expect_err(text);
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    problems.join("\n")
}

fn who(roles: &[&str], project: Option<&str>) -> Credentials {
    Credentials {
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        project_id: project.map(str::to_owned),
        system_scope: project.is_none().then(|| "all".to_owned()),
        ..Credentials::default()
    }
}

#[test]
fn a_file_replaces_defaults() {
    let policy = policy(&[
        "# a comment\n\"baremetal:conductor:get\": \"role:reader\"\n\
         show_password: rule:trusted\ntrusted: [[\"role:admin\", \"project_id:p1\"], [\"role:root\"]]\n",
    ]);
    let check = |rule| policy.check(rule).to_string();
    assert_eq!(check(Rule::ConductorGet), "role:reader");
    assert_eq!(check(Rule::ShowPassword), "rule:trusted");
    assert_eq!(
        check(Rule::NodeGet),
        Policy::defaults().check(Rule::NodeGet).to_string()
    );
    assert!(policy.allows(
        Rule::ShowPassword,
        &who(&["admin"], Some("p1")),
        &Target::NONE
    ));
    assert!(policy.allows(Rule::ShowPassword, &who(&["ROOT"], None), &Target::NONE));
    assert!(!policy.allows(
        Rule::ShowPassword,
        &who(&["admin"], Some("p2")),
        &Target::NONE
    ));
    let origin = &policy.rules()[Rule::ShowPassword as usize].origin;
    assert_eq!(origin.to_string(), "0.yaml:3");
}

#[test]
fn json_and_empty_files_are_read() {
    let json =
        policy(&["{\n\t\"baremetal:node:get\": \"@\",\n\t\"baremetal:conductor:get\": []\n}"]);
    assert_eq!(json.check(Rule::NodeGet).to_string(), "@");
    assert_eq!(json.check(Rule::ConductorGet).to_string(), "@");
    for empty in ["", "# nothing\n", "---\n", "{}", "~\n"] {
        let origins = policy(&[empty]);
        assert!(
            origins
                .rules()
                .iter()
                .all(|rule| rule.origin == RuleOrigin::Default),
            "{empty}"
        );
    }
}

#[test]
fn the_last_file_wins() {
    let policy = policy(&[
        "\"baremetal:node:get\": \"@\"",
        "\"baremetal:node:get\": \"!\"",
    ]);
    assert_eq!(policy.check(Rule::NodeGet).to_string(), "!");
}

#[test]
fn a_rule_that_was_a_part_of_another_follows_it() {
    let restricted = policy(&["\"baremetal:node:update\": \"role:admin\""]);
    assert_eq!(
        restricted.check(Rule::NodeUpdateName).to_string(),
        "role:admin"
    );
    let origin = &restricted.rules()[Rule::NodeUpdateName as usize].origin;
    assert_eq!(origin.to_string(), "with baremetal:node:update");
    // A rule of its own, or a reference from the old name to the new one, ends that.
    let own = policy(&[
        "\"baremetal:node:update\": \"role:admin\"\n\"baremetal:node:update:name\": \"role:x\"",
    ]);
    assert_eq!(own.check(Rule::NodeUpdateName).to_string(), "role:x");
    let back = policy(&["\"baremetal:node:update\": \"rule:baremetal:node:update:name\""]);
    assert_eq!(
        back.check(Rule::NodeUpdateName).to_string(),
        Policy::defaults().check(Rule::NodeUpdateName).to_string()
    );
}

#[test]
fn a_file_cannot_change_scopes() {
    let policy = policy(&["\"baremetal:driver:get\": \"@\"\n\"baremetal:node:list\": \"@\""]);
    assert!(policy.allows(Rule::DriverGet, &who(&[], None), &Target::NONE));
    assert!(!policy.allows(Rule::DriverGet, &who(&["admin"], Some("p1")), &Target::NONE));
    let domain = Credentials {
        domain_id: Some("d1".to_owned()),
        ..Credentials::default()
    };
    assert!(!policy.allows(Rule::NodeList, &domain, &Target::NONE));
}

#[test]
fn steps_are_limited_by_rules_of_their_own() {
    let policy = policy(&["\"baremetal:step:execute:raid.delete_configuration\": \"role:admin\""]);
    let (member, admin) = (who(&["member"], Some("p1")), who(&["admin"], Some("p1")));
    let target = Target::node(Some("p1"), None);
    assert!(!policy.allows_step("raid.delete_configuration", &member, &target));
    assert!(policy.allows_step("raid.delete_configuration", &admin, &target));
    assert!(policy.allows_step("raid.create_configuration", &member, &target));
}

#[test]
fn service_projects_need_elevated_access() {
    let nova = Credentials {
        project_name: Some("service".to_owned()),
        ..who(&["service"], Some("p9"))
    };
    let other = Target::node(Some("p1"), None);
    assert!(!Policy::defaults().allows(Rule::NodeGet, &nova, &other));
    let elevated = Policy::defaults().with_service_project(Some("service".to_owned()));
    assert!(elevated.allows(Rule::NodeGet, &nova, &other));
}

#[test]
fn a_null_equals_only_the_word() {
    let unowned = Target::node(None, None);
    let policy = policy(&["\"baremetal:node:get\": \"project_id:%(node.owner)s\"\n\
         \"baremetal:port:get\": \"None:%(node.owner)s\"\n\
         \"baremetal:conductor:get\": \"project_name:None\""]);
    assert!(!policy.allows(Rule::NodeGet, &who(&[], None), &unowned));
    assert!(policy.allows(Rule::PortGet, &who(&[], None), &unowned));
    assert!(policy.allows(Rule::ConductorGet, &who(&[], None), &unowned));
    let named_none = Credentials {
        project_name: Some("None".to_owned()),
        ..who(&[], Some("None"))
    };
    assert!(!policy.allows(Rule::ConductorGet, &named_none, &unowned));
    assert!(!policy.allows(Rule::NodeGet, &named_none, &unowned));
}

#[test]
fn problems_name_file_line_and_rule() {
    let long_chain = (0..40)
        .map(|n| format!("r{n}: rule:r{}\n", n + 1))
        .collect::<Vec<_>>()
        .concat();
    let many = (0..20)
        .map(|n| format!("r{n}: rule:r{0} or rule:r{0}\n", n + 1))
        .collect::<Vec<_>>()
        .concat();
    let texts = [
        "- a\n- b\n",
        "just text",
        "\"baremetal:node:get\": \"role:admin\n",
        "{ not yaml: [\n",
        "a: b: c\n",
        "\"baremetal:node:get\": \"@\"\n---\n\"baremetal:node:get\": \"!\"\n",
        "# first\n\"baremetal:node:gte\": \"role:admin\"\n\n\"baremetal:step:execute:raid\": \"@\"\n",
        "is_amdin: \"role:admin\"\nis_adnim: \"rule:is_adnim\"\n",
        "\"baremetal:node:get\": role:admin and (\n\"baremetal:node:list\": \"\"\n\"baremetal:port:get\":\n",
        "\"baremetal:node:get\": !\n\"baremetal:port:get\": !!str role:a\n",
        "\"baremetal:node:get\": true\n\"baremetal:node:list\": 5\n\"baremetal:port:get\": null\n",
        "\"baremetal:node:get\":\n  role: admin\n",
        "\"baremetal:node:get\": [[role:a, [role:b]]]\n",
        "\"baremetal:node:get\": [\"role:a or role:b\"]\n\"baremetal:port:get\": [[~]]\n",
        "\"baremetal:node:get\": \"@\"\n\"baremetal:node:get\": \"!\"\n",
        "\"baremetal:node:get\": &all \"@\"\n\"baremetal:port:get\": *all\n",
        "? [a]\n: \"@\"\n",
        "\"baremetal:node:get\": \"rule:nobody_has_this\"\n",
        "\"baremetal:node:get\": \"rule:a\"\na: \"rule:b or role:x\"\nb: \"not rule:a\"\n",
        "\"baremetal:node:get\": \"rule:baremetal:node:get\"\n",
        "\"baremetal:node:get\": \"projet_id:%(node.owner)s or project_id:%(node.ower)s\"\n",
        &format!("{long_chain}r40: '@'\n\"baremetal:node:get\": rule:r0\n"),
        &format!("{many}r20: '@'\n\"baremetal:node:get\": rule:r19 or rule:r6\n"),
    ];
    let cases: Vec<_> = texts
        .iter()
        .map(|text| {
            let shown = text
                .lines()
                .take(4)
                .map(|line| format!("| {line}\n"))
                .collect::<Vec<_>>()
                .concat();
            let problems = problems(text);
            let few: Vec<_> = problems.lines().take(4).collect();
            format!("{shown}{}\n", few.join("\n"))
        })
        .collect();
    insta::assert_snapshot!(cases.join("\n"));
}

proptest! {
    #[test]
    fn no_text_panics(
        text in prop_oneof![
            "\\PC*",
            "([\\[\\]{}:,&*!|>'\"#%@~\n -]|a|role:a|rule:a|baremetal:node:get){0,30}",
        ],
    ) {
        let _ = load(&[&text]);
    }
}
