//! What a connection knows of its backend's tools, and how it notices that they are others now.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use crate::{
    backend::{Backend, catalogue::Catalogue, link::LinkKey, listing::list, pending::Pending},
    limits::{ANNOUNCED_LIST_PAUSE, LIST_DEADLINE, NAMED_TOOLS_MAX, SILENT_CHANGE_PAUSE, within},
    mcp::{failure::shortened, kind::ListKind, request::Context, shelf::Shelf},
};

use super::Connection;

/// The lists made in the background: one at a time, however many reasons there are.
#[derive(Debug, Default)]
pub(in crate::backend) struct Looks {
    /// Why the one on its way was begun.
    under_way: Option<Reason>,
    /// Why there has to be another one after it.
    next: Option<Reason>,
    /// When the last one for an announcement began, or will begin.
    announced_at: Option<Instant>,
    /// When a client's list was last told of.
    silent_at: Option<Instant>,
    /// The links on whose own streams was heard of all that was announced since the last one.
    hearing: Option<Vec<LinkKey>>,
}

impl Looks {
    /// Whether a change that a client's list shows was not announced, and may be told now.
    fn finds_silence_worth_telling(&self) -> bool {
        let announced = Some(Reason::Announced);
        let is_due = |at: Instant| at.elapsed() >= SILENT_CHANGE_PAUSE;
        self.under_way != announced && self.next != announced && self.silent_at.is_none_or(is_due)
    }

    /// Notes who heard an announcement by themselves.
    pub(super) fn hear_of_it(&mut self, hearing: Vec<LinkKey>) {
        match &mut self.hearing {
            None => self.hearing = Some(hearing),
            Some(before) => before.retain(|link| hearing.contains(link)),
        }
    }
}

/// Why the tools are listed in the background. The greater one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// They may be others: told only if the list shows it.
    Unsure,
    /// The backend says that they are: told whatever the list shows, or if it does not come.
    Announced,
}

impl Connection {
    /// Takes what a client's list showed. That other tools are there nobody is told: a backend may show
    /// each MCP session others. That a tool is another one under its old name everybody is, once in a
    /// while: clients that list what they were told of must come to an end.
    pub(in crate::backend) fn listed(&mut self, catalogue: Catalogue) {
        if self.looks.finds_silence_worth_telling() && self.log_changed(&catalogue, false) {
            self.looks.silent_at = Some(Instant::now());
            self.report_found(vec![ListKind::Tools]);
        }
        self.catalogue = Some(self.shared(catalogue));
        self.send_unmirrored();
    }

    /// Takes what a list in the background showed; `None` when the backend gave none.
    pub(in crate::backend) fn looked(&mut self, catalogue: Option<Catalogue>) {
        let announced = self.looks.under_way.take() == Some(Reason::Announced);
        if let Some(now) = &catalogue {
            // It may have said so while it was being asked.
            let said_so = announced || self.looks.next == Some(Reason::Announced);
            self.log_changed(now, said_so);
        }
        let differs = match (&self.catalogue, &catalogue) {
            (Some(before), Some(now)) => !before.shows_the_same(now),
            _ => false,
        };
        if announced {
            let hearing = self.looks.hearing.take().unwrap_or_default();
            self.report_change(vec![ListKind::Tools], hearing);
        } else if differs {
            self.report_found(vec![ListKind::Tools]);
        }
        if let Some(catalogue) = catalogue {
            self.catalogue = Some(self.shared(catalogue));
        }
        self.send_unmirrored();
        if let Some(reason) = self.looks.next.take() {
            self.look(reason);
        }
    }

    /// Finds out in the background what tools there are: calls are treated by what it shows.
    pub(super) fn look(&mut self, reason: Reason) {
        if self.looks.under_way.is_some() {
            self.looks.next = self.looks.next.max(Some(reason));
            return;
        }
        self.looks.under_way = Some(reason);
        let mut at = Instant::now();
        if reason == Reason::Announced {
            let before = self.looks.announced_at;
            at = before.map_or(at, |before| at.max(before + ANNOUNCED_LIST_PAUSE));
            self.looks.announced_at = Some(at);
        }
        let backend = self.handle();
        tokio::spawn(async move {
            sleep_until(at).await;
            backend.looked(catalogue_of(&backend).await);
        });
    }

    /// Names the tools whose definitions are others now, for whoever trusted the old ones; tells whether
    /// there are any.
    fn log_changed(&self, now: &Catalogue, said_so: bool) -> bool {
        let Some(before) = &self.catalogue else {
            return false;
        };
        let changed = now.changed_since(before);
        if changed.is_empty() {
            return false;
        }
        let shown = changed.iter().take(NAMED_TOOLS_MAX);
        let names: Vec<_> = shown.map(|name| shortened(name)).collect();
        let left_out = changed.len().saturating_sub(NAMED_TOOLS_MAX);
        let (name, names) = (&self.name, names.join(", "));
        if said_so {
            tracing::info!(backend.name = %name, tools.changed = %names, tools.left_out = left_out, "tools of {name} have other definitions now");
        } else {
            tracing::warn!(backend.name = %name, tools.changed = %names, tools.left_out = left_out, "tools of {name} have other definitions now, and it did not say so");
        }
        true
    }

    /// The same, as other sessions of the provider have it, too.
    fn shared(&self, catalogue: Catalogue) -> Arc<Catalogue> {
        match &self.endpoint {
            Ok(endpoint) => endpoint.provider.share_catalogue(catalogue),
            Err(_) => Arc::new(catalogue),
        }
    }

    fn send_unmirrored(&mut self) {
        for call in std::mem::take(&mut self.unmirrored) {
            self.send_over_link(Pending::Call(call));
        }
    }
}

async fn catalogue_of(backend: &Backend) -> Option<Catalogue> {
    let context = Context::default();
    match within(
        LIST_DEADLINE,
        list(backend, Shelf::Tools, LinkKey::Default, &context),
    )
    .await
    {
        Ok(Ok(listing)) => return Some(Catalogue::of(&listing.items)),
        Ok(Err(error)) => {
            tracing::debug!(backend.name = %backend.name(), %error, "could not list tools in the background");
        }
        Err(_) => {
            tracing::debug!(backend.name = %backend.name(), "the tool list is late");
        }
    }
    None
}
