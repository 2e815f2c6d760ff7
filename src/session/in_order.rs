//! One request to several backends in turn, until one of them has what it is about.
//!
//! Only for what reads: a backend that has it not has done nothing.

use crate::{
    backend::{Backend, Call},
    channel::channel,
    limits::EVENTS_IN_FLIGHT,
    mcp::{
        error::{INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND, code_of},
        event::{Event, Finished, Outcome},
        name::BackendName,
    },
};

/// Asks one backend after the other; `calls` are all for the same events. Tells which of them
/// answered with what was asked for.
pub(super) async fn ask(calls: Vec<(Backend, Box<Call>)>) -> Option<BackendName> {
    let mut turned_down: Option<Finished> = None;
    let mut client = None;
    for (backend, mut call) in calls {
        let (events, mut received) = channel(EVENTS_IN_FLIGHT);
        let answer_to = std::mem::replace(&mut call.events, events);
        backend.send(call);
        // Once a part of a result is told, there is no other answer.
        let mut is_told = false;
        let finished = loop {
            match received.recv().await? {
                Event::Finished(finished) => break finished,
                event => {
                    is_told |= matches!(event, Event::Part(_));
                    // Nobody may be left to tell; here and below.
                    let _left = answer_to.send(event).await;
                }
            }
        };
        if is_told || !has_it_not(&finished.outcome) {
            let found = matches!(finished.outcome, Outcome::Completed(_));
            let _left = answer_to.send(Event::Finished(finished)).await;
            return found.then(|| backend.name().clone());
        }
        turned_down = Some(worse(turned_down, finished));
        client = Some(answer_to);
    }
    let (client, finished) = (client?, turned_down?);
    let _left = client.send(Event::Finished(finished)).await;
    None
}

/// Whether another backend may have it.
fn has_it_not(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Rejected(rejection) => matches!(
            code_of(&rejection.error),
            Some(RESOURCE_NOT_FOUND | INVALID_PARAMS | METHOD_NOT_FOUND)
        ),
        Outcome::Failed(_) => true,
        Outcome::Completed(_) | Outcome::Kept(_) | Outcome::Cancelled => false,
    }
}

/// Of two that were turned down, the one worth telling: who cannot be reached may have had it, and
/// who knows no such requests never had.
fn worse(before: Option<Finished>, now: Finished) -> Finished {
    match before {
        Some(before) if weight(&before.outcome) > weight(&now.outcome) => before,
        _ => now,
    }
}

fn weight(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Rejected(rejection) => {
            u8::from(code_of(&rejection.error) != Some(METHOD_NOT_FOUND))
        }
        _ => 2,
    }
}
