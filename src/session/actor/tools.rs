//! Requests about tools: one backend's, or all of them at once.

use crate::{
    backend::{Call, LinkKey},
    mcp::{event::Outcome, failure::Failure, name::BackendName},
    routing::{name::Spelling, route::route},
    session::{
        exchange::{Exchange, Place},
        fan_out,
    },
};

use super::Session;

impl Session {
    pub(super) fn call_tool(&self, exchange: Exchange, place: Place) {
        let public = exchange.request.name.clone().unwrap_or_default();
        let Some(route) = route(self.naming, &self.names, &public) else {
            return exchange.refuse(Failure::UnknownName {
                what: "tool",
                name: public,
                known: self.known_names(),
            });
        };
        let backend = self.backends[route.position].clone();
        let link = LinkKey::of(exchange.mcp_session, &exchange.request.context);
        let mut call = Call::new(link, exchange.request, exchange.events, exchange.cancel)
            .holding(Box::new(place));
        if !route.may_be_shortened {
            call.request.name = Some(route.own);
            return backend.send(call);
        }
        tokio::spawn(async move {
            let own = fan_out::own_name(&backend, call.link, &call.request.context, route.own);
            let own = tokio::select! {
                () = call.cancel.cancelled() => None,
                own = own => Some(own),
            };
            if own.is_none() {
                return call.finish(backend.name(), Outcome::Cancelled).await;
            }
            call.request.name = own;
            backend.send(call);
        });
    }

    pub(super) fn list_tools(&self, exchange: Exchange, place: Place) {
        let client_name = exchange.request.context.client_name();
        let spelling = Spelling::of(self.naming, client_name.as_deref());
        let backends = self.backends.clone();
        tokio::spawn(async move {
            let context = &exchange.request.context;
            let link = LinkKey::of(exchange.mcp_session, context);
            let cancelled = exchange.cancel.clone();
            let outcome = tokio::select! {
                () = cancelled.cancelled() => Outcome::Cancelled,
                outcome = fan_out::tools(&backends, link, context, spelling) => outcome,
            };
            exchange.finish(outcome).await;
            drop(place);
        });
    }

    pub(super) fn known_names(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(BackendName::as_str).collect();
        names.join(", ")
    }
}
