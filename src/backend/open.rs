//! Opens a conversation: finds out the backend's era where it is not known, then shakes hands.

use std::time::Duration;

use http::HeaderMap;
use tokio_retry::RetryIf;

use crate::{
    limits::within,
    mcp::{
        discovery::Discovery,
        request::Context,
        version::{Era, Revision},
    },
    registry::Protocol,
};

use super::{
    adapter::Dialect,
    endpoint::Endpoint,
    error::BackendError,
    legacy,
    modern::{self, Probe},
    retry::Policy,
};

/// Opens a conversation with a backend. A handshake may run twice, so it is tried again as any
/// request that only reads is.
///
/// `known` is what the connection last found; a finding that no longer holds is found out anew.
/// Without `retries` there is one try only.
///
/// # Errors
///
/// The reason why there is none.
pub(super) async fn open(
    endpoint: &Endpoint,
    known: Option<Revision>,
    context: &Context,
    retries: bool,
) -> Result<(Dialect, Discovery), BackendError> {
    let policy = Policy::new(endpoint, true);
    RetryIf::start(
        policy.pauses(),
        || async {
            let outcome = attempt(endpoint, known, context).await;
            policy.tried(&outcome);
            outcome
        },
        // Whoever waits has waited long enough for a backend that is silent.
        |error: &BackendError| {
            retries && !matches!(error, BackendError::Silent { .. }) && policy.allows(error)
        },
    )
    .await
}

/// Opens one for nobody, to see whether there is anything to open: once, and whatever comes of it decides about no call.
///
/// # Errors
///
/// The reason why there is none.
pub(super) async fn look(endpoint: &Endpoint) -> Result<(Dialect, Discovery), BackendError> {
    agree(endpoint, None, &Context::default()).await
}

/// Ends the backend's MCP session; `headers` are those of [`Dialect::farewell`]. What it says to that ends the matter.
pub(super) async fn say_goodbye(endpoint: &Endpoint, headers: HeaderMap) {
    let farewell = endpoint.wire.delete(headers);
    if let Ok(Err(error)) = within(endpoint.timeouts.handshake, farewell).await {
        tracing::debug!(backend.name = %endpoint.name, %error, "could not end an MCP session");
    }
}

/// Tries once, if the provider is not gone for everybody; tells the others what that showed.
async fn attempt(
    endpoint: &Endpoint,
    known: Option<Revision>,
    context: &Context,
) -> Result<(Dialect, Discovery), BackendError> {
    let leave = endpoint.provider.ask()?;
    let outcome = agree(endpoint, known, context).await;
    endpoint.met(leave, &outcome);
    outcome
}

async fn agree(
    endpoint: &Endpoint,
    known: Option<Revision>,
    context: &Context,
) -> Result<(Dialect, Discovery), BackendError> {
    let pinned = match endpoint.protocol {
        Protocol::Pinned(revision) => Some(revision),
        Protocol::Auto => None,
    };
    if let Some(revision) = pinned {
        return speak(endpoint, revision, context).await;
    }
    if let Some(revision) = known {
        match speak(endpoint, revision, context).await {
            Err(BackendError::Incompatible { .. } | BackendError::Status { .. }) => {
                tracing::info!(backend.name = %endpoint.name, "what is known of the backend no longer holds; asking it again");
            }
            settled => return settled,
        }
    }
    match within_handshake(endpoint, modern::probe(&endpoint.wire, context)).await {
        Ok(Probe::Modern(modern, discovery)) => Ok((Dialect::Modern(modern), discovery)),
        // A server of the legacy era may well leave a method it does not know unanswered.
        Err(BackendError::Silent { .. }) => {
            match initialize(endpoint, Revision::LATEST_LEGACY, context).await {
                // A modern one does not know that; it, or the gateway, may only have stood still for a while.
                Err(refused @ BackendError::Incompatible { .. }) => {
                    again(endpoint, context, refused).await
                }
                outcome => outcome,
            }
        }
        Ok(Probe::Legacy) => initialize(endpoint, Revision::LATEST_LEGACY, context).await,
        Err(error) => Err(error),
    }
}

/// Asks a server again that left the first question unanswered, and `refused` to shake hands.
async fn again(
    endpoint: &Endpoint,
    context: &Context,
    refused: BackendError,
) -> Result<(Dialect, Discovery), BackendError> {
    match within_handshake(endpoint, modern::probe(&endpoint.wire, context)).await {
        Ok(Probe::Modern(modern, discovery)) => Ok((Dialect::Modern(modern), discovery)),
        Ok(Probe::Legacy) | Err(BackendError::Silent { .. }) => Err(refused),
        Err(error) => Err(error),
    }
}

/// Opens it in the era of one revision.
async fn speak(
    endpoint: &Endpoint,
    revision: Revision,
    context: &Context,
) -> Result<(Dialect, Discovery), BackendError> {
    match revision.era() {
        Era::Legacy => initialize(endpoint, revision, context).await,
        Era::Modern => {
            match within_handshake(endpoint, modern::probe(&endpoint.wire, context)).await? {
                Probe::Modern(modern, discovery) => Ok((Dialect::Modern(modern), discovery)),
                Probe::Legacy => Err(BackendError::Incompatible {
                    reason: format!("it does not speak {revision}"),
                }),
            }
        }
    }
}

async fn initialize(
    endpoint: &Endpoint,
    offer: Revision,
    context: &Context,
) -> Result<(Dialect, Discovery), BackendError> {
    let handshake = legacy::initialize(&endpoint.wire, context, offer);
    let (legacy, discovery) = within_handshake(endpoint, handshake).await?;
    Ok((Dialect::Legacy(legacy), discovery))
}

async fn within_handshake<T>(
    endpoint: &Endpoint,
    work: impl Future<Output = Result<T, BackendError>>,
) -> Result<T, BackendError> {
    let after: Duration = endpoint.timeouts.handshake;
    within(after, work)
        .await
        .unwrap_or(Err(BackendError::Silent { after }))
}
