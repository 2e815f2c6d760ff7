//! Holds what a fake backend hears and says against the schema of the revision it speaks.
//!
//! What breaks it becomes a complaint. Only what a test makes odd on purpose is not judged: exact
//! results, errors of `fail`, lists, faults, and what [`super::FakeBackend::announce`] sends.

use serde_json::Value;

use super::{
    super::schema::{self, Sender},
    modern,
    record::Recorded,
    reply::Reply,
    script::MODERN,
    stage::Stage,
};

/// What is wrong with a message of a client, by the revision it says it speaks: a probe for the
/// modern era is a modern message, whoever gets it.
pub(super) fn wrong(stage: &Stage, heard: &Recorded, is_modern: bool) -> Option<String> {
    let revision = if is_modern || modern::is_modern(heard) {
        MODERN
    } else {
        &stage.script.revision
    };
    // A GET, a DELETE, or a batch, whose messages are judged one by one.
    let message = heard.json();
    if heard.body.is_empty() || message.is_array() {
        return None;
    }
    let verdict = match (heard.method(), heard.id()) {
        (Some(_), Some(_)) => schema::request(revision, Sender::Client, &message),
        (Some(_), None) => schema::notification(revision, Sender::Client, &message),
        (None, Some(id)) if message.get("result").is_some() => {
            let asked = stage.read(|state| state.asked.get(id).map(|asked| asked.method));
            match asked {
                Some(method) => schema::result(revision, method, &message),
                None => Ok(()),
            }
        }
        (None, _) => schema::error_response(revision, &message),
    };
    let why = verdict.err()?;
    Some(format!("heard what {why}: {message}"))
}

/// Complains of a message that was taken though it is wrong. To refuse it is right.
pub(super) fn complain_unless_refused(stage: &Stage, wrong: Option<String>, reply: &Reply) {
    if let Some(wrong) = wrong.filter(|_| !reply.is_refusal()) {
        stage.change(|state| state.breaches.push(wrong));
    }
}

/// Judges a notification or a request of the fake itself.
pub(super) fn said(stage: &Stage, revision: &str, text: &str) {
    let message: Value = serde_json::from_str(text).unwrap_or_default();
    let verdict = match message.get("id") {
        Some(_) => schema::request(revision, Sender::Server, &message),
        None => schema::notification(revision, Sender::Server, &message),
    };
    complain(stage, verdict, &message);
}

/// Judges a response of the fake itself.
pub(super) fn answered(stage: &Stage, revision: &str, method: &str, text: &str) {
    let message: Value = serde_json::from_str(text).unwrap_or_default();
    let verdict = match message.get("error") {
        Some(_) => schema::error_response(revision, &message),
        None => schema::result(revision, method, &message),
    };
    complain(stage, verdict, &message);
}

fn complain(stage: &Stage, verdict: Result<(), String>, message: &Value) {
    if let Err(why) = verdict {
        let breach = format!("said what {why}: {message}");
        stage.change(|state| state.breaches.push(breach));
    }
}
