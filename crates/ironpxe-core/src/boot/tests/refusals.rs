//! A refusal on the console: short, whole, and with a way out, whatever is in the node.

use proptest::prelude::*;

use super::hostile::nasty;
use super::*;

/// One of each variant, with what an operator, a tenant or a damaged record can put into it.
fn refusals() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        prop::sample::select(ProvisionState::all().collect::<Vec<_>>())
            .prop_map(Refusal::StateBootsNothing),
        nasty().prop_map(Refusal::UnknownState),
        nasty().prop_map(Refusal::Fault),
        any::<[u8; 6]>()
            .prop_map(|octets| Refusal::PortNotPxeEnabled(crate::mac::MacAddress::new(octets))),
        fields().prop_map(|fields| Refusal::Missing { fields }),
        (fields(), nasty()).prop_map(|(field, problem)| Refusal::BadValue { field, problem }),
        fields().prop_map(|field| Refusal::Masked { field }),
        (
            prop::sample::select(ImageKind::ALL.to_vec()),
            fields(),
            nasty()
        )
            .prop_map(|(kind, image, problem)| Refusal::Image {
                kind,
                image,
                problem
            }),
        Just(Refusal::Conflict {
            one: "instance_info.boot_iso",
            other: "instance_info.image_source",
        }),
    ]
}

/// Fields as they are named, of every length; the longest that are built in are those of volumes.
fn fields() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{1,12}\\.[a-z_]{1,30}",
        "[a-z_]{1,12}\\.[a-z_]{31,250}",
        "volume target [0-9a-f]{8}-[0-9a-f]{4}-4000-8000-[0-9a-f]{12}\\.properties\\.[a-z_]{8,13}",
    ]
}

/// The fields a refusal is about.
fn about(refusal: &Refusal) -> Vec<String> {
    match refusal {
        Refusal::Missing { fields } => vec![fields.clone()],
        Refusal::BadValue { field, .. }
        | Refusal::Masked { field }
        | Refusal::RamdiskDisabled { field } => vec![field.clone()],
        Refusal::Conflict { one, other } => vec![(*one).to_owned(), (*other).to_owned()],
        Refusal::PortNotPxeEnabled(mac) => vec!["pxe_enabled".to_owned(), mac.to_string()],
        Refusal::Image { kind, .. } => vec![kind.name().to_owned()],
        Refusal::StateBootsNothing(_) | Refusal::UnknownState(_) | Refusal::Fault(_) => Vec::new(),
    }
}

/// What the machine shows, but for the identifiers.
fn shown(refusal: &Refusal, node: &Node) -> Vec<String> {
    let scripts = Scripts::new(BootSettings::default().downloads).unwrap();
    let context = RenderContext {
        machine: Machine::of(node),
        request_id: REQUEST,
    };
    let plan = BootPlan::Refuse(refusal.clone());
    let script = scripts
        .render(&ResolvedPlan::direct(plan), context)
        .unwrap();
    crate::fuzzing::script::check(&script);
    let mut lines: Vec<String> = script
        .lines()
        .filter_map(|line| line.strip_prefix("echo "))
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.pop().unwrap(), format!("{} {REQUEST}", node.uuid));
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn refusal_has_at_most_three_lines_and_the_fix(
        refusal in refusals(),
        name in prop::option::of("[a-z0-9-]{1,255}"),
        state in prop_oneof![Just("active".to_owned()), Just("wait call-back".to_owned()), nasty()],
    ) {
        let mut node = node(ProvisionState::Active, "direct");
        node.name = name;
        node.provision_state = crate::provision_state::StoredState::from_name(&state);
        let lines = shown(&refusal, &node);
        prop_assert!((2..=3).contains(&lines.len()), "{lines:#?}");
        prop_assert!(lines.iter().all(|line| line.len() <= 79), "{lines:#?}");
        prop_assert!(lines[0].starts_with("ironpxe: "), "{lines:#?}");

        let fix = lines.iter().position(|line| line.starts_with("Fix: ")).unwrap();
        prop_assert!(fix >= 1, "{lines:#?}");
        let fix = lines[fix..].join(" ");
        // Only a word longer than a line is abridged: never the verb, and never the end.
        prop_assert!(fix.ends_with('.') && !fix.ends_with("..."), "{lines:#?}");
        let label = match &node.name {
            Some(name) if name.len() <= 36 => name.clone(),
            _ => node.uuid.to_string(),
        };
        let advice = refusal.advice(&label);
        if advice.split(' ').all(|word| word.len() < 79) {
            prop_assert_eq!(&fix, &format!("Fix: {advice}."));
        }
        for field in about(&refusal) {
            let head: String = field.chars().take(38).collect();
            let tail: String = field.chars().skip(field.len().saturating_sub(37)).collect();
            prop_assert!(fix.contains(&head) && fix.contains(&tail), "{field}: {lines:#?}");
        }
    }
}

/// The longest that really occur.
#[test]
fn longest_refusals_are_shown_in_full() {
    use ProvisionState as S;
    let volume =
        |key: &str| format!("volume target 00000000-0000-4000-8000-00000000000a.properties.{key}");
    let cases = [
        Refusal::StateBootsNothing(S::Enroll),
        Refusal::StateBootsNothing(S::UnrescueFailed),
        Refusal::PortNotPxeEnabled("52:54:00:aa:00:01".parse().unwrap()),
        Refusal::Fault("clean failure".into()),
        Refusal::RamdiskDisabled {
            field: "driver_internal_info.cleaning_disable_ramdisk".into(),
        },
        Refusal::Missing {
            fields: volume("auth_username"),
        },
        Refusal::BadValue {
            field: volume("target_portal"),
            problem: "expected HOST or HOST:PORT, IPv6 in brackets".into(),
        },
        Refusal::BadValue {
            field: "driver_info.kernel_append_params".into(),
            problem: ArgError::Word {
                word: "x".repeat(2000),
                problem: "only printable ASCII characters are supported by iPXE",
            }
            .to_string(),
        },
    ];
    let mut text = String::new();
    for name in [None, Some("bm-1".to_owned()), Some("n".repeat(255))] {
        for refusal in &cases {
            let mut node = node(S::Active, "direct");
            node.name = name.clone();
            if let Refusal::StateBootsNothing(state) = refusal {
                node.provision_state = (*state).into();
            }
            text.push_str(&shown(refusal, &node).join("\n"));
            text.push_str("\n\n");
        }
    }
    insta::assert_snapshot!(text);
}
