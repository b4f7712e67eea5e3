//! A conductor somewhere else: whichever answers.
//!
//! What changes nothing is asked of the next conductor as soon as one does not answer; what a
//! machine waits for, of all of them until time is up, so that the machine does not notice. What
//! changes something is sent once. Before it is sent, the conductor is asked whether it is there,
//! so that one which hangs or has just died costs the operator a moment and not the request.

use std::time::Duration;

use bytes::Bytes;
use ironpxe_core::error::Result;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::warn;

use super::batch::Batches;
use super::client::{Client, Connection, Trouble};
use super::envelope::{Answer, Outgoing};
use super::methods::{PING, Repeat};
use super::race::Race;
use super::select::{Directory, Peer, Whom, nobody};
use super::{Context, Credentials, DriverInfo};
use crate::db::Db;
use crate::tls::TlsError;

/// How long to wait before all conductors are asked once more.
const PAUSE: Duration = Duration::from_millis(200);

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one conductor's boot script, and for its sign of life before it gets other work.
    pub boot_try: Duration,
    /// For a boot script, or a conductor that is there, from whomever.
    pub boot: Duration,
    /// For one conductor's answer to a question that changes nothing.
    pub read_try: Duration,
    /// For the answer to any other call.
    pub call: Duration,
}

/// A call, and how it is to be made.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) body: Bytes,
    pub(super) whom: Whom,
    pub(super) repeat: Repeat,
}

/// The conductors of the database, as one.
#[derive(Debug)]
pub struct Remote {
    db: Db,
    directory: Directory,
    client: Client,
    pub(super) patience: Patience,
    pub(super) race: Race,
    batches: Batches,
}

/// A call, ready to be sent.
pub(super) struct Message<'a> {
    ctx: &'a Context,
    method: &'static str,
    body: Bytes,
}

