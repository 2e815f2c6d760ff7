//! Merged lists that are still what would be listed anew, ready to be sent.
//!
//! Whose they are is compared to the letter: a backend may list other things for another client.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    backend::{Backend, Fresh, LinkKey},
    limits::{LIST_UNUSED_MAX, LISTS_KEPT_BYTES_MAX, LISTS_KEPT_MAX},
    mcp::{
        event::{Freshness, ResultBody},
        request::Context,
        shelf::Shelf,
    },
    routing::name::Spelling,
};

/// Who asks for which list, of which connections.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    shelf: Shelf,
    link: LinkKey,
    spelling: Spelling,
    client_info: Option<Arc<RawValue>>,
    capabilities: Option<Arc<RawValue>>,
    /// The connections that may have something on the list, by their numbers.
    connections: Vec<u64>,
}

/// The lists that a session keeps.
#[derive(Debug, Default)]
pub(super) struct KeptLists(Vec<KeptList>);

/// A list that is good as long as all of its parts are.
#[derive(Debug)]
pub(super) struct KeptList {
    asker: Asker,
    parts: Vec<Fresh>,
    result: ResultBody,
    made: Instant,
    used: Instant,
}

impl Asker {
    pub(super) fn new(
        shelf: Shelf,
        (link, context): (LinkKey, &Context),
        spelling: Spelling,
        backends: &[Backend],
    ) -> Self {
        Self {
            shelf,
            link,
            spelling,
            client_info: context.client_info.clone(),
            capabilities: context.capabilities.clone(),
            connections: backends.iter().map(Backend::number).collect(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.shelf == other.shelf
            && self.link == other.link
            && self.spelling == other.spelling
            && self.connections == other.connections
            && text(self.client_info.as_ref()) == text(other.client_info.as_ref())
            && text(self.capabilities.as_ref()) == text(other.capabilities.as_ref())
    }
}

impl KeptList {
    /// A list just made of these parts.
    pub(super) fn new(asker: Asker, parts: Vec<Fresh>, result: ResultBody) -> Self {
        let now = Instant::now();
        Self {
            asker,
            parts,
            result,
            made: now,
            used: now,
        }
    }

    fn is_fresh(&self) -> bool {
        self.parts.iter().all(Fresh::is_fresh)
    }

    /// The list, which stays good for less time than when it was made.
    fn result(&self) -> ResultBody {
        let age_ms = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        let aged = |freshness: Freshness| Freshness {
            ttl_ms: freshness.ttl_ms.saturating_sub(age_ms),
            ..freshness
        };
        ResultBody {
            freshness: self.result.freshness.map(aged),
            ..self.result.clone()
        }
    }
}

impl KeptLists {
    /// The list that would be made for whoever asks, if it is there.
    pub(super) fn find(&mut self, asker: &Asker) -> Option<ResultBody> {
        let at = self.0.iter().position(|kept| kept.asker.is(asker))?;
        if !self.0[at].is_fresh() {
            self.0.swap_remove(at);
            return None;
        }
        self.0[at].used = Instant::now();
        Some(self.0[at].result())
    }

    /// Keeps a list, and leaves those that were not used for longest where there is no room.
    pub(super) fn keep(&mut self, list: KeptList) {
        self.0.retain(|kept| !kept.asker.is(&list.asker));
        if !list.is_fresh() || list.result.json.len() > LISTS_KEPT_BYTES_MAX {
            return;
        }
        self.0.push(list);
        self.0.sort_by_key(|kept| std::cmp::Reverse(kept.used));
        let mut room_bytes = LISTS_KEPT_BYTES_MAX;
        let mut places = 0..LISTS_KEPT_MAX;
        self.0.retain(|kept| {
            let rest = room_bytes.checked_sub(kept.result.json.len());
            room_bytes = rest.unwrap_or(0);
            rest.is_some() && places.next().is_some()
        });
    }

    /// Leaves what is no longer good, and what nobody asks for.
    pub(super) fn sweep(&mut self) {
        self.0
            .retain(|kept| kept.is_fresh() && kept.used.elapsed() < LIST_UNUSED_MAX);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }
}

fn text(json: Option<&Arc<RawValue>>) -> Option<&str> {
    json.map(|it| it.get())
}
