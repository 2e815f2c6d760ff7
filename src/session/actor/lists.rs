//! Requests that all backends answer together: lists, and what the session offers.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    backend::{Backend, LinkKey},
    mcp::{
        discovery::Discovery,
        event::Outcome,
        failure::Failure,
        name::{BackendName, Naming},
        object::RawObject,
        request::{Context, Request},
        shelf::Shelf,
        tool_filter::ToolFilter,
    },
    routing::name::Spelling,
    session::{
        clock::now_ms,
        exchange::{Exchange, Place},
        fan_out::{self, Listed, Lists},
        kept::{Asker, KeptList},
        message::{SessionMessage, Welcome},
    },
};

use super::Session;

/// The member that asks for a further page. Spec: 2026-07-28 server/utilities/pagination.
const CURSOR: &str = "cursor";

impl Session {
    pub(super) fn list(&mut self, which: Shelf, exchange: Box<Exchange>, place: Place) {
        if asks_for_more(&exchange.request) {
            return exchange.refuse(no_such_page());
        }
        let context = exchange.request.context.clone();
        let client_name = context.client_name();
        let spelling = Spelling::of(self.naming, client_name.as_deref());
        let link = LinkKey::of(exchange.mcp_session, &context);
        let backends = self.offering(which);
        let asker = Asker::new(which, (link, &context), (spelling, self.edition), &backends);
        if let Some(result) = self.kept_lists.find(&asker) {
            return exchange.answer(Outcome::Kept(result));
        }
        let lists = Lists {
            shelf: which,
            filters: self.filters_of(which),
            backends,
            link,
            naming: self.naming,
            spelling,
            context,
            // How things are called depends on who asks.
            private: self.uses_credentials
                || (self.naming == Naming::Auto && matches!(which, Shelf::Tools | Shelf::Prompts)),
            deadline: self.shared.list_deadline(),
        };
        let myself = self.myself.clone();
        tokio::spawn(async move {
            let cancelled = exchange.cancel.clone();
            let listed = tokio::select! {
                () = cancelled.cancelled() => None,
                listed = lists.make() => Some(listed),
            };
            let outcome = match listed {
                None => Outcome::Cancelled,
                Some(listed) => {
                    // Before the answer: who has it may ask for what stands in it.
                    let Listed {
                        result,
                        keys,
                        parts,
                        by_all,
                    } = listed;
                    let asker = if by_all { asker.of_all() } else { asker };
                    let kept = parts.map(|parts| KeptList::new(asker, parts, &result));
                    // A session that is gone routes and keeps nothing.
                    let _gone = myself.cast(SessionMessage::Listed {
                        shelf: which,
                        keys,
                        kept: kept.map(Box::new),
                    });
                    Outcome::Completed(result)
                }
            };
            exchange.finish(outcome).await;
            drop(place);
        });
    }

    /// The backends that may have something on a shelf. One not yet met may have anything, and tools
    /// are asked for everywhere: servers in use have some without saying so.
    fn offering(&self, which: Shelf) -> Vec<Backend> {
        let offers = |position: usize| {
            which == Shelf::Tools
                || self.met[position]
                    .as_ref()
                    .is_none_or(|met| met.offers(which.capability()))
        };
        let backends = self.backends.iter().enumerate();
        let offering = backends.filter(|(position, _)| offers(*position));
        offering.map(|(_, backend)| backend.clone()).collect()
    }

    /// What each of those backends' tools are held against; nothing where all of them are offered.
    fn filters_of(&self, which: Shelf) -> Vec<Option<Arc<ToolFilter>>> {
        let mut filters = Vec::new();
        if which == Shelf::Tools && self.servers.iter().any(|server| server.tools.is_some()) {
            // All of the backends may have some.
            filters.extend(self.servers.iter().map(|server| server.tools.clone()));
        }
        filters
    }

    /// Takes what a list showed: requests about resources are routed by it, and who asks for it again is
    /// given it.
    pub(super) fn listed(
        &mut self,
        which: Shelf,
        keys: Vec<(BackendName, Vec<String>)>,
        kept: Option<Box<KeptList>>,
    ) {
        if let Some(kept) = kept {
            self.kept_lists.keep(*kept);
        }
        for (backend, keys) in keys {
            // It may have left the session meanwhile.
            let Some(position) = self.position(&backend) else {
                continue;
            };
            match which {
                Shelf::Resources => self.resources.listed(position, keys),
                Shelf::Templates => self.resources.templates(position, keys),
                Shelf::Tools | Shelf::Prompts | Shelf::Tasks => {}
            }
        }
    }

    pub(super) fn discover(&mut self, context: Context, reply: oneshot::Sender<Welcome>) {
        self.last_used_ms = now_ms();
        let backends = self.met_backends();
        let deadline = self.shared.initialize_deadline;
        tokio::spawn(async move {
            let link = LinkKey::Default;
            let welcome = fan_out::welcome(&backends, link, &context, deadline).await;
            // Whoever asked may have left.
            drop(reply.send(welcome));
        });
    }

    /// The backends, each with what is known of it.
    pub(super) fn met_backends(&self) -> Vec<(Backend, Option<Discovery>)> {
        let met = self.met.iter().cloned();
        self.backends.iter().cloned().zip(met).collect()
    }
}

fn asks_for_more(request: &Request) -> bool {
    let params = RawObject::parse_or_empty(request.params.as_deref());
    // Some clients write `null` for the first page.
    params.get(CURSOR).is_some_and(|it| it.get() != "null")
}

fn no_such_page() -> Failure {
    Failure::InvalidParams {
        reason: "the cursor is none of this server's: its lists have one page; ask without it"
            .to_owned(),
    }
}
