//! Requests that one backend carries out: whose they are, and what is changed on the way back.

use std::sync::Arc;

use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::{
    backend::{Call, LinkKey, Translation},
    mcp::{
        event::Outcome,
        failure::Failure,
        method::{COMPLETE, TOOLS_CALL, may_want_input},
        name::BackendName,
        object::{RawObject, quote},
        request::{Asking, Request},
        shelf::Shelf,
    },
    routing::{
        resource::Candidate,
        route::{Route, route},
        task,
    },
    session::{
        exchange::{Exchange, Place},
        fan_out, in_order,
        translation::ForClient,
    },
};

use super::{Session, reports};

/// The member of a call's parameters that makes a task of it. Spec: 2025-11-25 basic/utilities/tasks.
const TASK: &str = "task";

/// What methods begin with that are about a tool.
const OF_TOOLS: &str = "tools/";

impl Session {
    /// Carries out what names a tool or a prompt.
    pub(super) fn call_named(&self, which: Shelf, exchange: Box<Exchange>, place: Place) {
        let public = exchange.request.name.as_deref().unwrap_or_default();
        let Some(route) = route(self.naming, &self.names, public) else {
            let unknown = self.unknown(which, public);
            return exchange.refuse(unknown);
        };
        if route.may_be_shortened {
            return self.call_shortened(which, route, exchange, place);
        }
        if which == Shelf::Tools && !self.offers(&route) {
            let unknown = self.unknown(which, public);
            return exchange.refuse(unknown);
        }
        self.send(route.position, Some(route.own), exchange, place);
    }

    fn unknown(&self, which: Shelf, name: &str) -> Failure {
        Failure::UnknownName {
            what: match which {
                Shelf::Prompts => "prompt",
                _ => "tool",
            },
            name: name.to_owned(),
            known: self.known_names(),
        }
    }

    /// Whether the session offers a tool of this name, if its backend has one.
    fn offers(&self, route: &Route) -> bool {
        let filter = self.servers[route.position].tools.as_ref();
        filter.is_none_or(|filter| filter.offers(&route.own))
    }

    /// The client was shown a part of the name only: the list tells the rest.
    fn call_shortened(&self, which: Shelf, route: Route, exchange: Box<Exchange>, place: Place) {
        let backend = self.backends[route.position].clone();
        let filter = self.servers[route.position].tools.clone();
        let filter = filter.filter(|_| which == Shelf::Tools);
        let unknown = filter.as_ref().map(|_| {
            let public = exchange.request.name.as_deref().unwrap_or_default();
            self.unknown(which, public)
        });
        let deadline = self.shared.list_deadline();
        let mut call = self.call(route.position, exchange, place);
        tokio::spawn(async move {
            let asker = (call.link, &call.request.context);
            let own = fan_out::own_name(&backend, which, asker, route.own, deadline);
            let own = tokio::select! {
                () = call.cancel.cancelled() => None,
                own = own => Some(own),
            };
            let Some(own) = own else {
                return call.finish(backend.name(), Outcome::Cancelled).await;
            };
            // By its whole name, whatever of it the client was shown.
            if let (Some(filter), Some(unknown)) = (filter, unknown)
                && !filter.offers(&own)
            {
                return call.refuse(unknown).await;
            }
            if call.request.method == COMPLETE {
                let params = RawObject::parse_or_empty(call.request.params.as_deref());
                call.request.params = Some(referring(&params, "name", &own));
            } else {
                call.request.name = Some(own);
            }
            backend.send(call);
        });
    }

    /// Carries out what is about a task.
    pub(super) fn call_about_task(&self, exchange: Box<Exchange>, place: Place) {
        let public = exchange.request.name.clone().unwrap_or_default();
        match task::route(self.naming, &self.names, &public) {
            Some((position, own)) => {
                let own = own.into();
                self.send(position, Some(own), exchange, place);
            }
            None => exchange.refuse(Failure::UnknownName {
                what: "task",
                name: public.into(),
                known: self.known_names(),
            }),
        }
    }

