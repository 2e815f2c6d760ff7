//! Lists all of a backend's tools, page by page.

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    limits::{EVENTS_IN_FLIGHT, LIST_PAGES_MAX, LIST_TOOLS_MAX},
    mcp::{
        error::{METHOD_NOT_FOUND, code_of},
        event::{Event, Outcome},
        failure::Failure,
        method::TOOLS_LIST,
        object::to_raw,
        request::{Context, Request},
        tool::{Tool, ToolPage},
    },
};

use super::{Backend, link::LinkKey, message::Call};

/// All pages of one backend's list.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The tools, in the backend's order.
    pub(crate) tools: Vec<Tool>,
    /// How long all of it stays fresh: the least of its pages, in milliseconds.
    pub(crate) ttl_ms: u64,
    /// Whether every page may be shown to anyone.
    pub(crate) public: bool,
}

/// Lists a backend's tools over one link.
///
/// A list without an end is cut at [`LIST_PAGES_MAX`] pages or [`LIST_TOOLS_MAX`] tools, and where
/// a cursor leads back to itself.
///
/// # Errors
///
/// The failure of the first page that did not come.
pub(crate) async fn list_tools(
    backend: &Backend,
    link: LinkKey,
    context: &Context,
) -> Result<Listing, Failure> {
    // Whoever gives up waiting drops this future, and with it the call on its way.
    let cancel = CancellationToken::new();
    let _cancel_when_dropped = cancel.clone().drop_guard();
    let mut listing = Listing::default();
    let mut cursor: Option<String> = None;
    for number in 0..LIST_PAGES_MAX {
        let page = page(backend, link, context, cursor.as_deref(), &cancel).await?;
        let first = number == 0;
        listing.ttl_ms = if first {
            page.ttl_ms
        } else {
            listing.ttl_ms.min(page.ttl_ms)
        };
        listing.public = page.public && (first || listing.public);
        listing.tools.extend(page.tools);
        match page.next_cursor {
            None => return Ok(listing),
            Some(next) if cursor.as_ref() == Some(&next) => break,
            Some(next) => cursor = Some(next),
        }
        if listing.tools.len() >= LIST_TOOLS_MAX {
            break;
        }
    }
    listing.tools.truncate(LIST_TOOLS_MAX);
    tracing::warn!(
        backend.name = %backend.name(),
        tools = listing.tools.len(),
        "cut the tool list of {}: it pages without an end",
        backend.name()
    );
    Ok(listing)
}

async fn page(
    backend: &Backend,
    link: LinkKey,
    context: &Context,
    cursor: Option<&str>,
    cancel: &CancellationToken,
) -> Result<ToolPage, Failure> {
    let (events, mut received) = mpsc::channel(EVENTS_IN_FLIGHT);
    backend.send(Call {
        link,
        request: Request {
            method: TOOLS_LIST.into(),
            name: None,
            params: cursor.map(|cursor| to_raw(&json!({ "cursor": cursor }))),
            context: context.clone(),
            param_headers: Vec::new(),
        },
        events,
        cancel: cancel.clone(),
        renewed: false,
        mirrored: false,
        _held: None,
    });
    let mut json = Vec::new();
    while let Some(event) = received.recv().await {
        match event {
            Event::Notified(_) => {}
            // The backend's connection bounds the sum of the parts.
            Event::Part(part) => json.extend_from_slice(&part.json),
            Event::Finished(finished) => return read_page(backend, json, finished.outcome),
        }
    }
    Err(Failure::Lost)
}

fn read_page(backend: &Backend, mut json: Vec<u8>, outcome: Outcome) -> Result<ToolPage, Failure> {
    let garbled = |reason: &str| Failure::Garbled {
        backend: backend.name().clone(),
        reason: reason.to_owned(),
    };
    match outcome {
        Outcome::Completed(last) => {
            json.extend_from_slice(&last.json);
            let mut page =
                ToolPage::read(&json).map_err(|_| garbled("a tool list that is not one"))?;
            if last.typed {
                leave_out_unusable(backend, &mut page.tools);
            }
            Ok(page)
        }
        // A server without tools need not know the method.
        Outcome::Rejected(error) if code_of(&error) == Some(METHOD_NOT_FOUND) => {
            Ok(ToolPage::default())
        }
        Outcome::Rejected(_) => Err(garbled("an error instead of its tools")),
        Outcome::Failed(failure) => Err(failure),
        Outcome::Cancelled => Err(Failure::Lost),
    }
}

/// A backend that reads arguments from headers cannot be called where its schema is wrong about
/// them. Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension".
fn leave_out_unusable(backend: &Backend, tools: &mut Vec<Tool>) {
    tools.retain(|tool| match &tool.mirrors {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(
                backend.name = %backend.name(),
                tool.name = %tool.name,
                %error,
                "left out a tool of {}: {error}",
                backend.name()
            );
            false
        }
    });
}
