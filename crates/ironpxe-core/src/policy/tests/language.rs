//! Parsing and printing checks.

use proptest::prelude::*;

use crate::policy::{Check, Left, Part, Reference, Template};

/// Why a text is refused.
fn error(text: &str) -> String {
    text.parse::<Check>().unwrap_err().to_string()
}

#[test]
fn unreadable_checks_say_why() {
    let texts = [
        "  ",
        "role",
        "role:a and",
        "or role:a",
        "role:a role:b",
        "(role:a",
        "(role:a role:b)",
        "role:a)",
        "()",
        "not",
        "role:%(name)d",
        "role:100%",
        "http://policy.example.org/check",
        "a$b:c",
        "\"a b\":c",
        "'it\\'s':c",
    ];
    let lines: Vec<_> = texts
        .iter()
        .map(|text| format!("{text} => {}", error(text)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}role:a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(nested(32).parse::<Check>().is_ok());
    assert!(error(&nested(33)).contains("more than 32 levels"));
    assert!(error(&nested(1_000_000)).contains("more than 32 levels"));
    assert!(error(&format!("{}role:a", "not ".repeat(1_000_000))).contains("more than 32 levels"));
}

fn template() -> impl Strategy<Value = Template> {
    let text = "[a-zA-Zé0-9_.:%-]{1,6}";
    let key = "[a-z_.]{1,8}";
    prop_oneof![
        text.prop_map(Template::Text),
        key.prop_map(Template::Key),
        (text, key).prop_map(|(text, key)| Template::Parts(vec![
            Part::Text(text),
            Part::Key(key.clone()),
            Part::Key(key)
        ])),
    ]
}

fn check() -> impl Strategy<Value = Check> {
    let left = prop_oneof![
        Just(Left::Constant("'a'".to_owned())),
        Just(Left::Constant("None".to_owned())),
        Just(Left::Constant("-5".to_owned())),
        "[a-z]_[a-z]{1,5}(\\.[a-z]{1,3})?".prop_map(Left::Credential),
    ];
    let leaf = prop_oneof![
        Just(Check::Always),
        Just(Check::Never),
        template().prop_map(Check::Role),
        "[a-z_:]{1,9}".prop_map(|name| Check::Rule(Reference { name, index: None })),
        (left, template()).prop_map(|(left, right)| Check::Equal(left, right)),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|check| Check::Not(Box::new(check))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Check::And),
            prop::collection::vec(inner, 2..4).prop_map(Check::Or),
        ]
    })
}

proptest! {
    #[test]
    fn printed_checks_parse_to_the_same(check in check()) {
        prop_assert_eq!(check.to_string().parse::<Check>(), Ok(check));
    }

    #[test]
    fn no_text_panics_and_what_parses_survives_printing(
        text in prop_oneof![".*", "([()a:%!@ \"']|not |and |or |role:|%\\(a\\)s){0,40}"],
    ) {
        if let Ok(check) = text.parse::<Check>() {
            prop_assert_eq!(check.to_string().parse::<Check>(), Ok(check));
        }
    }
}
