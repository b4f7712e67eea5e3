//! Reads and validates the operator's script templates.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use ironpxe_core::boot::{BrokenTemplate, OperatorTemplates, Scripts, TemplateFile};

use super::{Config, ConfigError, Problem};

const EVERY: &str = "[pxe]ipxe_config_template";
const BY_ARCH: &str = "[pxe]ipxe_config_template_by_arch";

/// Longer than any useful template, in bytes.
const LONGEST: u64 = 1 << 20;

impl Config {
    /// The boot scripts with the current content of the template files. All broken templates are
    /// reported.
    pub(crate) fn scripts(&self) -> Result<Scripts, ConfigError> {
        let mut problems = Vec::new();
        let mut read = |arch: Option<&str>, path: &Path| match read(path) {
            Ok(file) => Some(file),
            Err(message) => {
                problems.push(self.about_template(arch, &message));
                None
            }
        };
        let mut by_arch = BTreeMap::new();
        let every = self.pxe.ipxe_config_template.as_deref();
        let every = every.and_then(|path| read(None, path));
        for (arch, path) in &self.pxe.ipxe_config_template_by_arch {
            if let Some(file) = read(Some(arch), path) {
                by_arch.insert(arch.clone(), file);
            }
        }
        let templates = OperatorTemplates { every, by_arch };
        match Scripts::with_operators(self.downloads(), templates) {
            Ok(scripts) if problems.is_empty() => return Ok(scripts),
            Ok(_) => {}
            Err(broken) => {
                problems.extend(broken.into_iter().map(|BrokenTemplate { arch, error }| {
                    self.about_template(arch.as_deref(), &error.to_string())
                }));
            }
        }
        Err(ConfigError { problems })
    }

    /// Whether [`Config::scripts`] reads templates from files.
    pub(crate) fn has_templates(&self) -> bool {
        let pxe = &self.pxe;
        pxe.ipxe_config_template.is_some() || !pxe.ipxe_config_template_by_arch.is_empty()
    }

    fn about_template(&self, arch: Option<&str>, message: &str) -> Problem {
        let key = match arch {
            None => EVERY.to_owned(),
            Some(arch) => format!("{BY_ARCH}.{arch}"),
        };
        self.problem(&key, message)
    }
}

fn read(path: &Path) -> Result<TemplateFile, String> {
    let shown = path.display();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes > LONGEST) {
        return Err(format!("{shown} has more than {LONGEST} bytes"));
    }
    let path = shown.to_string();
    Ok(TemplateFile { path, text })
}
