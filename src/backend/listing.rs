//! Lists all that a backend has of one kind, page by page.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    channel::{Receiver, channel},
    limits::{EVENTS_IN_FLIGHT, LIST_BYTES_MAX, LIST_ITEMS_MAX, LIST_PAGES_MAX},
    mcp::{
        error::{METHOD_NOT_FOUND, code_of},
        event::{Event, Outcome},
        failure::Failure,
        mirror,
        object::to_raw,
        request::{Context, Request},
        shelf::{Item, Page, Shelf},
    },
};

use super::{Backend, Fresh, link::LinkKey, message::Call};

/// All pages of one backend's list.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The definitions, in the backend's order.
    pub(crate) items: Vec<Item>,
    /// How long all of it stays fresh: the least of its pages, in milliseconds; `None` if one does not say.
    pub(crate) ttl_ms: Option<u64>,
    /// Whether every page is the same for everyone, as its backend says.
    pub(crate) public: bool,
    /// For how long it may be kept; `None` for not at all.
    pub(crate) fresh: Option<Fresh>,
    /// Whether it came by the one conversation that the backend has with everybody.
    pub(crate) by_all: bool,
}

/// Lists what a backend has on one shelf, over one link.
///
/// A list without an end is cut at [`LIST_PAGES_MAX`] pages, [`LIST_ITEMS_MAX`] items or before the
/// page that exceeds [`LIST_BYTES_MAX`], and where a cursor leads back to itself.
///
/// # Errors
///
/// The failure of the first page that did not come.
pub(crate) async fn list(
    backend: &Backend,
    shelf: Shelf,
    link: LinkKey,
    context: &Context,
) -> Result<Listing, Failure> {
    let asked = shelf.kind().map(|kind| backend.asked(kind));
    // Whoever gives up waiting drops this future, and with it the call on its way.
    let cancel = CancellationToken::new();
    let _cancel_when_dropped = cancel.clone().drop_guard();
    let cancel = Arc::new(cancel);
    let mut pages = Pages {
        backend,
        shelf,
        link,
        context,
        cancel: &cancel,
        room_bytes: LIST_BYTES_MAX,
        by_all: true,
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
        listing.public = page.public && (first || listing.public);
        listing.ttl_ms = if first {
            page.ttl_ms
        } else {
            listing
                .ttl_ms
                .zip(page.ttl_ms)
                .map(|(least, it)| least.min(it))
        };
        listing.items.extend(page.items);
        skipped += page.skipped;
        ended = page.next_cursor.is_none();
        if ended || cursor == page.next_cursor || listing.items.len() >= LIST_ITEMS_MAX {
            break;
        }
        cursor = page.next_cursor;
    }
    let cut = !ended || listing.items.len() > LIST_ITEMS_MAX;
    listing.items.truncate(LIST_ITEMS_MAX);
    listing.by_all = pages.by_all;
    pages.warn_of_oddities(listing.items.len(), cut, skipped);
    listing.fresh = match (asked, listing.ttl_ms) {
        (Some(asked), Some(ttl_ms)) => asked.stays(ttl_ms),
        (Some(asked), None) => {
            let hears = backend.hears(link, asked.kind()).await;
            hears.map(|hears| asked.announced(hears))
        }
        (None, _) => None,
    };
    Ok(listing)
}

/// The pages of one list, as far as there is room for them.
struct Pages<'a> {
    backend: &'a Backend,
    shelf: Shelf,
    link: LinkKey,
    context: &'a Context,
    cancel: &'a Arc<CancellationToken>,
    room_bytes: usize,
    by_all: bool,
}

impl Pages<'_> {
    /// Asks for a page; `None` when it exceeds the room.
    async fn ask(&mut self, cursor: Option<&str>) -> Result<Option<Page>, Failure> {
        let mut received = self.send(cursor);
        let mut json = Vec::new();
        while let Some(event) = received.recv().await {
            let (part, outcome) = match event {
                Event::Notified(_) | Event::Asked(_) | Event::Withdrawn(_) => continue,
                Event::Part(part) => (part.json, None),
                Event::Finished(finished) => match finished.outcome {
                    Outcome::Completed(last) => {
                        // Who says what kind a result is has no state that would tell clients apart.
                        self.by_all &= last.typed;
                        (last.json, Some(Ok(last.typed)))
                    }
                    other => {
                        self.by_all &= matches!(&other, Outcome::Rejected(it) if it.typed);
                        (Bytes::new(), Some(Err(other)))
                    }
                },
            };
            if part.len() > self.room_bytes {
                return Ok(None);
            }
            self.room_bytes -= part.len();
            json.extend_from_slice(&part);
            match outcome {
                None => {}
                Some(Ok(typed)) => return self.read(&json, typed).map(Some),
                Some(Err(outcome)) => return self.without_page(outcome).map(Some),
            }
        }
        Err(Failure::Lost)
    }

    fn send(&self, cursor: Option<&str>) -> Receiver<Event> {
        let (events, received) = channel(EVENTS_IN_FLIGHT);
        let request = Request::new(
            self.shelf.method(),
            cursor.map(|cursor| to_raw(&json!({ "cursor": cursor }))),
            self.context.clone(),
        );
        self.backend
            .send(Call::new(self.link, request, events, self.cancel.clone()));
        received
    }

    fn read(&self, json: &[u8], typed: bool) -> Result<Page, Failure> {
        let mut page = Page::read(self.shelf, json)
            .map_err(|_| self.garbled("a list of its own that is not one"))?;
        if typed && self.shelf == Shelf::Tools {
            leave_out_unusable(self.backend, &mut page.items);
        }
        Ok(page)
    }

    /// What the end of a request means that brought no page.
    fn without_page(&self, outcome: Outcome) -> Result<Page, Failure> {
        match outcome {
            // A server that has none of these need not know the method.
            Outcome::Rejected(rejection) if code_of(&rejection.error) == Some(METHOD_NOT_FOUND) => {
                Ok(Page::default())
            }
            Outcome::Rejected(_) => Err(self.garbled("an error instead of a list")),
            Outcome::Failed(failure) => Err(failure),
            Outcome::Completed(_) | Outcome::Kept(_) | Outcome::Cancelled => Err(Failure::Lost),
        }
    }

    fn garbled(&self, reason: &str) -> Failure {
        Failure::Garbled {
            backend: self.backend.name().clone(),
            reason: reason.to_owned(),
        }
    }

    /// Tells the operator what of a list nobody sees.
    fn warn_of_oddities(&self, items: usize, cut: bool, skipped: usize) {
        let (name, what) = (self.backend.name(), self.shelf.member());
        if cut {
            tracing::warn!(
                backend.name = %name,
                items,
                "cut the list of {what} of {name}: it pages without an end, or is too long"
            );
        }
        if skipped > 0 {
            let key = self.shelf.key();
            tracing::warn!(
                backend.name = %name,
                skipped,
                "left out {skipped} {what} of {name}: they are no objects with a {key}"
            );
        }
    }
}

/// A backend that reads arguments from headers cannot be called where its schema is wrong about
/// them. Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension".
fn leave_out_unusable(backend: &Backend, tools: &mut Vec<Item>) {
    tools.retain(|tool| match mirror::read(&tool.definition) {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(
                backend.name = %backend.name(),
                tool.name = %tool.key,
                %error,
                "left out a tool of {}: {error}",
                backend.name()
            );
            false
        }
    });
}
