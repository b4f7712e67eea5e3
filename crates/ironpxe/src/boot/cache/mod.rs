//! The boot cache: what machines booted by when they asked last, so that the next request need not
//! read and render it again.
//!
//! Nothing has to tell it what to forget. What is kept is used only if the database
//! proves, after the request has come, that it is what would be read now: by its version
//! ([`CommitVersion`]; nothing at all was committed meanwhile, which SQLite shows without a query, and
//! PostgreSQL by one that all who wait share), or else by the revisions of the
//! machine's rows. Whatever is in doubt is read. `docs/adr/0008-boot-index.md` has the argument.
//!
//! `entries.rs` holds it within bounds, `coalesce.rs` asks the database for many requests at once,
//! `script_template.rs` is a script with room for what differs between requests and machines, and
//! `interner.rs` keeps once what does not.

mod coalesce;
mod entries;
mod interner;
mod script_template;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ironpxe_core::boot::Scripts;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::Result;

use self::coalesce::{Fetched, Query, QueryCoalescer};
use self::entries::{Cached, ClockCache};
pub(super) use self::interner::Interner;
pub(super) use self::script_template::{
    MachineFields, ScriptTemplate, Values, is_standard_request_id, placeholder,
};
use super::facts::{BootFacts, MachineFacts};
use super::rendered::CachedScript;
use crate::db::{AsOf, BOOT_ROWS_AT_ONCE, BootRows, CommitVersion, Revisions};
use crate::lifecycle::Tasks;

/// How many queries of one kind are under way at once; who comes later shares the next one.
const QUERIES: usize = 2;

/// What is kept of a machine.
#[derive(Debug)]
pub(super) enum Content {
    /// A script that depends on nothing but the rows, the settings and these templates.
    Script(Weak<Scripts>, CachedScript),
    /// The rows alone: the script says more, and is rendered for each request.
    Facts(MachineFacts),
}

/// What the database says of a machine.
#[derive(Debug)]
pub(super) enum Lookup {
    /// What was kept, which still holds.
    Cached(Arc<Content>),
    /// What was read just now, and what to keep it under.
    Read(MachineFacts, Validator),
    /// There is no such machine.
    Unknown,
}

/// As of when rows were read, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validator {
    pub(super) version: Option<CommitVersion>,
    /// `None` if they are not all there is to it.
    pub(super) revisions: Option<Revisions>,
}

/// The cache of one process.
#[derive(Debug)]
pub(super) struct BootCache {
    facts: BootFacts,
    entries: ClockCache,
    rows: QueryCoalescer<RowsQuery>,
    revisions: QueryCoalescer<RevisionsQuery>,
    versions: QueryCoalescer<VersionQuery>,
    pace: Pace,
}

/// The version that was seen last, and whether it was the one before, too: whether it pays to ask for
/// the version before the revisions.
#[derive(Debug, Default)]
struct Pace(Mutex<(Option<CommitVersion>, bool)>);

impl Pace {
    /// Notes the version that the source just had.
    fn note(&self, version: Option<CommitVersion>) {
        // Of a machine that is not known, no version is.
        if version.is_some() {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *state = (version, state.0 == version);
        }
    }

    /// Whether the source may still be as of this version: nothing newer was seen, nor are there
    /// commits all the time.
    fn may_be(&self, version: Option<CommitVersion>) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        version.is_some() && *state == (version, true)
    }
}

impl BootCache {
    /// With room for about so many bytes.
    pub(super) fn new(facts: &BootFacts, tasks: &Tasks, capacity: usize) -> Self {
        let (rows, revisions) = (RowsQuery(facts.clone()), RevisionsQuery(facts.clone()));
        let versions = VersionQuery(facts.clone());
        Self {
            facts: facts.clone(),
            entries: ClockCache::new(capacity),
            rows: QueryCoalescer::new(rows, tasks, QUERIES, BOOT_ROWS_AT_ONCE),
            revisions: QueryCoalescer::new(revisions, tasks, QUERIES, BOOT_ROWS_AT_ONCE),
            versions: QueryCoalescer::new(versions, tasks, QUERIES, usize::MAX),
            pace: Pace::default(),
        }
    }

