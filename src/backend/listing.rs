//! Lists all of a backend's tools, page by page.

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    limits::{EVENTS_IN_FLIGHT, LIST_BYTES_MAX, LIST_PAGES_MAX, LIST_TOOLS_MAX},
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
}

/// Lists a backend's tools over one link.
///
/// A list without an end is cut at [`LIST_PAGES_MAX`] pages, [`LIST_TOOLS_MAX`] tools or before the
/// page that exceeds [`LIST_BYTES_MAX`], and where a cursor leads back to itself.
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
    let mut pages = Pages {
        backend,
        link,
        context,
        cancel: &cancel,
        room_bytes: LIST_BYTES_MAX,
    };
    let mut listing = Listing::default();
    let mut skipped = 0;
    let mut cursor: Option<String> = None;
    let mut ended = false;
    for number in 0..LIST_PAGES_MAX {
        let Some(page) = pages.ask(cursor.as_deref()).await? else {
            break;
        };
        let first = number == 0;
        listing.ttl_ms = if first {
            page.ttl_ms
        } else {
            listing.ttl_ms.min(page.ttl_ms)
        };
        listing.tools.extend(page.tools);
        skipped += page.skipped;
        ended = page.next_cursor.is_none();
        if ended || cursor == page.next_cursor || listing.tools.len() >= LIST_TOOLS_MAX {
            break;
        }
        cursor = page.next_cursor;
    }
    let cut = !ended || listing.tools.len() > LIST_TOOLS_MAX;
    listing.tools.truncate(LIST_TOOLS_MAX);
    warn_of_oddities(backend, &listing.tools, cut, skipped);
    Ok(listing)
}

/// Tells the operator what of a list nobody sees.
fn warn_of_oddities(backend: &Backend, tools: &[Tool], cut: bool, skipped: usize) {
    let name = backend.name();
    if cut {
        tracing::warn!(
            backend.name = %name,
            tools = tools.len(),
            "cut the tool list of {name}: it pages without an end, or is too long"
        );
    }
    if skipped > 0 {
        tracing::warn!(
            backend.name = %name,
            skipped,
            "left out {skipped} tools of {name}: they are no objects with a name"
        );
    }
}

/// The pages of one list, as far as there is room for them.
struct Pages<'a> {
    backend: &'a Backend,
    link: LinkKey,
    context: &'a Context,
    cancel: &'a CancellationToken,
    room_bytes: usize,
}

impl Pages<'_> {
    /// Asks for a page; `None` when it exceeds the room.
    async fn ask(&mut self, cursor: Option<&str>) -> Result<Option<ToolPage>, Failure> {
        let mut received = self.send(cursor);
        let mut json = Vec::new();
        while let Some(event) = received.recv().await {
            let (part, outcome) = match event {
                Event::Notified(_) => continue,
                Event::Part(part) => (part.json, None),
                Event::Finished(finished) => match finished.outcome {
                    Outcome::Completed(last) => (last.json, Some(Ok(last.typed))),
                    other => (Bytes::new(), Some(Err(other))),
                },
            };
            if part.len() > self.room_bytes {
                return Ok(None);
            }
            self.room_bytes -= part.len();
            json.extend_from_slice(&part);
            match outcome {
                None => {}
                Some(Ok(typed)) => return read_page(self.backend, &json, typed).map(Some),
                Some(Err(outcome)) => return without_page(self.backend, outcome).map(Some),
            }
        }
        Err(Failure::Lost)
    }

    fn send(&self, cursor: Option<&str>) -> mpsc::Receiver<Event> {
        let (events, received) = mpsc::channel(EVENTS_IN_FLIGHT);
        self.backend.send(Call {
            link: self.link,
            request: Request {
                method: TOOLS_LIST.into(),
                name: None,
                params: cursor.map(|cursor| to_raw(&json!({ "cursor": cursor }))),
                context: self.context.clone(),
                param_headers: Vec::new(),
            },
            events,
            cancel: self.cancel.clone(),
            renewed: false,
            mirrored: false,
            turned_down: None,
            _held: None,
        });
        received
    }
}

fn read_page(backend: &Backend, json: &[u8], typed: bool) -> Result<ToolPage, Failure> {
    let mut page =
        ToolPage::read(json).map_err(|_| garbled(backend, "a tool list that is not one"))?;
    if typed {
        leave_out_unusable(backend, &mut page.tools);
    }
    Ok(page)
}

/// What the end of a request means that brought no page.
fn without_page(backend: &Backend, outcome: Outcome) -> Result<ToolPage, Failure> {
    match outcome {
        // A server without tools need not know the method.
        Outcome::Rejected(error) if code_of(&error) == Some(METHOD_NOT_FOUND) => {
            Ok(ToolPage::default())
        }
        Outcome::Rejected(_) => Err(garbled(backend, "an error instead of its tools")),
        Outcome::Failed(failure) => Err(failure),
        Outcome::Completed(_) | Outcome::Cancelled => Err(Failure::Lost),
    }
}

fn garbled(backend: &Backend, reason: &str) -> Failure {
    Failure::Garbled {
        backend: backend.name().clone(),
        reason: reason.to_owned(),
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
