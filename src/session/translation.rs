//! What a client is given in place of what a backend wrote: sealed states, and tasks' public ids.
//!
//! On the way it notes which resources a result speaks of, so that reading one finds its backend.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    backend::Translation,
    limits::{SEEN_URIS_PER_RESULT_MAX, URI_BYTES_MAX},
    mcp::{
        event::Notification,
        failure::Failure,
        method::{TASK_CHANGED, TASK_STATUS, TASKS_CANCEL, TASKS_GET, TASKS_RESULT, TASKS_UPDATE},
        name::{BackendName, Naming},
        object::{RawObject, quote},
        request::Request,
    },
    routing::task,
};

use super::{
    mailbox::Mailbox,
    message::SessionMessage,
    request_state::{REQUEST_STATE, RequestStates},
};

/// The member of `_meta` that names the task a message is about. Spec: 2025-11-25 basic/utilities/tasks.
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
const TASK_ID: &str = "taskId";

/// Translates what one backend answers to one client.
pub(super) struct ForClient {
    pub(super) states: Arc<RequestStates>,
    pub(super) naming: Naming,
    pub(super) backend: BackendName,
    /// Whether results may speak of tasks in the way of 2025-11-25.
    pub(super) tasks: bool,
    /// Who wants to know of the resources that results speak of.
    pub(super) notes: Option<Mailbox>,
}

impl Translation for ForClient {
    fn result(&self, request: &Request, json: Bytes) -> Result<Bytes, Failure> {
        if let Some(session) = &self.notes {
            self.note_uris(session, &json);
        }
        let about_task = matches!(
            request.method.as_ref(),
            TASKS_GET | TASKS_UPDATE | TASKS_CANCEL | TASKS_RESULT
        );
        if !about_task && !self.tasks && (is_plainly_complete(&json) || !has_kind(&json)) {
            return Ok(json);
        }
        // What is no object has been refused before.
        let Ok(result) = serde_json::from_slice::<&RawValue>(&json) else {
            return Ok(json);
        };
        let mut members = RawObject::parse_or_empty(Some(result));
        let kind = members.get_str("resultType");
        let mut changed = false;
        if kind.as_deref() == Some("input_required") {
            changed |= self.seal(request, &mut members)?;
        }
        if about_task || self.tasks || kind.as_deref() == Some("task") {
            changed |= self.rename(&mut members);
        }
        Ok(if changed {
            members.to_raw().get().to_owned().into()
        } else {
            json
        })
    }

    fn notification(&self, notification: Notification) -> Notification {
        if ![TASK_CHANGED, TASK_STATUS].contains(&notification.method.as_str()) {
            return notification;
        }
        let mut params = RawObject::parse_or_empty(notification.params.as_deref());
        if !self.rename(&mut params) {
            return notification;
        }
        Notification {
            params: Some(params.to_raw()),
            ..notification
        }
    }
}

impl ForClient {
    /// Puts the gateway's seal around the backend's state.
    fn seal(&self, request: &Request, members: &mut RawObject<'_>) -> Result<bool, Failure> {
        let Some(state) = members.get_str(REQUEST_STATE) else {
            return Ok(false);
        };
        let sealed = self.states.seal_passed(request, &self.backend, &state)?;
        members.set(REQUEST_STATE, quote(&sealed));
        Ok(true)
    }

    /// Gives a task its public id, wherever this object names one.
    fn rename(&self, members: &mut RawObject<'_>) -> bool {
        let mut changed = self.rename_id(members);
        for path in [&["task"][..], &["_meta", RELATED_TASK]] {
            changed |= self.rename_below(members, path);
        }
        changed
    }

    fn rename_below(&self, members: &mut RawObject<'_>, path: &[&'static str]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return self.rename_id(members);
        };
        let Some(inner) = members.get(first).map(ToOwned::to_owned) else {
            return false;
        };
        let mut inner = RawObject::parse_or_empty(Some(&inner));
        let changed = self.rename_below(&mut inner, rest);
        if changed {
            members.set(first, inner.to_raw());
        }
        changed
    }

    fn rename_id(&self, members: &mut RawObject<'_>) -> bool {
        let Some(own) = members.get_str(TASK_ID) else {
            return false;
        };
        let public = task::public_id(self.naming, &self.backend, &own);
        members.set(TASK_ID, quote(&public));
        true
    }

    fn note_uris(&self, session: &Mailbox, json: &[u8]) {
        let uris = uris(json);
        if !uris.is_empty() {
            // A session that is gone will route nothing.
            let _gone = session.cast(SessionMessage::Saw {
                backend: self.backend.clone(),
                uris,
            });
        }
    }
}

/// What most results of the modern era begin with; of others the members are looked at.
fn is_plainly_complete(json: &[u8]) -> bool {
    json.starts_with(br#"{"resultType":"complete""#)
}

/// Whether a result may say what kind it is: those of the legacy era do not.
fn has_kind(json: &[u8]) -> bool {
    std::str::from_utf8(json).is_ok_and(|text| text.contains(r#""resultType""#))
}

/// The URIs in a result, wherever they stand, but for those that nobody would ask for.
fn uris(json: &[u8]) -> Vec<String> {
    const MEMBER: &str = r#""uri""#;
    let text = std::str::from_utf8(json).unwrap_or_default();
    text.match_indices(MEMBER)
        .filter_map(|(at, _)| {
            let value = text[at + MEMBER.len()..].trim_start();
            let value = value.strip_prefix(':')?.trim_start();
            let mut strings = serde_json::Deserializer::from_str(value).into_iter::<String>();
            strings.next()?.ok()
        })
        .filter(|uri: &String| uri.len() <= URI_BYTES_MAX)
        .take(SEEN_URIS_PER_RESULT_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_found_wherever_they_stand() {
        let result = r#"{"content":[{"type":"resource_link","uri":"x:1"},
            {"resource": {"uri" : "x:\u0032","text":"say \"uri\": \"x:3\""}},{"uri":4}],"uri":"x:5"}"#;
        assert_eq!(uris(result.as_bytes()), ["x:1", "x:2", "x:5"]);
        let many = r#"{"uri":"x:1"},"#.repeat(SEEN_URIS_PER_RESULT_MAX + 1);
        assert_eq!(uris(many.as_bytes()).len(), SEEN_URIS_PER_RESULT_MAX);
    }
}