    /// What was kept of a machine, if nothing at all was committed from then until this was called,
    /// which needs no query.
    pub(super) fn get_if_unchanged(&self, ident: BootIdent) -> Option<Arc<Content>> {
        // Before the entry is looked at: what was put there later is not older.
        let now = self.facts.version()?;
        let Cached { content, validator } = self.entries.get(&ident)?;
        (validator.version == Some(now)).then_some(content)
    }

    /// What the database says of a machine at some moment after this was called.
    pub(super) async fn find(&self, ident: BootIdent) -> Result<Lookup> {
        // As above.
        let now = self.facts.version();
        let Some(Cached { content, validator }) = self.entries.get(&ident) else {
            return self.read(ident).await;
        };
        if now.is_some() && validator.version == now {
            return Ok(Lookup::Cached(content));
        }
        if now.is_none() && self.pace.may_be(validator.version) {
            let now = self.versions.ask(()).await?.version;
            self.pace.note(now);
            if now.is_some() && validator.version == now {
                return Ok(Lookup::Cached(content));
            }
        }
        let Some(revisions) = validator.revisions else {
            return self.read(ident).await;
        };
        let answer = self.revisions.ask(ident).await?;
        self.pace.note(answer.version);
        if answer.found == Some(revisions) {
            let validator = Validator {
                version: answer.version,
                revisions: Some(revisions),
            };
            self.entries.set_validator(&ident, &content, validator);
            return Ok(Lookup::Cached(content));
        }
        self.read(ident).await
    }

    /// The same, whatever is kept.
    pub(super) async fn read(&self, ident: BootIdent) -> Result<Lookup> {
        let answer = self.rows.ask(ident).await?;
        self.pace.note(answer.version);
        let Some(rows) = answer.found else {
            return Ok(Lookup::Unknown);
        };
        let revisions = rows.revisions;
        let facts = self.facts.complete(rows).await?;
        let validator = Validator {
            version: answer.version,
            revisions: facts.volumes.is_none().then_some(revisions),
        };
        Ok(Lookup::Read(facts, validator))
    }

    /// Keeps what was made of what was read.
    pub(super) fn put(&self, ident: BootIdent, content: Content, validator: Validator) {
        if validator.version.is_none() && validator.revisions.is_none() {
            return;
        }
        let bytes = match &content {
            Content::Script(_, script) => script.size(),
            Content::Facts(facts) => facts.size(),
        };
        self.entries.put(ident, Arc::new(content), validator, bytes);
    }
}

impl MachineFacts {
    /// How much memory it takes, about, in bytes.
    fn size(&self) -> usize {
        // What is written in JSON takes several times as much in memory, most of it for the
        // nodes of its maps.
        let text = |json: serde_json::Result<String>| json.map_or(0, |text| text.len());
        let node = text(serde_json::to_string(&self.rows.node));
        let port = text(serde_json::to_string(&self.rows.port));
        let volumes = self.volumes.as_ref().map_or(0, |volumes| {
            text(serde_json::to_string(&volumes.connectors))
                + text(serde_json::to_string(&volumes.targets))
        });
        size_of::<(Self, BootRows)>() + 4 * (node + port + volumes)
    }
}

#[derive(Debug)]
struct RowsQuery(BootFacts);

#[derive(Debug)]
struct RevisionsQuery(BootFacts);

#[derive(Debug)]
struct VersionQuery(BootFacts);

impl Query for RowsQuery {
    type Key = BootIdent;
    type Value = Arc<BootRows>;
    type Version = Option<CommitVersion>;

    async fn fetch(&self, keys: &[BootIdent]) -> Result<Fetched<Self>> {
        let AsOf { version, found } = self.0.rows(keys).await?;
        let shared = found
            .into_iter()
            .map(|(ident, rows)| (ident, Arc::new(rows)));
        Ok((version, shared.collect()))
    }
}

impl Query for RevisionsQuery {
    type Key = BootIdent;
    type Value = Revisions;
    type Version = Option<CommitVersion>;

    async fn fetch(&self, keys: &[BootIdent]) -> Result<Fetched<Self>> {
        let AsOf { version, found } = self.0.revisions(keys).await?;
        Ok((version, found))
    }
}

/// Whoever asks, there is one answer.
impl Query for VersionQuery {
    type Key = ();
    type Value = ();
    type Version = Option<CommitVersion>;

    async fn fetch(&self, _: &[()]) -> Result<Fetched<Self>> {
        Ok((self.0.fetch_version().await?, HashMap::new()))
    }
}
