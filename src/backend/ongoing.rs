//! The calls that are on their way in one conversation: what a backend says on no call's stream may
//! be about one of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;

use crate::mcp::{
    members::{Member, Members},
    meta::PROGRESS_TOKEN,
    object::RawObject,
};

use super::{caller::Caller, waiting::Wait};

/// Places that are kept where there is no call any more: most conversations have few at once, and none of those asks for
/// memory.
const KEPT_USUAL: usize = 8;

/// The calls on their way, each with the id of its request, in the order of those: a later one has a greater id.
#[derive(Default)]
pub(super) struct Ongoing(Mutex<Vec<(u64, Arc<OnItsWay>)>>);

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
        let mut calls = self.calls();
        // Behind all others, but for those that overtook it on their way to here.
        let place = calls.partition_point(|(earlier, _)| *earlier < number);
        calls.insert(place, (number, Arc::clone(call)));
        drop(calls);
        Entered {
            ongoing: self,
            number,
        }
    }

    /// The one that began last, of those that fit.
    pub(super) fn newest(&self, fits: impl Fn(&Caller) -> bool) -> Option<Arc<OnItsWay>> {
        let calls = self.calls();
        let mut newest_first = calls.iter().rev().map(|(_, call)| call);
        newest_first.find(|call| fits(&call.caller)).cloned()
    }

    /// The only one of those that fit; `None` of several, as nobody knows which is meant.
    pub(super) fn only(&self, fits: impl Fn(&Caller) -> bool) -> Option<Arc<OnItsWay>> {
        let calls = self.calls();
        let calls = calls.iter().map(|(_, call)| call);
        let mut fitting = calls.filter(|call| fits(&call.caller));
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
        let call = {
            let calls = self.calls();
            let place = find(&calls, token)?;
            Arc::clone(&calls.get(place)?.1)
        };
        let progress = call.progress(params, &token.to_string())?;
        Some((call, progress))
    }

    /// Has all of them wait for their client.
    pub(super) fn wait(&self) -> Vec<Wait> {
        let calls = self.calls();
        let waits = calls.iter().map(|(_, call)| call.caller.waiting().begin());
        waits.collect()
    }

    fn calls(&self) -> MutexGuard<'_, Vec<(u64, Arc<OnItsWay>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the call of that id is.
fn find(calls: &[(u64, Arc<OnItsWay>)], number: u64) -> Option<usize> {
    calls
        .binary_search_by_key(&number, |(number, _)| *number)
        .ok()
}

impl OnItsWay {
    /// Gives progress the client's own token; `None` when it is not that of the request `id`.
    pub(super) fn progress(&self, params: &RawValue, id: &str) -> Option<Box<RawValue>> {
        let params = params.get();
        let is_token = |member: &Member<'_>| member.name().as_deref() == Some(PROGRESS_TOKEN);
        let token = Members::of(params).find(is_token)?;
        let own = self.client_token.as_deref().filter(|_| token.value == id)?;
        let (before, behind) = params.split_at_checked(token.at)?;
        let behind = behind.get(token.value.len()..)?;
        RawValue::from_string([before, own.get(), behind].concat()).ok()
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut calls = self.ongoing.calls();
        if let Some(place) = find(&calls, self.number) {
            calls.remove(place);
        }
        if calls.is_empty() && calls.capacity() > KEPT_USUAL {
            *calls = Vec::new();
        }
    }
}
