//! Calls remote conductors, with failover.
//!
//! A call without side effects is sent to the next conductor if one does not respond. A call with
//! side effects is sent once. Before, the conductor is pinged, so that a hung or dead one only
//! causes a delay.

use std::time::Duration;

use bytes::Bytes;
use ironpxe_core::error::Result;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::warn;

use super::client::{CallError, Client, Connection};
use super::envelope::{Answer, RequestBuilder};
use super::select::{CallTarget, Directory, Peer, no_conductor};
use super::{Context, DriverInfo};
use crate::auth::BasicCredentials;
use crate::db::Db;
use crate::tls::TlsError;

/// The pause before all conductors are tried once more.
const PAUSE: Duration = Duration::from_millis(200);

/// Timeouts of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// For connecting to a conductor, and for a ping (`[json_rpc]ping_timeout`).
    pub ping: Duration,
    /// For finding a conductor that responds (`[json_rpc]find_timeout`).
    pub find: Duration,
    /// For one conductor's response to a call without side effects (`[json_rpc]read_try_timeout`).
    pub read_try: Duration,
    /// For the response to any other call (`[json_rpc]call_timeout`).
    pub call: Duration,
}

/// Only checks that the conductor responds.
pub(super) const PING: &str = "ping";

/// Whether a call may be repeated after a timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It has no side effects: the next conductor is tried.
    Read,
    /// It may have been executed: another conductor is only tried if it definitely was not.
    Never,
}

/// A call with its options.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) body: Bytes,
    pub(super) target: CallTarget,
    pub(super) repeat: Repeat,
}

/// All conductors in the database.
#[derive(Debug)]
pub(crate) struct Remote {
    db: Db,
    directory: Directory,
    client: Client,
    timeouts: Timeouts,
}

/// A serialized call.
struct Message<'a> {
    ctx: &'a Context,
    method: &'static str,
    body: Bytes,
}

impl Remote {
    /// Calls the conductors registered in `db`, with TLS if configured.
    pub(crate) fn new(
        db: Db,
        timeouts: Timeouts,
        credentials: Option<&BasicCredentials>,
        tls: Option<rustls::ClientConfig>,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            directory: Directory::new(db.clone()),
            client: Client::new(timeouts.ping, credentials, tls)?,
            db,
            timeouts,
        })
    }

    pub(super) async fn drivers_of_all(&self) -> Result<Vec<DriverInfo>> {
        Ok(DriverInfo::of(&self.db.conductor_list().await?))
    }

    /// Makes a call, and parses its result.
    pub(super) async fn call<T: DeserializeOwned>(&self, ctx: &Context, call: Call) -> Result<T> {
        let message = Message {
            ctx,
            method: call.method,
            body: call.body,
        };
        match call.repeat {
            Repeat::Read => self.first_answer(&message, &call.target).await,
            Repeat::Never => self.once(&message, &call.target).await,
        }
    }

    /// Tries each conductor once.
    async fn first_answer<T: DeserializeOwned>(
        &self,
        message: &Message<'_>,
        target: &CallTarget,
    ) -> Result<T> {
        let end = Instant::now() + self.timeouts.call;
        for peer in self.directory.candidates(target).await? {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = left.min(self.timeouts.read_try);
            match self.ask(message, &peer, timeout, Connection::Kept).await {
                Ok(value) => return Ok(value),
                Err(CallError::Fault(fault)) => return Err(fault),
                Err(error) => self.note(message, &peer, &error),
            }
        }
        Err(no_conductor("No conductor responds"))
    }

    /// Sends it once, to the first conductor that responds to a ping.
    async fn once<T: DeserializeOwned>(
        &self,
        message: &Message<'_>,
        target: &CallTarget,
    ) -> Result<T> {
        let end = Instant::now() + self.timeouts.find;
        loop {
            for peer in self.directory.candidates(target).await? {
                if !self.is_there(message.ctx, &peer).await {
                    continue;
                }
                // A pooled connection may have been closed by the server, and then it would be
                // unknown whether the call was read.
                let sent = self.ask(message, &peer, self.timeouts.call, Connection::New);
                match sent.await {
                    Ok(value) => return Ok(value),
                    Err(CallError::Fault(fault)) => return Err(fault),
                    Err(error @ CallError::NotAccepted(_)) => self.note(message, &peer, &error),
                    Err(error @ CallError::NoAnswer(_)) => {
                        self.note(message, &peer, &error);
                        return Err(no_conductor(&format!(
                            "Conductor {} accepted the request but did not respond, so it may \
                             have been executed: check before you repeat it",
                            peer.hostname
                        )));
                    }
                }
            }
            if end.saturating_duration_since(Instant::now()) <= PAUSE {
                return Err(no_conductor("No conductor responds"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Pings a conductor.
    async fn is_there(&self, ctx: &Context, peer: &Peer) -> bool {
        let ping = Message {
            ctx,
            method: PING,
            body: RequestBuilder::new(ctx, PING).finish(),
        };
        let sent = self.ask::<Value>(&ping, peer, self.timeouts.ping, Connection::Kept);
        match sent.await {
            Ok(_) => true,
            Err(error) => {
                self.note(&ping, peer, &error);
                false
            }
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        message: &Message<'_>,
        peer: &Peer,
        timeout: Duration,
        connection: Connection,
    ) -> Result<T, CallError> {
        let sent = self
            .client
            .post(&peer.endpoint, message.body.clone(), connection);
        let body = tokio::time::timeout(timeout, sent).await.map_err(|_| {
            CallError::NoAnswer(format!("no response within {} ms", timeout.as_millis()))
        })??;
        read(message, body)
    }

    /// Records and logs that a conductor did not respond.
    fn note(&self, message: &Message<'_>, peer: &Peer, error: &CallError) {
        self.directory.failed(peer);
        warn!(
            req.id = message.ctx.request_id,
            conductor.host = peer.hostname,
            "{} at {}: {error}",
            message.method,
            peer.endpoint
        );
    }
}

/// The result in the response to a call.
#[expect(clippy::needless_pass_by_value, reason = "it is of no use afterwards")]
fn read<T: DeserializeOwned>(message: &Message<'_>, body: Bytes) -> Result<T, CallError> {
    let garbage = |what: &str| CallError::NoAnswer(format!("malformed response: {what}"));
    let answer: Answer<'_> =
        serde_json::from_slice(&body).map_err(|error| garbage(&error.to_string()))?;
    if !answer.is_to(&message.ctx.request_id) {
        return Err(garbage("wrong id"));
    }
    match (answer.error, answer.result) {
        (Some(error), _) => Err(CallError::Fault(error.into_fault())),
        (None, Some(result)) => {
            serde_json::from_str(result.get()).map_err(|error| garbage(&error.to_string()))
        }
        (None, None) => Err(garbage("neither a result nor an error")),
    }
}
