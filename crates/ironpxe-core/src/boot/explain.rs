//! Why a machine boots what it boots, for the person who asks before there is power.
//!
//! The reasons are written down by the decision itself while it decides (`decision.rs`, `images.rs`),
//! so that they cannot tell another story. A machine that asks wants no reasons, and then none are
//! worded: [`decide`](super::decide) hands in a [`Reasons`] that does not listen.

use std::borrow::Cow;
use std::cell::RefCell;

use super::plan::BootPlan;
use crate::mask::{STARS, mask_line};

/// One thing the decision looked at, and what followed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What it is about: `port`, `state`, `plan`, `kernel`, `ramdisk`, `image`, `arguments`, `iso`,
    /// `volume`, `disk`, `template`, `refused` or `fix`.
    pub topic: &'static str,
    /// For humans, with fields and settings under the names operators know them by.
    pub text: String,
}

/// A decision, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What the machine boots.
    pub plan: BootPlan,
    /// Why, in the order in which it was decided.
    pub reasons: Vec<Reason>,
}

/// Where a decision leaves its reasons, if anybody wants to read them.
pub(super) struct Reasons(Option<RefCell<Vec<Reason>>>);

impl Reasons {
    /// Nobody does.
    pub(super) fn unheard() -> Self {
        Self(None)
    }

    /// Somebody does.
    pub(super) fn kept() -> Self {
        Self(Some(RefCell::default()))
    }

    /// Notes a reason. It is put into words only for somebody who reads them.
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

    /// What was noted.
    pub(super) fn into_vec(self) -> Vec<Reason> {
        self.0.map(RefCell::into_inner).unwrap_or_default()
    }
}

/// A script without the passwords in it, for those who may know what is booted but not the
/// secrets of it. Everything else is as it was.
///
/// Scripts hand passwords to iPXE itself in one way only, the setting `password` (an operator's template
/// that does otherwise is refused when it is loaded); a value cannot begin a line of its own, so
/// that every line that does so is a password's.
///
/// What else is a secret by the rules of [`crate::mask`] is not shown either: in a kernel's command
/// line (`ipa-root-password=`), or in an image's URL.
pub fn without_passwords(script: &str) -> String {
    script
        .split_inclusive('\n')
        .map(|line| match line.split_whitespace().nth(1) {
            Some(setting) if sets_password(line) => Cow::Owned(format!("set {setting} {STARS}\n")),
            _ => mask_line(line),
        })
        .collect()
}

/// Whether a line of a script hands over a password.
pub(super) fn sets_password(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let setting = match words.next() {
        Some("set") => words.next(),
        _ => None,
    };
    setting.is_some_and(|it| it == "password" || it.starts_with("password:"))
}
