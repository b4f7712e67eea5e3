//! The libraries that the program is linked with, and the Debian packages that they are of.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use super::files::Layer;
use crate::shell;

/// Adds the libraries of `program` where its loader looks for them, and what their packages say about
/// themselves.
pub(super) fn add(layer: &mut Layer, program: &Path) -> Result<()> {
    // The certificates are also in the image.
    let mut packages = BTreeSet::from(["ca-certificates".to_owned()]);
    let listed = shell::run_quiet(Command::new("ldd").arg(program))?;
    let libraries: Vec<&str> = listed.lines().filter_map(library).collect();
    ensure!(
        !libraries.is_empty(),
        "ldd knows no libraries of the program: {listed}"
    );
    for path in libraries {
        let bytes = fs::read(path).with_context(|| format!("cannot read {path}"))?;
        layer.program(path.trim_start_matches('/'), bytes);
        packages.insert(package_of(path)?);
    }
    for package in packages {
        let status = shell::run_quiet(Command::new("dpkg-query").args(["--status", &package]))?;
        layer.file(&format!("var/lib/dpkg/status.d/{package}"), status);
        let copyright = format!("usr/share/doc/{package}/copyright");
        let text = fs::read(Path::new("/").join(&copyright))
            .with_context(|| format!("cannot read /{copyright}"))?;
        layer.file(&copyright, text);
    }
    Ok(())
}

/// The path in a line of ldd's: `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, or that of the loader
/// alone. The kernel's own library has none.
fn library(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with('/'))
}

/// The package of a library. It may be registered below `/lib` or `/usr/lib`, which are the same folder.
fn package_of(path: &str) -> Result<String> {
    let real = fs::canonicalize(path).with_context(|| format!("no {path}"))?;
    let real = real.to_string_lossy();
    let without_usr = real.strip_prefix("/usr").unwrap_or(&real);
    let found = [path, &real, without_usr].into_iter().find_map(|path| {
        shell::run_quiet(Command::new("dpkg-query").args(["--search", path])).ok()
    });
    let found = found.with_context(|| format!("no package has {path}"))?;
    // `libc6:amd64: /lib/x86_64-linux-gnu/libc.so.6`
    let package = found.split([':', ',']).next().unwrap_or_default();
    Ok(package.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ldd() {
        let lines = [
            "\tlinux-vdso.so.1 (0x00007fad9597f000)",
            "\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007fad93120000)",
            "\t/lib64/ld-linux-x86-64.so.2 (0x00007fad95981000)",
        ];
        let found: Vec<&str> = lines.into_iter().filter_map(library).collect();
        assert_eq!(
            found,
            [
                "/lib/x86_64-linux-gnu/libm.so.6",
                "/lib64/ld-linux-x86-64.so.2"
            ]
        );
    }
}
