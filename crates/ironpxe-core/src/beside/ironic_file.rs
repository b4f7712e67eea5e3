//! The iPXE scripts that Ironic itself writes for its machines (`http_root/pxelinux.cfg/<MAC>`), to
//! compare them with what is decided here.
//!
//! Only what boots is read: the section that the script goes to, its images, kernel arguments and
//! volumes; not how it downloads, and what it does if that fails.
//!
//! Source: Ironic's `drivers/modules/ipxe_config.template`, and `_replace_boot_line` and
//! `_get_pxe_mac_path` in its `common/pxe_utils.py` and `drivers/utils.py`.

mod compare;
mod script;

pub use self::compare::{Difference, Topic, differences};
pub use self::script::ScriptBoot;

use crate::mac::MacAddress;

/// How much of a file that is not a script is quoted, in characters.
const QUOTED: usize = 40;

/// One of Ironic's scripts. It may hold passwords, so it is not `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct IronicFile {
    /// The label that it goes to: `deploy`, `boot_ramdisk` and so on; empty if it goes to none.
    pub section: String,
    /// What that section boots.
    pub boot: ScriptBoot,
}

/// Why a file is not one of Ironic's scripts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// For example a page of HTML.
    #[error("Ironic's file is not an iPXE script: it starts with {0:?}")]
    NotAScript(String),
    /// It goes to a label that it does not have.
    #[error("Ironic's file goes to {0:?}, which it does not have")]
    NoSection(String),
}

impl IronicFile {
    /// The path of a machine's file below the web server's URL (`[deploy]http_url`).
    pub fn path(address: MacAddress) -> String {
        let name = address.to_string().replace(':', "-");
        format!("/pxelinux.cfg/{name}")
    }

    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, FileProblem> {
        let mut lines = text.lines().map(str::trim);
        if lines.next() != Some("#!ipxe") {
            let start: String = text.trim_start().chars().take(QUOTED).collect();
            return Err(FileProblem::NotAScript(start));
        }
        let is_label = |line: &&str| line.starts_with(':');
        let goes_to = lines
            .clone()
            .take_while(|line| !is_label(line))
            .find_map(|line| line.strip_prefix("goto "));
        let section = match goes_to {
            None => return Ok(Self::of("", lines.take_while(|line| !is_label(line)))),
            Some(section) => section.split_whitespace().next().unwrap_or_default(),
        };
        let mut from = lines.skip_while(|line| line.strip_prefix(':') != Some(section));
        if from.next().is_none() {
            return Err(FileProblem::NoSection(section.to_owned()));
        }
        Ok(Self::of(section, from.take_while(|line| !is_label(line))))
    }

    fn of<'a>(section: &str, lines: impl Iterator<Item = &'a str>) -> Self {
        Self {
            section: section.to_owned(),
            boot: ScriptBoot::of_lines(lines),
        }
    }
}
