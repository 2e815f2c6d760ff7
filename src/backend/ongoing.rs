//! The calls that are on their way in one conversation: what a backend says on no call's stream may
//! be about one of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::value::RawValue;

use crate::mcp::{meta::PROGRESS_TOKEN, object::RawObject};

use super::{caller::Caller, waiting::Wait};

/// The calls on their way, by the ids of their requests: a later one has a greater id.
#[derive(Default)]
pub(super) struct Ongoing(Mutex<BTreeMap<u64, Arc<OnItsWay>>>);

/// One call on its way.
pub(super) struct OnItsWay {
    /// Who made it.
    pub(super) caller: Arc<Caller>,
    /// What the client calls its progress.
    pub(super) client_token: Option<Box<RawValue>>,
}

/// A call's place among them; it is left when this is dropped.
pub(super) struct Entered<'a> {
    ongoing: &'a Ongoing,
    number: u64,
}

impl Ongoing {
    /// Enters a request that is about to be sent.
    pub(super) fn enter(&self, number: u64, call: &Arc<OnItsWay>) -> Entered<'_> {
        self.calls().insert(number, Arc::clone(call));
        Entered {
            ongoing: self,
            number,
        }
    }

    /// The one that began last, of those that fit.
    pub(super) fn newest(&self, fits: impl Fn(&Caller) -> bool) -> Option<Arc<OnItsWay>> {
        let calls = self.calls();
        let mut newest_first = calls.values().rev();
        newest_first.find(|call| fits(&call.caller)).cloned()
    }

    /// The only one of those that fit; `None` of several, as nobody knows which is meant.
    pub(super) fn only(&self, fits: impl Fn(&Caller) -> bool) -> Option<Arc<OnItsWay>> {
        let calls = self.calls();
        let mut fitting = calls.values().filter(|call| fits(&call.caller));
        let only = fitting.next()?;
        fitting.next().is_none().then(|| Arc::clone(only))
    }

    /// The one whose progress it is, and that progress under the client's own token.
    pub(super) fn progressing(&self, params: &RawValue) -> Option<(Arc<OnItsWay>, Box<RawValue>)> {
        let token: u64 = RawObject::parse(params)
            .ok()?
            .get(PROGRESS_TOKEN)?
            .get()
            .parse()
            .ok()?;
        let call = self.calls().get(&token).cloned()?;
        let progress = call.progress(params, &token.to_string())?;
        Some((call, progress))
    }

    /// Has all of them wait for their client.
    pub(super) fn wait(&self) -> Vec<Wait> {
        let begin = |call: &Arc<OnItsWay>| call.caller.waiting().begin();
        self.calls().values().map(begin).collect()
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<OnItsWay>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnItsWay {
    /// Gives progress the client's own token; `None` when it is not that of the request `id`.
    pub(super) fn progress(&self, params: &RawValue, id: &str) -> Option<Box<RawValue>> {
        let mut params = RawObject::parse(params).ok()?;
        if params.get(PROGRESS_TOKEN)?.get() != id {
            return None;
        }
        params.set(PROGRESS_TOKEN, self.client_token.clone()?);
        Some(params.to_raw())
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut calls = self.ongoing.calls();
        calls.remove(&self.number);
        if calls.is_empty() {
            // An empty map keeps room for a dozen, and most conversations are idle.
            *calls = BTreeMap::new();
        }
    }
}
