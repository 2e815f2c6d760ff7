//! The links of clients without an MCP session that can do something: one for each set of
//! capabilities, as few and as short-lived as can be.

use std::time::Duration;

use crate::{
    backend::{error::BackendError, link::LinkKey, message::BackendMessage, pending::Slot},
    limits::{CAPABLE_LINK_IDLE_MAX, CAPABLE_LINKS_MAX},
};

use super::Connection;

impl Connection {
    /// Sees that one more link may be opened: for one of these, the one unused longest ends.
    pub(super) fn make_room(&mut self, key: LinkKey) -> Result<(), BackendError> {
        let is_capable = |key: &LinkKey| matches!(key, LinkKey::Capable(_));
        if !is_capable(&key)
            || self.links.keys().filter(|key| is_capable(key)).count() < CAPABLE_LINKS_MAX
        {
            return Ok(());
        }
        let idle = self.idle().min_by_key(|(_, idle)| std::cmp::Reverse(*idle));
        let Some((unused, _)) = idle else {
            return Err(BackendError::TooManyLinks {
                limit: CAPABLE_LINKS_MAX,
            });
        };
        self.forget(unused);
        Ok(())
    }

    /// Ends those that were idle for so long.
    pub(in crate::backend) fn tidy(&mut self, idle_max: Duration) {
        self.tidying = false;
        let unused: Vec<_> = self
            .idle()
            .filter(|(_, idle)| *idle >= idle_max)
            .map(|(key, _)| key)
            .collect();
        for key in unused {
            self.forget(key);
        }
        self.tidy_later();
    }

    /// Comes back to that as long as there are any.
    pub(super) fn tidy_later(&mut self) {
        let any = self
            .links
            .keys()
            .any(|key| matches!(key, LinkKey::Capable(_)));
        if any && !self.tidying {
            self.tidying = true;
            // The timer ends with the actor: its message then finds no mailbox.
            let _timer = self
                .myself
                .send_after(CAPABLE_LINK_IDLE_MAX, || BackendMessage::Tidy {
                    idle_max: CAPABLE_LINK_IDLE_MAX,
                });
        }
    }

    /// Those that no call uses and nobody listens on, and how long no call has.
    fn idle(&self) -> impl Iterator<Item = (LinkKey, Duration)> {
        self.links
            .iter()
            .filter(|(key, _)| !self.carried.get(key).is_some_and(|it| it.is_wanted()))
            .filter_map(|(key, slot)| match (key, slot) {
                (LinkKey::Capable(_), Slot::Open(link)) => Some((*key, link.idle()?)),
                _ => None,
            })
    }
}
