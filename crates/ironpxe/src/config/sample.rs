//! The configuration as text: the sample file, and the current settings with their origins.

use std::fmt::Write;

use ironpxe_core::mask::mask_text;

use super::{Config, Origin};

impl Config {
    /// Every setting with its default and documentation, as a configuration file with everything
    /// commented out.
    pub(crate) fn sample() -> String {
        let mut text = String::from(
            "# Configuration of ironpxe: `ironpxe serve --config FILE`.\n\
             #\n\
             # Every setting has a default, which is shown. A setting KEY of [SECTION] can also be\n\
             # given in the environment, as IRONPXE_SECTION__KEY, which overrides the file; flags\n\
             # of the command line override both.\n",
        );
        for section in Self::default().sections() {
            text.push('\n');
            for line in section.about() {
                line_of_comment(&mut text, line);
            }
            line(&mut text, format_args!("[{}]", section.name()));
            for key in section.keys() {
                text.push('\n');
                for line in key.doc {
                    line_of_comment(&mut text, line);
                }
                match key.value {
                    Some(value) => line(&mut text, format_args!("#{} = {value}", key.name)),
                    None => line(&mut text, format_args!("#{} =", key.name)),
                }
            }
        }
        text
    }

    /// The settings that were set, each with its value and origin. Secrets are masked, also in URLs
    /// and kernel parameters.
    pub(crate) fn settings_made(&self) -> String {
        let mut text = String::new();
        for section in self.sections() {
            for key in section.keys() {
                let name = format!("[{}]{}", section.name(), key.name);
                let origin = self.origins.get(&name).unwrap_or(&Origin::Default);
                if let (Some(value), false) = (key.value, *origin == Origin::Default) {
                    let value = value.to_string();
                    let shown = mask_text(&value);
                    line(&mut text, format_args!("{name} = {shown}  # {origin}"));
                }
            }
        }
        text
    }
}

fn line_of_comment(text: &mut String, comment: &str) {
    line(text, format_args!("#{comment}"));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
