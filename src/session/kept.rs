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
        event::{Freshness, ResultBody, SharedResult},
        request::Context,
        shelf::Shelf,
    },
    routing::name::Spelling,
};

/// Who asks for which list, of which connections.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    shelf: Shelf,
    /// `None` where that makes no difference.
    link: Option<LinkKey>,
    spelling: Spelling,
    /// Of what the session shows: see [`super::actor`].
    edition: u64,
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
    result: SharedResult,
    made: Instant,
    used: Instant,
}

impl Asker {
    pub(super) fn new(
        shelf: Shelf,
        (link, context): (LinkKey, &Context),
        (spelling, edition): (Spelling, u64),
        backends: &[Backend],
    ) -> Self {
        Self {
            shelf,
            link: Some(link),
            spelling,
            edition,
            client_info: context.client_info.clone(),
            capabilities: context.capabilities.clone(),
            connections: backends.iter().map(Backend::number).collect(),
        }
    }

    /// The same, by whichever link.
    pub(super) fn of_all(self) -> Self {
        Self { link: None, ..self }
    }

    /// Whether one is shown what the other is.
    fn is(&self, other: &Self) -> bool {
        let links = self.link.zip(other.link);
        self.shelf == other.shelf
            && links.is_none_or(|(one, other)| one == other)
            && self.spelling == other.spelling
            && self.edition == other.edition
            && self.connections == other.connections
            && text(self.client_info.as_ref()) == text(other.client_info.as_ref())
            && text(self.capabilities.as_ref()) == text(other.capabilities.as_ref())
    }
}

impl KeptList {
    /// A list just made of these parts.
    pub(super) fn new(asker: Asker, parts: Vec<Fresh>, result: &ResultBody) -> Self {
        let now = Instant::now();
        Self {
            asker,
            parts,
            result: SharedResult::new(result),
            made: now,
            used: now,
        }
    }

    fn is_fresh(&self) -> bool {
        self.parts.iter().all(Fresh::is_fresh)
    }

    /// The list, which stays good for less time than when it was made.
    fn result(&self) -> SharedResult {
        let age_ms = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        let aged = |freshness: Freshness| Freshness {
            ttl_ms: freshness.ttl_ms.saturating_sub(age_ms),
            ..freshness
        };
        self.result.staying(self.result.freshness().map(aged))
    }
}

impl KeptLists {
    /// The list that would be made for whoever asks, if it is there.
    pub(super) fn find(&mut self, asker: &Asker) -> Option<SharedResult> {
        let at = self.0.iter().position(|kept| kept.asker.is(asker))?;
        if !self.0[at].is_fresh() {
            self.0.swap_remove(at);
            return None;
        }
        self.0[at].used = Instant::now();
        Some(self.0[at].result())
    }

    /// Keeps a list, and leaves those that were not used for longest where there is no room.
    pub(super) fn keep(&mut self, mut list: KeptList) {
        self.0.retain(|kept| !kept.asker.is(&list.asker));
        if !list.is_fresh() || list.result.bytes() > LISTS_KEPT_BYTES_MAX {
            return;
        }
        // Most clients are shown the same.
        let mut others = self.0.iter();
        others.any(|kept| list.result.share(&kept.result));
        self.0.push(list);
        self.0.sort_by_key(|kept| std::cmp::Reverse(kept.used));
        let mut room_bytes = LISTS_KEPT_BYTES_MAX;
        let mut held: Vec<SharedResult> = Vec::new();
        self.0.retain(|kept| {
            let is_held = held.iter().any(|it| it.is_one_with(&kept.result));
            let bytes = if is_held { 0 } else { kept.result.bytes() };
            let rest = room_bytes.checked_sub(bytes);
            room_bytes = rest.unwrap_or(0);
            let has_room = rest.is_some() && held.len() < LISTS_KEPT_MAX;
            if has_room {
                held.push(kept.result.clone());
            }
            has_room
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;
    use uuid::Uuid;

    use super::*;
    use crate::limits::LIST_KEPT_MAX;

    fn asker(client: usize) -> Asker {
        let info = RawValue::from_string(format!(r#"{{"name":"{client}"}}"#)).unwrap();
        let context = Context {
            client_info: Some(info.into()),
            ..Context::default()
        };
        Asker::new(
            Shelf::Tools,
            (LinkKey::Default, &context),
            (Spelling::Dot, 0),
            &[],
        )
    }

    fn list(client: usize, bytes: usize) -> KeptList {
        let result = ResultBody {
            json: vec![b' '; bytes].into(),
            typed: false,
            freshness: Some(Freshness {
                ttl_ms: 90_000,
                public: false,
            }),
        };
        KeptList::new(asker(client), vec![Fresh::lasting()], &result)
    }

    /// What a client asks by a link of its own.
    fn by_own(client: usize) -> Asker {
        Asker {
            link: Some(LinkKey::Own(Uuid::new_v4())),
            ..asker(client)
        }
    }

    fn found(kept: &mut KeptLists) -> Vec<usize> {
        (0..100)
            .filter(|client| kept.find(&asker(*client)).is_some())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_the_lists_that_were_used_last() {
        let mut kept = KeptLists::default();
        for client in 0..LISTS_KEPT_MAX {
            kept.keep(list(client, 1));
            sleep(Duration::from_secs(1)).await;
        }
        assert!(kept.find(&asker(0)).is_some());
        kept.keep(list(70, 1));
        let rest: Vec<usize> = [0]
            .into_iter()
            .chain(2..LISTS_KEPT_MAX)
            .chain([70])
            .collect();
        assert_eq!(found(&mut kept), rest);
        sleep(Duration::from_secs(1)).await;
        kept.keep(list(80, LISTS_KEPT_BYTES_MAX - 1));
        assert_eq!(found(&mut kept), [80]);
        kept.keep(list(80, LISTS_KEPT_BYTES_MAX));
        assert_eq!(
            found(&mut kept),
            [0; 0],
            "nor is the one kept that it replaces"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_are_shown_the_same_take_the_room_of_one() {
        let mut kept = KeptLists::default();
        for client in 0..3 {
            kept.keep(list(client, LISTS_KEPT_BYTES_MAX - 1));
        }
        assert_eq!(found(&mut kept), [0, 1, 2]);
        sleep(Duration::from_secs(1)).await;
        kept.keep(list(3, 1));
        assert_eq!(found(&mut kept), [3], "there is no room for both texts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_one_link_is_shown_by_no_other() {
        let mut kept = KeptLists::default();
        let own = KeptList {
            asker: by_own(1),
            ..list(1, 1)
        };
        let link = own.asker.clone();
        kept.keep(own);
        assert!(kept.find(&link).is_some());
        assert!(kept.find(&by_own(1)).is_none() && kept.find(&asker(1)).is_none());
        let of_all = KeptList {
            asker: by_own(1).of_all(),
            ..list(1, 1)
        };
        kept.keep(of_all);
        assert!(kept.find(&link).is_some() && kept.find(&by_own(1)).is_some());
        assert!(kept.find(&by_own(2)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_or_is_too_old_is_left() {
        let mut kept = KeptLists::default();
        kept.keep(list(1, 1));
        kept.keep(list(2, 1));
        sleep(LIST_UNUSED_MAX / 2).await;
        let left = kept.find(&asker(1)).unwrap().freshness().unwrap();
        assert_eq!(left.ttl_ms, 60_000);
        sleep(LIST_UNUSED_MAX / 2).await;
        kept.sweep();
        assert_eq!(found(&mut kept), [1]);
        sleep(LIST_KEPT_MAX).await;
        assert_eq!(found(&mut kept), [0; 0]);
    }
}
