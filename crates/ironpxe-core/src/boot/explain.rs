//! Explains a boot decision, for previews.
//!
//! The decision itself records the reasons (`decision.rs`, `images.rs`), so that they cannot
//! diverge. For a booting machine nothing is recorded or formatted: [`decide`](super::decide)
//! passes disabled [`Reasons`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use super::plan::BootPlan;
use super::settings::BootSettings;
use crate::mask::{STARS, mask_line};

/// One fact the decision considered, and its consequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The subject: `port`, `token`, `state`, `plan`, `kernel`, `ramdisk`, `image`, `arguments`,
    /// `iso`, `volume`, `disk`, `template`, `refused`, `fix` or `setting`.
    pub topic: &'static str,
    /// The description, with the names of fields and settings.
    pub text: String,
}

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What the machine boots.
    pub plan: BootPlan,
    /// The reasons, in the order of the decision.
    pub reasons: Vec<Reason>,
}

/// Collects the reasons of a decision, if enabled.
pub(super) struct Reasons(Option<RefCell<Vec<Reason>>>);

impl Reasons {
    /// Discards all reasons.
    pub(super) fn disabled() -> Self {
        Self(None)
    }

    /// Records the reasons.
    pub(super) fn enabled() -> Self {
        Self(Some(RefCell::default()))
    }

    /// Records a reason. `text` is only called if recording is enabled.
    pub(super) fn note<T: Into<Cow<'static, str>>>(
        &self,
        topic: &'static str,
        words: impl FnOnce() -> T,
    ) {
        if let Some(reasons) = &self.0 {
            let text = words().into().into_owned();
            reasons.borrow_mut().push(Reason { topic, text });
        }
    }

    /// The recorded reasons.
    pub(super) fn into_vec(self) -> Vec<Reason> {
        self.0.map(RefCell::into_inner).unwrap_or_default()
    }
}

/// The origin of each setting that the reasons name, in their order.
pub(super) fn origins(reasons: &[Reason], settings: &BootSettings) -> Vec<Reason> {
    let mut named: Vec<(usize, usize, &str)> = Vec::new();
    for (index, reason) in reasons.iter().enumerate() {
        for name in settings.origins.keys() {
            if let Some(at) = named_at(&reason.text, name) {
                named.push((index, at, name));
            }
        }
    }
    named.sort_unstable();
    let mut seen = BTreeSet::new();
    named.retain(|(_, _, name)| seen.insert(*name));
    let origin = |(_, _, name): (usize, usize, &str)| {
        let origin = settings.origins.get(name)?;
        Some(Reason {
            topic: "setting",
            text: format!("{name}: {origin}"),
        })
    };
    named.into_iter().filter_map(origin).collect()
}

/// Where the text has the whole name.
fn named_at(text: &str, name: &str) -> Option<usize> {
    let is_whole = |at: usize| {
        let after = text.get(at + name.len()..).unwrap_or_default();
        !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut places = text.match_indices(name).map(|(at, _)| at);
    places.find(|at| is_whole(*at))
}

/// Masks the passwords in a script, for clients that may see what is booted but not secrets.
///
/// Scripts pass passwords to iPXE only by the setting `password` (an operator's template that does
/// otherwise is rejected when it is loaded). A value cannot begin a line, so every line that sets
/// `password` is the template's.
///
/// Other secrets are masked by the rules of [`crate::mask`]: in a kernel's command line
/// (`ipa-root-password=`), or in an image's URL.
pub fn without_passwords(script: &str) -> String {
    script
        .split_inclusive('\n')
        .map(|line| match line.split_whitespace().nth(1) {
            Some(setting) if sets_password(line) => Cow::Owned(format!("set {setting} {STARS}\n")),
            _ => mask_line(line),
        })
        .collect()
}

/// Whether a line of a script sets a password.
pub(super) fn sets_password(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let setting = match words.next() {
        Some("set") => words.next(),
        _ => None,
    };
    setting.is_some_and(|it| it == "password" || it.starts_with("password:"))
}
