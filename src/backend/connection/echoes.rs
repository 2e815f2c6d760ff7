//! Which announcement of a change only repeats another one.
//!
//! A backend that keeps conversations apart announces one change in each of them.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::{backend::link::LinkKey, limits::ECHOES_WITHIN, mcp::kind::ListKind};

/// The last change of each kind of list.
#[derive(Debug, Default)]
pub(in crate::backend) struct Echoes {
    changes: HashMap<ListKind, Change>,
}

#[derive(Debug)]
struct Change {
    last_at: Instant,
    /// How many changes were told.
    told: u32,
    /// How many each link announced.
    announced: HashMap<LinkKey, u32>,
}

impl Echoes {
    /// Takes an announcement; tells whether it is of a change that was not announced yet: no link
    /// announces one twice, and none is late by more than [`ECHOES_WITHIN`].
    pub(super) fn is_news(&mut self, kind: ListKind, link: LinkKey, now: Instant) -> bool {
        let nothing = || Change {
            last_at: now,
            told: 0,
            announced: HashMap::new(),
        };
        let change = self.changes.entry(kind).or_insert_with(nothing);
        if now.duration_since(change.last_at) > ECHOES_WITHIN {
            *change = nothing();
        }
        let announced = change.announced.entry(link).or_default();
        *announced = announced.saturating_add(1);
        if *announced <= change.told {
            return false;
        }
        change.told = *announced;
        change.last_at = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_change_announced_over_each_link_is_news_once() {
        let mut echoes = Echoes::default();
        let now = Instant::now();
        let own = LinkKey::Own(Uuid::new_v4());
        let mut is_news = |link| echoes.is_news(ListKind::Tools, link, now);
        assert!(is_news(own));
        assert!(!is_news(LinkKey::Default));
        assert!(is_news(LinkKey::Default), "another change");
        let late = LinkKey::Own(Uuid::new_v4());
        for link in [late, own, late] {
            assert!(!is_news(link), "both changes are known");
        }
        assert!(echoes.is_news(ListKind::Prompts, own, now));
    }

    #[test]
    fn what_comes_late_is_another_change() {
        let mut echoes = Echoes::default();
        let now = Instant::now();
        let own = LinkKey::Own(Uuid::new_v4());
        assert!(echoes.is_news(ListKind::Tools, own, now));
        let late = now + ECHOES_WITHIN + Duration::from_millis(1);
        assert!(echoes.is_news(ListKind::Tools, LinkKey::Default, late));
    }
}
