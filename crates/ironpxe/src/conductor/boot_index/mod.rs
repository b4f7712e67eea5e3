//! The boot index: what machines booted by when they asked last, so that the next request need not
//! read and render it again.
//!
//! It is no cache that something must be told to forget. What is kept is used only if the database
//! proves, after the request has come, that it is what would be read now: by its stamp
//! ([`crate::db::Stamp`]; nothing at all was committed meanwhile), or else by the revisions of the
//! machine's rows. Whatever is in doubt is read. `docs/adr/0008-boot-index.md` has the argument.
//!
//! `kept.rs` holds it within bounds, `flights.rs` asks the database for many requests at once,
//! `written.rs` is a script with room for what differs between requests and machines, and
//! `shared.rs` keeps once what does not.

mod flights;
mod kept;
mod shared;
mod written;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use ironpxe_core::boot::{Machine, Scripts, boots_from_volume};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::volume::Volumes;

use self::flights::{Flights, Source};
use self::kept::{Kept, Shelf};
pub(super) use self::shared::Shared;
pub(super) use self::written::{Own, Values, Written, placeholder, takes};
use crate::db::{BOOT_ROWS_AT_ONCE, BootRows, Db, Revisions, Stamp};
use crate::lifecycle::Tasks;
use crate::rpc::BootIdent;

/// How many queries of one kind are under way at once; who comes later shares the next one.
const FLIGHTS: usize = 2;

/// A machine as the database has it.
#[derive(Debug)]
pub(super) struct Seen {
    rows: Arc<BootRows>,
    /// Only if it boots from one.
    volumes: Option<Volumes>,
}

impl Seen {
    pub(super) fn machine(&self) -> Machine<'_> {
        Machine {
            node: &self.rows.node,
            port: self.rows.port.as_ref(),
            volumes: self.volumes.as_ref(),
        }
    }
}

/// What is kept of a machine.
#[derive(Debug)]
pub(super) enum Content<T> {
    /// A script that depends on nothing but the rows, the settings and these templates.
    Script(Weak<Scripts>, T),
    /// The rows alone: the script says more, and is written anew for each request.
    Rows(Seen),
}

/// What the database says of a machine.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// What was kept, which still holds.
    Kept(Arc<Content<T>>),
    /// What was read just now, and what to keep it under.
    Read(Seen, Receipt),
    /// There is no such machine.
    Nobody,
}

/// When rows were read, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt {
    stamp: Option<Stamp>,
    /// `None` if they are not all there is to it.
    revisions: Option<Revisions>,
}

/// The index of one conductor. `T` is what scripts are kept as.
#[derive(Debug)]
pub(super) struct BootIndex<T> {
    db: Db,
    shelf: Shelf<BootIdent, Content<T>, Receipt>,
    rows: Flights<RowsOf>,
    revisions: Flights<RevisionsOf>,
}

impl<T: Size> BootIndex<T> {
    /// With room for about so many bytes.
    pub(super) fn new(db: &Db, tasks: &Tasks, capacity: usize) -> Self {
        Self {
            db: db.clone(),
            shelf: Shelf::new(capacity),
            rows: Flights::new(RowsOf(db.clone()), tasks, FLIGHTS, BOOT_ROWS_AT_ONCE),
            revisions: Flights::new(RevisionsOf(db.clone()), tasks, FLIGHTS, BOOT_ROWS_AT_ONCE),
        }
    }

    /// What was kept of a machine, if nothing at all was committed from then until `now`, which
    /// needs no query.
    pub(super) fn still(&self, now: Stamp, ident: BootIdent) -> Option<Arc<Content<T>>> {
        let Kept { content, proof } = self.shelf.get(&ident)?;
        (proof.stamp == Some(now)).then_some(content)
    }

    /// What the database says of a machine at some moment after this was called.
    pub(super) async fn find(&self, ident: BootIdent) -> Result<Found<T>> {
        // Before what is kept is looked at: what was put there later is not older.
        let now = self.db.stamp();
        let Some(Kept { content, proof }) = self.shelf.get(&ident) else {
            return self.read(ident).await;
        };
        if now.is_some() && proof.stamp == now {
            return Ok(Found::Kept(content));
        }
        let Some(revisions) = proof.revisions else {
            return self.read(ident).await;
        };
        let answer = self.revisions.ask(ident).await?;
        if answer.found == Some(revisions) {
            let proof = Receipt {
                stamp: answer.stamp,
                revisions: Some(revisions),
            };
            self.shelf.prove(&ident, &content, proof);
            return Ok(Found::Kept(content));
        }
        self.read(ident).await
    }

    /// The same, whatever is kept.
    pub(super) async fn read(&self, ident: BootIdent) -> Result<Found<T>> {
        let answer = self.rows.ask(ident).await?;
        let Some(rows) = answer.found else {
            return Ok(Found::Nobody);
        };
        let volumes = match boots_from_volume(&rows.node) {
            Some(_) => Some(self.db.node_volumes(rows.node.uuid).await?),
            None => None,
        };
        let receipt = Receipt {
            stamp: answer.stamp,
            revisions: volumes.is_none().then_some(rows.revisions),
        };
        Ok(Found::Read(Seen { rows, volumes }, receipt))
    }

    /// Keeps what was made of what was read.
    pub(super) fn keep(&self, ident: BootIdent, content: Content<T>, receipt: Receipt) {
        if receipt.stamp.is_none() && receipt.revisions.is_none() {
            return;
        }
        let bytes = match &content {
            Content::Script(_, script) => script.size(),
            Content::Rows(seen) => seen.size(),
        };
        self.shelf.put(ident, Arc::new(content), receipt, bytes);
    }
}

/// How much memory something takes, about, in bytes.
pub(super) trait Size {
    fn size(&self) -> usize;
}

impl Size for Seen {
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

/// Reads rows.
#[derive(Debug, Clone)]
struct RowsOf(Db);

/// Reads revisions.
#[derive(Debug, Clone)]
struct RevisionsOf(Db);

impl Source for RowsOf {
    type Key = BootIdent;
    type Value = Arc<BootRows>;
    type Stamp = Option<Stamp>;

    fn stamp(&self) -> Self::Stamp {
        self.0.stamp()
    }

    async fn fetch(&self, keys: &[BootIdent]) -> Result<HashMap<BootIdent, Arc<BootRows>>, Fault> {
        let rows = self.0.boot_rows(keys).await?;
        let shared = rows.into_iter().map(|(key, rows)| (key, Arc::new(rows)));
        Ok(shared.collect())
    }
}

impl Source for RevisionsOf {
    type Key = BootIdent;
    type Value = Revisions;
    type Stamp = Option<Stamp>;

    fn stamp(&self) -> Self::Stamp {
        self.0.stamp()
    }

    async fn fetch(&self, keys: &[BootIdent]) -> Result<HashMap<BootIdent, Revisions>, Fault> {
        Ok(self.0.boot_revisions(keys).await?)
    }
}
