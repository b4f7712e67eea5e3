//! Script texts with placeholders for what differs between machines and requests.
//!
//! The request ID is only printed, nothing else in a script depends on it (except in operators'
//! templates, whose scripts are not cached). So a script is rendered with a unique ID and split at
//! its occurrences. All standard IDs have the same length and alphabet, so line breaks and limits
//! do not change.
//!
//! The machine's own identifiers are replaced likewise. The remainder is usually the same for all
//! machines with the same plan, and is interned (`cache/interner.rs`). Every replaced value is
//! restored in its place, so the result is correct even if an identifier occurs elsewhere by chance.

use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use ironpxe_core::mac::MacAddress;
use uuid::Uuid;

use crate::ident;

/// Shorter names would occur by chance in many places.
const SHORTEST_NAME: usize = 4;

/// The values that differ between machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::boot) struct MachineFields {
    /// The node.
    pub(in crate::boot) node: Uuid,
    /// The node's name.
    pub(in crate::boot) name: Option<Box<str>>,
    /// The address of the port it boots from.
    pub(in crate::boot) mac: Option<MacAddress>,
}

/// The same values as texts.
#[derive(Debug, Clone, Copy)]
pub(in crate::boot) struct Values<'v> {
    /// The request ID.
    pub(in crate::boot) request: &'v str,
    /// The node.
    pub(in crate::boot) node: &'v str,
    /// The node's name.
    pub(in crate::boot) name: Option<&'v str>,
    /// The address of the port it boots from.
    pub(in crate::boot) mac: Option<&'v str>,
}

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Placeholder {
    Request,
    Node,
    Name,
    Mac,
}

/// A text with placeholders.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::boot) struct ScriptTemplate {
    text: Box<str>,
    /// The positions and kinds of the placeholders.
    gaps: Box<[(usize, Placeholder)]>,
}

/// The request ID for rendering scripts that will be cached. Unique to this process.
pub(in crate::boot) fn placeholder() -> &'static str {
    static PLACEHOLDER: LazyLock<String> = LazyLock::new(ident::request_id);
    &PLACEHOLDER
}

/// Whether an ID is `req-` and a UUID like [`placeholder`], so that it can replace it.
pub(in crate::boot) fn is_standard_request_id(request_id: &str) -> bool {
    let letters = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
    };
    request_id.len() == placeholder().len() && request_id.strip_prefix("req-").is_some_and(letters)
}

impl MachineFields {
    /// Calls a function with the texts of these values and of a request ID.
    pub(in crate::boot) fn with_values<T>(
        &self,
        request: &str,
        work: impl FnOnce(Values<'_>) -> T,
    ) -> T {
        let (mut node, mut mac) = (Uuid::encode_buffer(), [0; MacAddress::LENGTH]);
        work(Values {
            request,
            node: self.node.hyphenated().encode_lower(&mut node),
            name: self.name.as_deref(),
            mac: self.mac.map(|address| address.encode(&mut mac)),
        })
    }
}

impl<'v> Values<'v> {
    fn get(&self, gap: Placeholder) -> &'v str {
        match gap {
            Placeholder::Request => self.request,
            Placeholder::Node => self.node,
            Placeholder::Name => self.name.unwrap_or_default(),
            Placeholder::Mac => self.mac.unwrap_or_default(),
        }
    }

    /// The values to search for.
    fn cuts(&self) -> impl Iterator<Item = (Placeholder, &'v str)> {
        let name = self.name.filter(|name| name.len() >= SHORTEST_NAME);
        let all = [
            (Placeholder::Request, Some(self.request)),
            (Placeholder::Node, Some(self.node)),
            (Placeholder::Mac, self.mac),
            (Placeholder::Name, name),
        ];
        all.into_iter()
            .filter_map(|(gap, value)| Some((gap, value?)))
    }
}

impl ScriptTemplate {
    /// Replaces these values in a text by placeholders.
    pub(in crate::boot) fn new(whole: &str, values: Values<'_>) -> Self {
        let mut text = String::with_capacity(whole.len());
        let mut gaps = Vec::new();
        let mut rest = whole;
        loop {
            // The first occurrence; of several at the same position, the first in order.
            let next = values
                .cuts()
                .filter_map(|(gap, value)| Some((rest.find(value)?, gap, value.len())))
                .min_by_key(|(place, ..)| *place);
            let Some((place, gap, length)) = next else {
                break;
            };
            let (before, after) = rest.split_at(place);
            text.push_str(before);
            gaps.push((text.len(), gap));
            rest = after.get(length..).unwrap_or_default();
        }
        text.push_str(rest);
        Self {
            text: text.into(),
            gaps: gaps.into(),
        }
    }

