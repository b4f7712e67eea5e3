//! The boot cache: scripts and facts of machines, so that repeated requests need not read and
//! render them.
//!
//! Nothing is invalidated. A cached content is only used if the database proves, after the request
//! has arrived, that it would be read unchanged now: by its version ([`CommitVersion`]: nothing was
//! committed since, which SQLite shows without a query, and PostgreSQL by a query that waiting
//! requests share), or else by the revisions of the machine's rows. Otherwise the rows are read.
//! `docs/adr/0008-boot-cache.md` has the argument.
//!
//! `entries.rs` bounds its size, `coalesce.rs` shares database queries, and `interner.rs`
//! deduplicates what scripts have in common (`script_template.rs`).

mod coalesce;
mod entries;
mod interner;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ironpxe_core::boot::Scripts;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::Result;

use self::coalesce::{CoalescedQuery, Fetched, QueryCoalescer};
use self::entries::{Cached, ClockCache};
pub(super) use self::interner::Interner;
use super::facts::{BootFacts, MachineFacts, MachineRows, Revisions, Versioned};
use super::rendered::CachedScript;
use crate::db::{BootRows, CommitVersion};
use crate::lifecycle::Tasks;

/// The cached content of a machine.
#[derive(Debug)]
pub(super) enum Content {
    /// A script that depends only on the rows, the settings and these templates.
    Script(Weak<Scripts>, CachedScript),
    /// The rows alone, if the script must be rendered for each request.
    Facts(MachineFacts),
}

/// The result of a lookup.
#[derive(Debug)]
pub(super) enum Lookup {
    /// A cached content that is still valid.
    Cached(Arc<Content>),
    /// Rows that were just read, with their validator.
    Read(MachineFacts, Validator),
    /// No such machine.
    Unknown,
}

/// The version and revisions of the rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validator {
    pub(super) version: Option<CommitVersion>,
    /// `None` if the content depends on more than these rows.
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
    version_history: VersionHistory,
}

/// The last observed version, and whether it equalled the one before: whether checking the version
/// before the revisions is worth a query.
#[derive(Debug, Default)]
struct VersionHistory(Mutex<(Option<CommitVersion>, bool)>);

impl VersionHistory {
    /// Records the current version of the source.
    fn note(&self, version: Option<CommitVersion>) {
        // Unknown machines have no version.
        if version.is_some() {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *state = (version, state.0 == version);
        }
    }

    /// Whether the source may still have this version: no newer one was observed, and commits are
    /// infrequent.
    fn may_be(&self, version: Option<CommitVersion>) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        version.is_some() && *state == (version, true)
    }
}

impl BootCache {
    /// With a capacity of approximately this many bytes.
    pub(super) fn new(facts: &BootFacts, tasks: &Tasks, capacity: usize) -> Self {
        let (rows, revisions) = (RowsQuery(facts.clone()), RevisionsQuery(facts.clone()));
        let versions = VersionQuery(facts.clone());
        let (queries, machines) = (facts.max_queries(), facts.max_machines_per_query());
        Self {
            facts: facts.clone(),
            entries: ClockCache::new(capacity),
            rows: QueryCoalescer::new(rows, tasks, queries, machines),
            revisions: QueryCoalescer::new(revisions, tasks, queries, machines),
            versions: QueryCoalescer::new(versions, tasks, queries, usize::MAX),
            version_history: VersionHistory::default(),
        }
    }

    /// The cached content of a machine, if nothing was committed between its read and this call.
    /// Needs no query.
    pub(super) fn get_if_unchanged(&self, ident: BootIdent) -> Option<Arc<Content>> {
        // Read before the entry: an entry stored later is not older.
        let now = self.facts.version()?;
        let Cached { content, validator } = self.entries.get(&ident)?;
        (validator.version == Some(now)).then_some(content)
    }

    /// Looks up a machine at some time after the call.
    pub(super) async fn find(&self, ident: BootIdent) -> Result<Lookup> {
        // Read before the entry, as in `get_if_unchanged`.
        let now = self.facts.version();
        let Some(Cached { content, validator }) = self.entries.get(&ident) else {
            return self.read(ident).await;
        };
        if now.is_some() && validator.version == now {
            return Ok(Lookup::Cached(content));
        }
        if now.is_none() && self.version_history.may_be(validator.version) {
            let now = self.versions.ask(()).await?.version;
            self.version_history.note(now);
            if now.is_some() && validator.version == now {
                return Ok(Lookup::Cached(content));
            }
        }
        let Some(revisions) = validator.revisions else {
            return self.read(ident).await;
        };
        let answer = self.revisions.ask(ident).await?;
        self.version_history.note(answer.version);
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

    /// Reads a machine, ignoring the cache.
    pub(super) async fn read(&self, ident: BootIdent) -> Result<Lookup> {
        let answer = self.rows.ask(ident).await?;
        self.version_history.note(answer.version);
        let Some(rows) = answer.found else {
            return Ok(Lookup::Unknown);
        };
        let (facts, revisions) = self.facts.complete(rows).await?;
        let validator = Validator {
            version: answer.version,
            revisions,
        };
        Ok(Lookup::Read(facts, validator))
    }

    /// Reads a machine, ignoring the cache. Shares the queries of boot requests, and so their limit.
    pub(super) async fn machine(&self, ident: BootIdent) -> Result<Option<MachineFacts>> {
        Ok(match self.read(ident).await? {
            Lookup::Read(facts, _) => Some(facts),
            Lookup::Cached(_) | Lookup::Unknown => None,
        })
    }

    /// Caches a content made from rows that were read.
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
    /// The approximate size in memory, in bytes.
    fn size(&self) -> usize {
        // JSON takes several times as much in memory as its text, mostly for the nodes of its maps.
        let text = |json: serde_json::Result<String>| json.map_or(0, |text| text.len());
        let machine = self.machine();
        let node = text(serde_json::to_string(machine.node));
        let port = text(serde_json::to_string(&machine.port));
        let volumes = machine.volumes.map_or(0, |volumes| {
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

impl CoalescedQuery for RowsQuery {
    type Key = BootIdent;
    type Value = MachineRows;
    type Version = Option<CommitVersion>;

    async fn fetch(&self, keys: &[BootIdent]) -> Result<Fetched<Self>> {
        let Versioned { version, found } = self.0.rows(keys).await?;
        Ok((version, found))
    }
}

impl CoalescedQuery for RevisionsQuery {
    type Key = BootIdent;
    type Value = Revisions;
    type Version = Option<CommitVersion>;

    async fn fetch(&self, keys: &[BootIdent]) -> Result<Fetched<Self>> {
        let Versioned { version, found } = self.0.revisions(keys).await?;
        Ok((version, found))
    }
}

/// A single key: the version is the same for all requests.
impl CoalescedQuery for VersionQuery {
    type Key = ();
    type Value = ();
    type Version = Option<CommitVersion>;

    async fn fetch(&self, _: &[()]) -> Result<Fetched<Self>> {
        Ok((self.0.fetch_version().await?, HashMap::new()))
    }
}
