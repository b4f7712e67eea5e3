//! A conductor somewhere else: whichever answers.
//!
//! What changes nothing is asked of the next conductor as soon as one does not answer. What
//! changes something is sent once. Before it is sent, the conductor is asked whether it is there,
//! so that one which hangs or has just died costs the operator a moment and not the request.

use std::time::Duration;

use bytes::Bytes;
use ironpxe_core::error::Result;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::warn;

use super::client::{CallError, Client, Connection};
use super::envelope::{Answer, Outgoing};
use super::methods::{PING, Repeat};
use super::select::{Directory, Peer, Target, no_conductor};
use super::{Context, Credentials, DriverInfo};
use crate::db::Db;
use crate::tls::TlsError;

/// How long to wait before all conductors are asked once more.
const PAUSE: Duration = Duration::from_millis(200);

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to a conductor, and for the sign of life of one before it is given work
    /// (`[json_rpc]boot_try_timeout`).
    pub ping: Duration,
    /// For any conductor that is there (`[json_rpc]boot_timeout`).
    pub find: Duration,
    /// For one conductor's answer to a question that changes nothing (`[json_rpc]read_try_timeout`).
    pub read_try: Duration,
    /// For the answer to any other call (`[json_rpc]call_timeout`).
    pub call: Duration,
}

/// A call, and how it is to be made.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) body: Bytes,
    pub(super) target: Target,
    pub(super) repeat: Repeat,
}

/// The conductors of the database, as one.
#[derive(Debug)]
pub struct Remote {
    db: Db,
    directory: Directory,
    client: Client,
    timeouts: Timeouts,
}

/// A call, ready to be sent.
struct Message<'a> {
    ctx: &'a Context,
    method: &'static str,
    body: Bytes,
}

impl Remote {
    /// Asks the conductors that register in `db`, over TLS if there is a configuration for it.
    pub fn new(
        db: Db,
        timeouts: Timeouts,
        credentials: Option<&Credentials>,
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

    /// Makes a call, and reads its result.
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

    /// Asks each conductor once.
    async fn first_answer<T: DeserializeOwned>(
        &self,
        message: &Message<'_>,
        target: &Target,
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
        Err(no_conductor("No conductor answers"))
    }

    /// Sends it to the first conductor that is there, once.
    async fn once<T: DeserializeOwned>(&self, message: &Message<'_>, target: &Target) -> Result<T> {
        let end = Instant::now() + self.timeouts.find;
        loop {
            for peer in self.directory.candidates(target).await? {
                if !self.is_there(message.ctx, &peer).await {
                    continue;
                }
                // A connection that was kept may have been given up by the other side meanwhile,
                // and then nobody could tell whether the call was read.
                let sent = self.ask(message, &peer, self.timeouts.call, Connection::New);
                match sent.await {
                    Ok(value) => return Ok(value),
                    Err(CallError::Fault(fault)) => return Err(fault),
                    Err(error @ CallError::NotAccepted(_)) => self.note(message, &peer, &error),
                    Err(error @ CallError::NoAnswer(_)) => {
                        self.note(message, &peer, &error);
                        return Err(no_conductor(&format!(
                            "The conductor {} took the request and gave no answer, so that it may \
                             have been done: look before you repeat it",
                            peer.hostname
                        )));
                    }
                }
            }
            if end.saturating_duration_since(Instant::now()) <= PAUSE {
                return Err(no_conductor("No conductor answers"));
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
            CallError::NoAnswer(format!("no answer within {} ms", timeout.as_millis()))
        })??;
        read(message, body)
    }

    /// Remembers and tells that a conductor did not answer.
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

/// The result in the answer to a message.
#[expect(clippy::needless_pass_by_value, reason = "it is of no use afterwards")]
fn read<T: DeserializeOwned>(message: &Message<'_>, body: Bytes) -> Result<T, CallError> {
    let garbage = |what: &str| CallError::NoAnswer(format!("malformed response: {what}"));
    let answer: Answer<'_> =
        serde_json::from_slice(&body).map_err(|error| garbage(&error.to_string()))?;
    if !answer.is_to(&message.ctx.request_id) {
        return Err(garbage("it is to another request"));
    }
    match (answer.error, answer.result) {
        (Some(error), _) => Err(CallError::Fault(error.into_fault())),
        (None, Some(result)) => {
            serde_json::from_str(result.get()).map_err(|error| garbage(&error.to_string()))
        }
        (None, None) => Err(garbage("neither a result nor an error")),
    }
}