    /// Carries out what no revision defines: the backend that its parameters name has a use for it,
    /// or the session's only one.
    pub(super) fn call_unknown(&self, mut exchange: Box<Exchange>, place: Place) {
        let params = RawObject::parse_or_empty(exchange.request.params.as_deref());
        if exchange.request.method.starts_with(OF_TOOLS)
            && let Some(name) = params.get_str("name")
            && route(self.naming, &self.names, &name).is_some_and(|route| !self.offers(&route))
        {
            return exchange.refuse(self.unknown(Shelf::Tools, &name));
        }
        let named = self.named(&params);
        match named {
            Some((position, params)) => {
                if let Some(params) = params {
                    exchange.request.params = Some(params);
                }
                self.send(position, None, exchange, place);
            }
            None if self.backends.len() == 1 => self.send(0, None, exchange, place),
            None => {
                let method = exchange.request.method.to_string();
                exchange.refuse(Failure::UnknownMethod { method });
            }
        }
    }

    /// Whose parameters these are, and what they have to be there if that differs.
    fn named(&self, params: &RawObject<'_>) -> Option<(usize, Option<Box<RawValue>>)> {
        let with = |member: &'static str, own: &str| {
            let mut params = params.clone();
            params.set(member, quote(own));
            params.to_raw()
        };
        if let Some(name) = params.get_str("name")
            && let Some(route) = route(self.naming, &self.names, &name)
        {
            return Some((route.position, Some(with("name", &route.own))));
        }
        if let Some(id) = params.get_str("taskId")
            && let Some((position, own)) = task::route(self.naming, &self.names, &id)
        {
            return Some((position, Some(with("taskId", own))));
        }
        let uri = params.get_str("uri")?;
        match &self.resources.route(&self.names, &uri)[..] {
            [only] => Some((only.position, Some(with("uri", &only.own)))),
            _ => None,
        }
    }

    /// Completes an argument of a prompt or of a template: of whom it is, `ref` says.
    ///
    /// Spec: 2025-11-25 server/utilities/completion, "Reference Types".
    pub(super) fn complete(&self, exchange: Box<Exchange>, place: Place) {
        let params = RawObject::parse_or_empty(exchange.request.params.as_deref());
        let reference = params.get("ref").map(ToOwned::to_owned);
        let reference = RawObject::parse_or_empty(reference.as_deref());
        if let Some(name) = reference.get_str("name") {
            return match route(self.naming, &self.names, &name) {
                Some(route) if route.may_be_shortened => {
                    self.call_shortened(Shelf::Prompts, route, exchange, place);
                }
                Some(route) => {
                    let params = referring(&params, "name", &route.own);
                    self.send(route.position, None, exchange.with(params), place);
                }
                None => exchange.refuse(Failure::UnknownName {
                    what: "prompt",
                    name,
                    known: self.known_names(),
                }),
            };
        }
        let Some(uri) = reference.get_str("uri") else {
            return exchange.refuse(Failure::InvalidParams {
                reason: "completion/complete needs params.ref with a name or a uri".to_owned(),
            });
        };
        let candidates = self.candidates(&exchange, &uri);
        let requests = candidates
            .into_iter()
            .map(|candidate| {
                let params = referring(&params, "uri", &candidate.own);
                (candidate.position, None, Some(params))
            })
            .collect();
        self.send_in_order(requests, exchange, place);
    }

    /// Reads a resource at whoever has it.
    pub(super) fn read(&self, exchange: Box<Exchange>, place: Place) {
        let uri = exchange.request.name.clone().unwrap_or_default();
        let requests = self
            .candidates(&exchange, &uri)
            .into_iter()
            .map(|candidate| (candidate.position, Some(candidate.own.into()), None))
            .collect();
        self.send_in_order(requests, exchange, place);
    }

    /// The backends to ask about a resource; of those known to have none, none.
    fn candidates(&self, exchange: &Exchange, uri: &str) -> Vec<Candidate> {
        let mut candidates = self.resources.route(&self.names, uri);
        if let Some(pinned) = &exchange.pinned {
            candidates.retain(|candidate| self.names[candidate.position] == *pinned);
        }
        if candidates.len() > 1 {
            candidates.retain(|candidate| {
                let met = &self.met[candidate.position];
                met.as_ref().is_none_or(|met| met.offers("resources"))
            });
        }
        candidates
    }

    fn send_in_order(
        &self,
        requests: Vec<(usize, Option<SmolStr>, Option<Box<RawValue>>)>,
        exchange: Box<Exchange>,
        place: Place,
    ) {
        let uri: String = exchange.request.name.clone().unwrap_or_default().into();
        if requests.is_empty() {
            return exchange.refuse(Failure::UnknownResource { uri });
        }
        if let [(position, own, params)] = &requests[..] {
            let exchange = match params {
                Some(params) => exchange.with(params.clone()),
                None => exchange,
            };
            return self.send(*position, own.clone(), exchange, place);
        }
        let calls = requests
            .into_iter()
            .map(|(position, own, params)| {
                let mut call = self.call_of(position, &exchange);
                call.request.name = own;
                call.request.params = params.or(call.request.params);
                (self.backends[position].clone(), call)
            })
            .collect();
        let myself = self.myself.clone();
        tokio::spawn(async move {
            if let Some(backend) = in_order::ask(calls).await
                && !uri.is_empty()
            {
                reports::saw(&myself, backend, vec![uri]);
            }
            drop((exchange, place));
        });
    }

    fn send(&self, position: usize, own: Option<SmolStr>, exchange: Box<Exchange>, place: Place) {
        if exchange
            .pinned
            .as_ref()
            .is_some_and(|it| *it != self.names[position])
        {
            return exchange.refuse(Failure::UnknownState);
        }
        let mut call = self.call(position, exchange, place);
        call.request.name = own.or(call.request.name);
        self.backends[position].send(call);
    }

    fn call(&self, position: usize, exchange: Box<Exchange>, place: Place) -> Box<Call> {
        let link = LinkKey::of(exchange.mcp_session, &exchange.request.context);
        let translation = self.translation(position, &exchange.request);
        let Exchange {
            request,
            events,
            cancel,
            desk,
            ..
        } = *exchange;
        let held: Box<dyn Send + Sync> = Box::new(place);
        let mut call = Call::holding(link, request, events, cancel, Some(held));
        call.translation = translation;
        call.desk = desk;
        call
    }

    /// One of several calls for the same exchange.
    pub(super) fn call_of(&self, position: usize, exchange: &Exchange) -> Box<Call> {
        let request = exchange.request.clone();
        let link = LinkKey::of(exchange.mcp_session, &request.context);
        let translation = self.translation(position, &request);
        let (events, cancel) = (exchange.events.clone(), exchange.cancel.clone());
        let mut call = Call::new(link, request, events, cancel);
        call.translation = translation;
        call
    }

    /// What has to change in a backend's answers to this request; nothing for most of them.
    fn translation(&self, position: usize, request: &Request) -> Option<Arc<dyn Translation>> {
        let offers = |capability| {
            let met = self.met[position].as_ref();
            met.is_some_and(|met| met.offers(capability))
        };
        let has_tasks = offers("tasks");
        let tasks = has_tasks
            && request.method == TOOLS_CALL
            && RawObject::parse_or_empty(request.params.as_deref())
                .get(TASK)
                .is_some();
        let by_retry = request.asking == Asking::ByRetry && may_want_input(&request.method);
        let about_task = request.method.starts_with("tasks/");
        let notes = self.shares_resources && may_want_input(&request.method) && offers("resources");
        (tasks || by_retry || about_task || notes).then(|| {
            let translation = ForClient {
                states: Arc::clone(&self.states),
                naming: self.naming,
                backend: self.names[position].clone(),
                tasks,
                notes: notes.then(|| self.myself.clone()),
            };
            Arc::new(translation) as Arc<dyn Translation>
        })
    }

    pub(super) fn known_names(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(BackendName::as_str).collect();
        names.join(", ")
    }
}

/// The parameters of a completion whose `ref` names this.
fn referring(params: &RawObject<'_>, member: &'static str, own: &str) -> Box<RawValue> {
    let reference = params.get("ref").map(ToOwned::to_owned);
    let mut reference = RawObject::parse_or_empty(reference.as_deref());
    reference.set(member, quote(own));
    let mut params = params.clone();
    params.set("ref", reference.to_raw());
    params.to_raw()
}