impl Remote {
    /// Asks the conductors that register in `db`, over TLS if there is a configuration for it.
    pub fn new(
        db: Db,
        patience: Patience,
        credentials: Option<&Credentials>,
        tls: Option<rustls::ClientConfig>,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            directory: Directory::new(db.clone()),
            client: Client::new(patience.boot_try, credentials, tls)?,
            db,
            patience,
            race: Race::default(),
            batches: Batches::default(),
        })
    }

    pub(super) async fn drivers_of_all(&self) -> Result<Vec<DriverInfo>> {
        Ok(DriverInfo::of(&self.db.conductor_list().await?))
    }

    /// Makes a call, and reads its result.
    pub(super) async fn call<T: DeserializeOwned>(&self, ctx: &Context, call: Call) -> Result<T> {
        let message = Message {
            ctx,
            method: call.method,
            body: call.body,
        };
        match call.repeat {
            Repeat::Boot => self.until_answered(&message, &call.whom).await,
            Repeat::Read => self.first_answer(&message, &call.whom).await,
            Repeat::Never => self.once(&message, &call.whom).await,
        }
    }

    /// Asks all conductors, again and again, until time is up.
    async fn until_answered<T: DeserializeOwned>(
        &self,
        message: &Message<'_>,
        whom: &Whom,
    ) -> Result<T> {
        let end = Instant::now() + self.patience.boot;
        loop {
            let peers = self.directory.candidates(whom).await?;
            let fault = match self.race(message, peers, end).await? {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            if end.saturating_duration_since(Instant::now()) <= PAUSE {
                return Err(fault);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks each conductor once.
    async fn first_answer<T: DeserializeOwned>(
        &self,
        message: &Message<'_>,
        whom: &Whom,
    ) -> Result<T> {
        let end = Instant::now() + self.patience.call;
        for peer in self.directory.candidates(whom).await? {
            let left = end.saturating_duration_since(Instant::now());
            let patience = left.min(self.patience.read_try);
            match self.ask(message, &peer, patience, Connection::Kept).await {
                Ok(value) => return Ok(value),
                Err(Trouble::Fault(fault)) => return Err(fault),
                Err(trouble) => self.note(message, &peer, &trouble),
            }
        }
        Err(nobody("No conductor answers"))
    }

    /// Sends it to the first conductor that is there, once.
    async fn once<T: DeserializeOwned>(&self, message: &Message<'_>, whom: &Whom) -> Result<T> {
        let end = Instant::now() + self.patience.boot;
        loop {
            for peer in self.directory.candidates(whom).await? {
                if !self.is_there(message.ctx, &peer).await {
                    continue;
                }
                // A connection that was kept may have been given up by the other side meanwhile,
                // and then nobody could tell whether the call was read.
                let sent = self.ask(message, &peer, self.patience.call, Connection::New);
                match sent.await {
                    Ok(value) => return Ok(value),
                    Err(Trouble::Fault(fault)) => return Err(fault),
                    Err(trouble @ Trouble::NotAccepted(_)) => self.note(message, &peer, &trouble),
                    Err(trouble @ Trouble::NoAnswer(_)) => {
                        self.note(message, &peer, &trouble);
                        return Err(nobody(&format!(
                            "The conductor {} took the request and gave no answer, so that it may \
                             have been done: look before you repeat it",
                            peer.hostname
                        )));
                    }
                }
            }
            if end.saturating_duration_since(Instant::now()) <= PAUSE {
                return Err(nobody("No conductor answers"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks a conductor for a sign of life.
    async fn is_there(&self, ctx: &Context, peer: &Peer) -> bool {
        let ping = Message {
            ctx,
            method: PING,
            body: Outgoing::new(ctx, PING).finish(),
        };
        let sent = self.ask::<Value>(&ping, peer, self.patience.boot_try, Connection::Kept);
        match sent.await {
            Ok(_) => true,
            Err(trouble) => {
                self.note(&ping, peer, &trouble);
                false
            }
        }
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        message: &Message<'_>,
        peer: &Peer,
        patience: Duration,
        connection: Connection,
    ) -> Result<T, Trouble> {
        let sent = self
            .client
            .post(&peer.endpoint, message.body.clone(), connection);
        read(message, within(patience, sent).await?)
    }

    /// As [`Remote::ask`], perhaps in one message with others.
    pub(super) async fn ask_along<T: DeserializeOwned>(
        &self,
        message: &Message<'_>,
        peer: &Peer,
        patience: Duration,
    ) -> Result<T, Trouble> {
        let body = message.body.clone();
        // Much longer than a conductor needs that has nothing to wait for.
        let together = self.patience.boot_try / 4;
        let sent = self
            .batches
            .post(&self.client, &peer.endpoint, body, together);
        read(message, within(patience, sent).await?)
    }

    /// Remembers and tells that a conductor did not answer.
    pub(super) fn note(&self, message: &Message<'_>, peer: &Peer, trouble: &Trouble) {
        self.directory.failed(peer);
        warn!(
            req.id = message.ctx.request_id,
            conductor.host = peer.hostname,
            "{} at {}: {trouble}",
            message.method,
            peer.endpoint
        );
    }
}

async fn within(
    patience: Duration,
    sent: impl Future<Output = Result<Bytes, Trouble>>,
) -> Result<Bytes, Trouble> {
    tokio::time::timeout(patience, sent)
        .await
        .map_err(|_| Trouble::NoAnswer(format!("no answer within {} ms", patience.as_millis())))?
}

/// The result in the answer to a message.
#[expect(clippy::needless_pass_by_value, reason = "it is of no use afterwards")]
fn read<T: DeserializeOwned>(message: &Message<'_>, body: Bytes) -> Result<T, Trouble> {
    let garbage = |what: &str| Trouble::NoAnswer(format!("its answer makes no sense: {what}"));
    let answer: Answer<'_> =
        serde_json::from_slice(&body).map_err(|error| garbage(&error.to_string()))?;
    if !answer.is_to(&message.ctx.request_id) {
        return Err(garbage("it is to another request"));
    }
    match (answer.error, answer.result) {
        (Some(error), _) => Err(Trouble::Fault(error.into_fault())),
        (None, Some(result)) => {
            serde_json::from_str(result.get()).map_err(|error| garbage(&error.to_string()))
        }
        (None, None) => Err(garbage("neither a result nor an error")),
    }
}
