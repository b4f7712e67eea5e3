//! Files of the image as tar archives: in order of their paths, with one time, whatever made them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

/// One layer of the image: what is added to the layers below it.
#[derive(Default)]
pub(super) struct Layer {
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    kind: EntryType,
    mode: u32,
    /// The owner and the group.
    owner: u64,
    contents: Vec<u8>,
}

impl Layer {
    /// A file that all may read.
    pub(super) fn file(&mut self, path: &str, contents: impl Into<Vec<u8>>) {
        self.add(path, EntryType::Regular, 0o644, 0, contents.into());
    }

    /// A file that all may execute.
    pub(super) fn program(&mut self, path: &str, contents: Vec<u8>) {
        self.add(path, EntryType::Regular, 0o755, 0, contents);
    }

    pub(super) fn folder(&mut self, path: &str, mode: u32, owner: u64) {
        self.add(path, EntryType::Directory, mode, owner, Vec::new());
    }

    /// Adds an entry, and the folders above it that are not there yet.
    fn add(&mut self, path: &str, kind: EntryType, mode: u32, owner: u64, contents: Vec<u8>) {
        for (end, _) in path.match_indices('/') {
            let parent = path.get(..end).unwrap_or_default().to_owned();
            self.entries.entry(parent).or_insert(Entry {
                kind: EntryType::Directory,
                mode: 0o755,
                owner: 0,
                contents: Vec::new(),
            });
        }
        let entry = Entry {
            kind,
            mode,
            owner,
            contents,
        };
        self.entries.insert(path.to_owned(), entry);
    }

    pub(super) fn into_tar(self, date: i64) -> Result<Vec<u8>> {
        let mut builder = Builder::new(Vec::new());
        for (path, entry) in self.entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(entry.kind);
            header.set_mode(entry.mode);
            header.set_uid(entry.owner);
            header.set_gid(entry.owner);
            append(&mut builder, header, &path, date, &entry.contents)?;
        }
        builder.into_inner().context("cannot finish the archive")
    }
}

/// A tar archive of these files.
pub(super) fn archive(files: &[(String, Vec<u8>)], date: i64) -> Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (path, contents) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        append(&mut builder, header, path, date, contents)?;
    }
    builder.into_inner().context("cannot finish the archive")
}

fn append(
    builder: &mut Builder<Vec<u8>>,
    mut header: Header,
    path: &str,
    date: i64,
    contents: &[u8],
) -> Result<()> {
    header.set_mtime(u64::try_from(date).context("the date is before 1970")?);
    header.set_size(u64::try_from(contents.len())?);
    builder
        .append_data(&mut header, path, contents)
        .with_context(|| format!("cannot add {path} to the archive"))
}
