//! Batches, which only 2025-03-26 knows.
//!
//! Spec: 2025-03-26 basic/transports, "Sending Messages to the Server".

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::{
    judging, legacy,
    record::Recorded,
    reply::{Event, Flow, Form, Reply, Work},
    stage::Stage,
};

/// Says whether this backend's revision has batches.
pub(super) fn is_known(stage: &Stage) -> bool {
    stage.script.revision == "2025-03-26"
}

/// Carries out all messages of a batch and answers its requests together, in any order.
pub(super) fn answer(stage: &Arc<Stage>, elements: &[Recorded]) -> Reply {
    if elements.is_empty() || elements.iter().any(|it| it.method() == Some("initialize")) {
        return legacy::refusal(400, -32600, "no such batch");
    }
    let mut replies = Vec::new();
    for element in elements {
        let wrong = judging::wrong(stage, element, false);
        let reply = legacy::answer(stage, element);
        judging::complain_unless_refused(stage, wrong, &reply);
        match (&reply, element.id(), element.method()) {
            (Reply::Whole { status, .. }, ..) if *status >= 400 => return reply,
            (_, Some(_), Some(_)) => replies.push(reply),
            _ => {}
        }
    }
    if replies.is_empty() {
        return Reply::status(202);
    }
    let (sender, events) = mpsc::unbounded_channel();
    let work = tokio::spawn(async move {
        let finished = replies.into_iter().map(|reply| {
            let sender = sender.clone();
            reply.finish_telling(move |message| drop(sender.send(Event::Message(message))))
        });
        let responses = join_all(finished).await.join(",");
        // The client may be gone.
        let _ = sender.send(Event::Last(format!("[{responses}]")));
    });
    Reply::Flow(Flow {
        events,
        work: Work(work),
        form: Form {
            answers: stage.script.answers,
            preamble: "",
            batched: false,
        },
        headers: Vec::new(),
    })
}
