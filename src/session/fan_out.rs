//! One request to every backend of a session at once, and one answer made of theirs.
//!
//! Each runs in a task of its own: the session's actor only starts them.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    backend::{Backend, LinkKey, Listing, list},
    limits::LIST_DEADLINE,
    mcp::{
        event::{Freshness, Outcome, ResultBody},
        failure::Failure,
        object::to_raw,
        request::Context,
        shelf::Shelf,
    },
    routing::{
        merge::{self, Merged},
        name::Spelling,
    },
};

use super::message::Welcome;

/// Lists the tools of every backend, merged. A backend that fails or is late is left out: its
/// return is announced.
pub(super) async fn tools(
    backends: &[Backend],
    link: LinkKey,
    context: &Context,
    spelling: Spelling,
) -> Outcome {
    let listings = join_all(backends.iter().map(|backend| async move {
        let listing = timeout(LIST_DEADLINE, list(backend, Shelf::Tools, link, context)).await;
        match listing {
            Ok(Ok(listing)) => {
                backend.learned(&listing);
                Some(listing)
            }
            Ok(Err(error)) => {
                tracing::warn!(backend.name = %backend.name(), %error, "the tools of {} are missing from the list", backend.name());
                None
            }
            Err(_) => {
                tracing::warn!(backend.name = %backend.name(), "the tools of {} are missing from the list: it is late", backend.name());
                None
            }
        }
    }))
    .await;
    let complete = listings.iter().all(Option::is_some);
    let freshness = Freshness {
        // What lacks a backend must not be kept.
        ttl_ms: if complete { least_ttl(&listings) } else { 0 },
        public: false,
    };
    let lists = backends
        .iter()
        .zip(&listings)
        .filter_map(|(backend, listing)| Some((backend.name(), &listing.as_ref()?.items[..])));
    let Merged { array, doubled } = merge::tools(lists, spelling);
    if let Some(first) = doubled.first() {
        tracing::warn!(
            tools = doubled.len(),
            "left tools out of the list whose names are there already, {first:?} the first of them"
        );
    }
    Outcome::Completed(ResultBody {
        json: format!(r#"{{"tools":{array}}}"#).into(),
        typed: false,
        freshness: Some(freshness),
    })
}

fn least_ttl(listings: &[Option<Listing>]) -> u64 {
    listings
        .iter()
        .flatten()
        .map(|listing| listing.ttl_ms)
        .min()
        .unwrap_or(0)
}

/// Has every backend ready and gathers what they say of themselves. Waits for none longer than
/// `deadline`: a late one is named as such, and shows up by itself.
pub(super) async fn welcome(
    backends: &[Backend],
    link: LinkKey,
    context: &Context,
    deadline: Duration,
) -> Welcome {
    let met = join_all(backends.iter().map(|backend| async move {
        let met = timeout(deadline, backend.connect(link, context.clone())).await;
        match met {
            Ok(Ok(discovery)) => Ok(discovery.instructions),
            Ok(Err(Failure::Unavailable { reason, .. })) => Err(reason),
            Ok(Err(failure)) => Err(failure.to_string()),
            Err(_) => Err("it is slow to answer".to_owned()),
        }
    }))
    .await;
    let parts = backends.iter().zip(&met).map(|(backend, met)| {
        let part = match met {
            Ok(instructions) => Ok(instructions.as_deref()),
            Err(reason) => Err(reason.as_str()),
        };
        (backend.name(), part)
    });
    Welcome {
        instructions: merge::instructions(parts),
        capabilities: to_raw(&json!({ "tools": { "listChanged": true } })),
    }
}

/// Finds the tool whose own name a client was shown shortened; the shown one if there is none.
pub(super) async fn own_name(
    backend: &Backend,
    link: LinkKey,
    context: &Context,
    shown: String,
) -> String {
    let Ok(Ok(listing)) = timeout(LIST_DEADLINE, list(backend, Shelf::Tools, link, context)).await
    else {
        return shown;
    };
    // A tool that is really called so comes first; `shown` itself is short enough to spell plainly.
    let names = || listing.items.iter().map(|tool| &tool.key);
    if names().any(|own| *own == shown) {
        return shown;
    }
    let spell = |own: &str| Spelling::Underscores.public_name(backend.name(), own);
    let public = spell(&shown);
    names()
        .find(|own| spell(own) == public)
        .cloned()
        .unwrap_or(shown)
}
