//! Subscriptions of the modern era.
//!
//! Spec: 2026-07-28 basic/patterns/subscriptions.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    super::{
        listeners::{Audience, Listener, Opened, SUBSCRIPTION, Wanted},
        manners::Manners,
        reply::{Event, Reply},
        resources,
        script::MODERN,
        stage::Stage,
    },
    error, incapable, knowing_tasks, pointed,
};

/// Opens a subscription to what of the filter this backend has.
pub(super) fn open(stage: &Arc<Stage>, id: &str, filter: &Value, manners: &Manners) -> Reply {
    if !filter.is_object() {
        return Reply::error(400, Some(id), &error(-32602, "no notifications are wanted"));
    }
    let mut wanted = Wanted::read(filter);
    if !wanted.tasks.is_empty() && !manners.knows_tasks() {
        return incapable(id, &knowing_tasks());
    }
    let declared = stage.script.declared(MODERN);
    let may = |pointer: &str| *pointed(&declared, pointer) == true;
    wanted.tools &= may("/tools/listChanged");
    wanted.prompts &= may("/prompts/listChanged");
    wanted.resources &= may("/resources/listChanged");
    wanted
        .uris
        .retain(|uri| may("/resources/subscribe") && resources::is_known(stage, uri));
    let (events, receiver) = mpsc::unbounded_channel::<Event>();
    stage.change(|state| {
        wanted
            .tasks
            .retain(|id| state.tasks.iter().any(|task| task.id == *id));
        let honoured = wanted.filter();
        let acknowledgement = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"{SUBSCRIPTION}":{id}}},"notifications":{honoured}}}}}"#
        );
        // The receiver is in our hand.
        let _ = events.send(Event::Message(acknowledgement));
        let id = id.to_owned();
        state.listeners.push(Listener {
            events,
            audience: Audience::Subscription { id, wanted },
            tape: None,
        });
    });
    Reply::Open(Opened::new(receiver, stage))
}
