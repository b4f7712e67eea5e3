//! The packages are made from the program of the test build, installed, started and asked.
//!
//! What needs root says that it is skipped without.

mod debian;
mod image;
mod kubernetes;

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, ensure};
use nix::unistd::Uid;

use super::{Effort, Source, deb, image as oci};
use crate::shell;

/// A date that has nothing to do with that of this run.
const DATE: i64 = 1_767_225_600;

/// Both packages.
struct Packages {
    deb: PathBuf,
    /// The contents of the Debian package.
    contents: PathBuf,
    image: PathBuf,
    /// Where they are.
    folder: PathBuf,
}

impl Packages {
    /// Makes both in `folder`, which is emptied first.
    fn make(folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let source = Source {
            program: program()?,
            version: "1.2.3".to_owned(),
            date: DATE,
            effort: Effort::Fast,
        };
        let made = deb::build(&source, &folder.join("build"), &folder)?;
        let image = oci::build(&source, &made.contents, &folder)?;
        Ok(Self {
            deb: made.files.first().context("no package")?.clone(),
            contents: made.contents,
            image,
            folder,
        })
    }

    /// Those that all tests of a run share; `None`, with a message, on a host that cannot make them.
    fn shared() -> Result<Option<&'static Self>> {
        static SHARED: OnceLock<Result<(Packages, File)>> = OnceLock::new();
        if !has(&["dpkg-buildpackage", "dh", "help2man"]) {
            return Ok(None);
        }
        // The lock lasts as long as this process.
        let make = || {
            let lock = shell::lock("package-tests")?;
            let packages = Self::make(shell::target().join("package-tests"))?;
            Ok((packages, lock))
        };
        match SHARED.get_or_init(make) {
            Ok((packages, _)) => Ok(Some(packages)),
            Err(error) => Err(anyhow!("{error:#}")),
        }
    }
}

/// The program that `cargo test --workspace` builds, beside the folder of this one.
fn program() -> Result<PathBuf> {
    let here = env::current_exe()?;
    let folder = here.ancestors().nth(2).context("a test without folder")?;
    let program = folder.join("ironpxe");
    ensure!(
        program.is_file(),
        "no {}: run `cargo test --workspace`, which builds it",
        program.display()
    );
    Ok(program)
}

/// Whether these programs are here; says that the test is skipped if not.
fn has(programs: &[&str]) -> bool {
    for program in programs {
        if shell::find_program(program).is_none() {
            println!("skipped: no {program} here; `cargo xtask test` gets it");
            return false;
        }
    }
    true
}

/// Whether this is root; says that the test is skipped if not.
fn is_root(what: &str) -> bool {
    let root = Uid::effective().is_root();
    if !root {
        println!("skipped: {what} needs root");
    }
    root
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/package/tests")
}

#[test]
fn only_the_state_path_of_the_configuration_differs_from_the_sample() -> Result<()> {
    let sample = fs::read_to_string(shell::root().join("packaging/ironpxe.toml"))?;
    let configuration = super::configuration()?;
    let lines: Vec<_> = sample
        .lines()
        .zip(configuration.lines())
        .filter(|(sample, ours)| sample != ours)
        .collect();
    assert_eq!(
        lines,
        [("#state_path =", "state_path = \"/var/lib/ironpxe\"")]
    );
    assert_eq!(sample.lines().count(), configuration.lines().count());
    Ok(())
}

#[test]
fn every_linked_library_has_its_licence() -> Result<()> {
    let licences = super::licences::collect()?;
    let (overview, texts) = licences.split_once("\n---").context("no texts")?;
    assert!(overview.contains("\nsqlx 0."), "{overview}");
    // Only tests have these.
    assert!(!overview.contains("\ninsta ") && !overview.contains("\nproptest "));
    assert!(
        overview
            .lines()
            .skip(2)
            .all(|line| line.split(": ").nth(1).is_some_and(|it| !it.is_empty()))
    );
    assert!(texts.contains("Permission is hereby granted, free of charge"));
    Ok(())
}

#[test]
#[ignore = "cargo xtask test --full: makes the packages twice"]
fn the_same_program_and_date_give_the_same_bytes() -> Result<()> {
    let Some(first) = Packages::shared()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir_in(&first.folder)?;
    let second = Packages::make(folder.path().join("again"))?;
    for (first, second) in [(&first.deb, &second.deb), (&first.image, &second.image)] {
        ensure!(first.file_name() == second.file_name());
        ensure!(
            fs::read(first)? == fs::read(second)?,
            "{} differs",
            first.display()
        );
    }
    Ok(())
}
