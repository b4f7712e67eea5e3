//! What a machine may be told, given what was done to its node and when.
//!
//! A change counts for everybody who asks after it was acknowledged, and may count for whoever
//! asks while it is under way. So a script is right if it is the one of the last change that had
//! been acknowledged when it was asked for, or of a change made since that had begun before the
//! script was there. Changes of one node follow one another.

use std::{collections::HashMap, time::Instant};

use super::names;

/// What a node's machine boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boots {
    /// Its instance, a ramdisk, with this number on its command line; 0 where there is none.
    Instance(u32),
    /// Nothing: its console says why.
    Nothing,
}

/// What stands before the number on the command line.
pub(super) const MARK: &str = "bench-change=";

struct Change {
    to: Boots,
    begun: Instant,
    /// When whoever asked for it knew that it was made.
    known: Option<Instant>,
}

/// The changes of all nodes. Those it does not know were not changed.
#[derive(Default)]
pub(super) struct Expected(HashMap<u32, Vec<Change>>);

impl Expected {
    pub(super) fn begin(&mut self, node: u32, to: Boots) {
        self.0.entry(node).or_default().push(Change {
            to,
            begun: Instant::now(),
            known: None,
        });
    }

    /// The last change that was begun has been made.
    pub(super) fn made(&mut self, node: u32) {
        if let Some(last) = self.0.get_mut(&node).and_then(|it| it.last_mut()) {
            last.known = Some(Instant::now());
        }
    }

    /// Whether anything was done to the node so far.
    pub(super) fn was_changed(&self, node: u32) -> bool {
        self.0.contains_key(&node)
    }

    /// Whether the script was right, for who asked at `asked` and had it at `got`.
    pub(super) fn check(
        &self,
        node: u32,
        script: &str,
        asked: Instant,
        got: Instant,
    ) -> Result<(), String> {
        let seen =
            read(node, script).ok_or_else(|| format!("node {node}: what is this?\n{script}"))?;
        let changes = self.0.get(&node).map_or(&[][..], Vec::as_slice);
        let is_known = |it: &Change| it.known.is_some_and(|known| known <= asked);
        let last_known = changes.iter().rposition(is_known);
        let sure = last_known
            .and_then(|it| changes.get(it))
            .map_or(Boots::Instance(0), |it| it.to);
        let since = changes.iter().skip(last_known.map_or(0, |it| it + 1));
        let possible = since.filter(|it| it.begun <= got).map(|it| it.to);
        let allowed: Vec<Boots> = std::iter::once(sure).chain(possible).collect();
        if allowed.contains(&seen) {
            Ok(())
        } else {
            Err(format!(
                "node {node}: {seen:?} where {allowed:?} is allowed"
            ))
        }
    }
}

/// What a script boots; `None` if it is none, or another node's.
fn read(node: u32, script: &str) -> Option<Boots> {
    let name = names::name(node);
    if !script.starts_with("#!ipxe\n") {
        return None;
    }
    if script.contains(&format!("echo ironpxe: {name} is not booted")) {
        return (!script.contains("\nboot")).then_some(Boots::Nothing);
    }
    if !script.contains(&format!("echo ironpxe: {name}: active -> instance ramdisk")) {
        return None;
    }
    let number = match script.split_once(MARK) {
        None => 0,
        Some((_, after)) => {
            let end = after.find(|it: char| !it.is_ascii_digit())?;
            after.get(..end)?.parse().ok()?
        }
    };
    Some(Boots::Instance(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(name: &str, mark: &str) -> String {
        format!(
            "#!ipxe\necho ironpxe: {name}: active -> instance ramdisk\n\
             kernel http://x/k {mark} initrd=i\nboot\n"
        )
    }

    #[test]
    fn a_script_is_right_if_a_change_that_may_count_made_it() {
        let mut expected = Expected::default();
        let before = Instant::now();
        let (old, new) = (script("bench-7", ""), script("bench-7", "bench-change=1"));
        expected.begin(7, Boots::Instance(1));
        let during = Instant::now();
        // Under way: both.
        assert!(expected.check(7, &old, before, during).is_ok());
        assert!(expected.check(7, &new, before, during).is_ok());
        expected.made(7);
        let after = Instant::now();
        // Asked before it was acknowledged: still both. Asked after it: only the new one.
        assert!(expected.check(7, &old, during, after).is_ok());
        assert!(expected.check(7, &new, after, after).is_ok());
        assert!(expected.check(7, &old, after, after).is_err());
        assert!(
            expected
                .check(7, &script("bench-7", "bench-change=2"), during, after)
                .is_err()
        );
    }

    #[test]
    fn a_script_of_another_node_is_wrong() {
        let (expected, now) = (Expected::default(), Instant::now());
        assert!(expected.check(7, &script("bench-7", ""), now, now).is_ok());
        for other in [
            script("bench-77", ""),
            script("bench-8", ""),
            "oops".to_owned(),
        ] {
            assert!(expected.check(7, &other, now, now).is_err());
        }
        let refusal = "#!ipxe\necho ironpxe: bench-7 is not booted: x\nexit\n";
        assert!(expected.check(7, refusal, now, now).is_err());
        assert_eq!(read(7, refusal), Some(Boots::Nothing));
    }
}
