//! Policies that lock everybody out.

use crate::policy::{Policy, PolicyFile, Reach, Rule};

fn reach(text: &str) -> Reach {
    Policy::with_files(&[PolicyFile::parse("policy.yaml", text).unwrap()])
        .unwrap()
        .reach()
}

#[test]
fn a_policy_that_locks_everybody_out_is_found() {
    assert_eq!(Policy::defaults().reach(), Reach::StandardRoles);
    let cases = [
        ("\"baremetal:node:list\": \"!\"", Reach::StandardRoles),
        (
            "\"baremetal:node:get\": \"role:admin and system_scope:all\"",
            Reach::StandardRoles,
        ),
        (
            "\"baremetal:node:get\": \"!\"",
            Reach::Unsatisfiable(Rule::NodeGet),
        ),
        (
            "\"baremetal:node:set_provision_state\": \"role:admin and not @\"",
            Reach::Unsatisfiable(Rule::NodeSetProvisionState),
        ),
        (
            "\"baremetal:node:list\": \"!\"\n\"baremetal:node:list_all\": \"rule:no\"\nno: \"!\"",
            Reach::Unsatisfiable(Rule::NodeListAll),
        ),
        (
            "\"baremetal:node:get\": \"role:baremetal_admin\"",
            Reach::OtherTokens,
        ),
        (
            "\"baremetal:node:get\": \"user_id:4d1\"",
            Reach::OtherTokens,
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(reach(text), expected, "{text}");
    }
}
