//! Tells of changed lists at a pace. A backend says the same once in each conversation, and may say it
//! at any speed; whoever hears of a change lists anew.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::{
    backend::message::{BackendMessage, Report},
    limits::ANNOUNCED_LIST_PAUSE,
    mcp::kind::ListKind,
};

use super::Connection;

/// When a change of each kind of lists was told last.
#[derive(Debug, Default)]
pub(in crate::backend) struct Announced(HashMap<ListKind, Told>);

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Whether another one is told when the pause is over.
    again: bool,
}

impl Connection {
    /// Tells that lists of a kind are others now: at once, or together with all that is announced
    /// within the pause after the last time.
    pub(super) fn announce(&mut self, kind: ListKind) {
        let told = self.announced.0.get_mut(&kind);
        let now = Instant::now();
        match told {
            Some(told) if now < told.at + ANNOUNCED_LIST_PAUSE => {
                if !std::mem::replace(&mut told.again, true) {
                    let pause = told.at + ANNOUNCED_LIST_PAUSE - now;
                    // The timer ends with the actor: its message then finds no mailbox.
                    let _timer = self
                        .myself
                        .send_after(pause, move || BackendMessage::ChangeDue(kind));
                }
            }
            _ => self.tell_of_change(kind),
        }
    }

    /// Tells that lists of a kind are others now.
    pub(in crate::backend) fn tell_of_change(&mut self, kind: ListKind) {
        let told = Told {
            at: Instant::now(),
            again: false,
        };
        self.announced.0.insert(kind, told);
        (self.report)(Report::Changed { kinds: vec![kind] });
    }
}