    /// The text with these values.
    pub(in crate::boot) fn fill(&self, values: Values<'_>) -> String {
        let own = self.gaps.iter().map(|(_, gap)| values.get(*gap).len());
        let mut text = String::with_capacity(self.text.len() + own.sum::<usize>());
        // Writing to a string cannot fail.
        let _ = write!(text, "{}", self.with(values));
        text
    }

    /// The text with these values, for formatting.
    pub(in crate::boot) fn with<'w>(&'w self, values: Values<'w>) -> impl fmt::Display + 'w {
        fmt::from_fn(move |out| {
            let mut begin = 0;
            for (place, gap) in &self.gaps {
                out.write_str(self.text.get(begin..*place).unwrap_or_default())?;
                out.write_str(values.get(*gap))?;
                begin = *place;
            }
            out.write_str(self.text.get(begin..).unwrap_or_default())
        })
    }

    /// Its memory without the struct itself, in bytes.
    pub(in crate::boot) fn bytes(&self) -> usize {
        self.text.len() + size_of_val::<[_]>(&self.gaps)
    }
}

#[cfg(test)]
mod tests {
    use ironpxe_core::boot::{RenderContext, ResolvedPlan, Scripts, samples};

    use super::*;

    fn own(name: Option<&str>) -> MachineFields {
        MachineFields {
            node: "1be26c0b-03f2-4d2e-ae87-c02d7f33c123".parse().unwrap(),
            name: name.map(Into::into),
            mac: Some("52:54:00:aa:00:01".parse().unwrap()),
        }
    }

    #[test]
    fn filled_template_equals_the_rendered_script_for_every_sample() {
        let id = ident::request_id();
        for sample in samples() {
            let scripts = Scripts::new(sample.downloads).unwrap();
            let write = |request_id: &str| {
                let context = RenderContext {
                    request_id,
                    ..sample.context()
                };
                let plan = ResolvedPlan::direct(sample.plan.clone());
                scripts.render(&plan, context).unwrap()
            };
            let node = sample.context().machine.node;
            let own = MachineFields {
                node: node.uuid.0,
                name: node.name.as_deref().map(Into::into),
                ..own(None)
            };
            let kept = own.with_values(placeholder(), |values| {
                ScriptTemplate::new(&write(placeholder()), values)
            });
            assert!(!kept.gaps.is_empty(), "{}", sample.name);
            let filled = own.with_values(&id, |values| kept.fill(values));
            assert_eq!(filled, write(&id), "{}", sample.name);
        }
    }

    #[test]
    fn fields_are_found_anywhere_even_inside_each_other() {
        let mark = placeholder();
        let node = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
        let mac = "52:54:00:aa:00:01";
        for name in [
            None,
            Some("a"),
            Some("rack"),
            Some("1be26c0b"),
            Some("52:54"),
            Some(node),
        ] {
            let own = own(name);
            for script in [
                String::new(),
                "a".to_owned(),
                mark.to_owned(),
                format!("{mark}{mark}{node}{node}{mac}{mac}"),
                format!("a{mark}b{mac}crack{node}rackrack 1be26c0 {}", &mac[..5]),
                format!("ä{node}ö{mark}ü{mac}"),
                format!("{}{node}", &node[..8]),
            ] {
                let kept = own.with_values(mark, |values| ScriptTemplate::new(&script, values));
                let again = own.with_values(mark, |values| kept.fill(values));
                assert_eq!(again, script, "{name:?}");
                let other = own.with_values("ID", |values| kept.fill(values));
                assert_eq!(other, script.replace(mark, "ID"), "{name:?}");
            }
        }
    }

    #[test]
    fn machines_with_equal_boots_have_equal_templates() {
        let text = |node: u8, name: &str| {
            let own = MachineFields {
                node: Uuid::from_bytes([node; 16]),
                name: Some(name.into()),
                mac: Some(MacAddress::new([2, 0, 0, 0, 0, node])),
            };
            own.with_values(placeholder(), |values| {
                let Values { request, node, .. } = values;
                let mac = values.mac.unwrap();
                ScriptTemplate::new(&format!("{request} boots {name} ({node}) by {mac}"), values)
            })
        };
        assert_eq!(text(1, "rack1-node1"), text(2, "rack1-node2"));
        assert_ne!(text(1, "rack1-node1"), text(1, "one"));
    }

    #[test]
    fn only_standard_request_ids_are_filled_in() {
        assert!(is_standard_request_id(&ident::request_id()));
        for id in [
            "",
            "req-7",
            "REQ-00000000-0000-4000-8000-000000000000",
            "req-00000000-0000-4000-8000-00000000000",
            "req-00000000-0000-4000-8000-0000000000000",
            "req-00000000-0000-4000-8000-00000000000G",
        ] {
            assert!(!is_standard_request_id(id), "{id}");
        }
    }
}
