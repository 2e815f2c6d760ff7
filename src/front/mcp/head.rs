//! The few parameters the gateway itself reads, unparsed: one of a wrong type must not hide another.

use std::sync::OnceLock;

use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::mcp::{
    failure::Failure,
    members::Members,
    message::{Message, MessageError},
    method::subject_member,
    object::{RawObject, text},
};

/// What stands in a request's parameters for the gateway.
#[derive(Default)]
pub(super) struct Head<'a> {
    name: Option<&'a str>,
    uri: Option<&'a str>,
    task_id: Option<&'a str>,
    /// What carries the request's context.
    pub(super) meta: Meta<'a>,
    /// What the client was given to go on with an earlier request; `null` is a value, too, which the gateway never gave.
    pub(super) request_state: Option<&'a str>,
    /// What the client was asked for.
    input_responses: Option<&'a str>,
}

/// A request's `_meta`, read once for all that look into it, and not before: of most requests nobody does.
#[derive(Default)]
pub(super) struct Meta<'a> {
    text: Option<&'a str>,
    members: OnceLock<RawObject<'a>>,
}

impl<'a> Meta<'a> {
    /// As it is written.
    pub(super) const fn text(&self) -> Option<&'a str> {
        self.text
    }

    /// What is in it; nothing of what is no object.
    pub(super) fn members(&self) -> &RawObject<'a> {
        self.members.get_or_init(|| RawObject::of_text(self.text))
    }
}

impl<'a> Head<'a> {
    /// Reads what a message carries; nothing of a response.
    ///
    /// # Errors
    ///
    /// When one of them is there twice: of two, a backend might take the other one. When the name of one is no text.
    pub(super) fn of(message: &Message<'a>) -> Result<Self, MessageError> {
        match message {
            Message::Request { params, .. } | Message::Notification { params, .. } => {
                Self::read(*params)
            }
            Message::Result { .. } | Message::Error { .. } => Ok(Self::default()),
        }
    }

    fn read(params: Option<&'a RawValue>) -> Result<Self, MessageError> {
        let Some(params) = params else {
            return Ok(Self::default());
        };
        let (mut head, mut meta) = (Self::default(), None);
        for member in Members::of(params.get()) {
            // What others do not read, either, would be an empty object to them.
            let name = member.name().ok_or(MessageError::Invalid(
                "the name of a parameter is no text: an escape in it is wrong",
            ))?;
            let place = match &*name {
                "name" => &mut head.name,
                "uri" => &mut head.uri,
                "taskId" => &mut head.task_id,
                "_meta" => &mut meta,
                "requestState" => &mut head.request_state,
                "inputResponses" => &mut head.input_responses,
                _ => continue,
            };
            if place.replace(member.value).is_some() {
                return Err(MessageError::Invalid(
                    "a parameter that tells what the request is about is doubled",
                ));
            }
        }
        head.meta.text = meta;
        Ok(head)
    }

    /// What the client was asked for, and brings; nothing where it brings nothing.
    pub(super) fn brought(&self) -> RawObject<'a> {
        RawObject::of_text(self.input_responses)
    }

    /// What a request of that method is about; `None` where it is about nothing in particular.
    ///
    /// # Errors
    ///
    /// When the method needs a subject, and there is none or it is no string.
    pub(super) fn subject(&self, method: &str) -> Result<Option<SmolStr>, Failure> {
        let Some(member) = subject_member(method) else {
            return Ok(None);
        };
        let raw = match member {
            "name" => self.name,
            "uri" => self.uri,
            _ => self.task_id,
        };
        raw.and_then(text)
            .map(|text| Some(text.into()))
            .ok_or_else(|| Failure::InvalidParams {
                reason: format!("{method} needs params.{member}, a string"),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::method::{RESOURCES_READ, TASKS_GET, TOOLS_CALL, TOOLS_LIST};

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn each_method_finds_its_own_subject() {
        let params = raw(r#"{"name":"n","uri":"u:1","taskId":"t","other":1}"#);
        let head = Head::read(Some(&params)).unwrap();
        let subject = |method| head.subject(method).unwrap();
        assert_eq!(subject(TOOLS_CALL).as_deref(), Some("n"));
        assert_eq!(subject(RESOURCES_READ).as_deref(), Some("u:1"));
        assert_eq!(subject(TASKS_GET).as_deref(), Some("t"));
        assert_eq!(subject(TOOLS_LIST), None);
    }

    #[test]
    fn a_missing_subject_is_told_and_a_doubled_one_refused() {
        for params in ["{}", r#"{"uri":7}"#, r#"{"uri":null,"name":"x"}"#] {
            let params = raw(params);
            let head = Head::read(Some(&params)).unwrap();
            let words = head.subject(RESOURCES_READ).unwrap_err().to_string();
            assert_eq!(
                words,
                "invalid params: resources/read needs params.uri, a string"
            );
        }
        for member in ["name", "uri", "taskId", "_meta", "requestState"] {
            let params = raw(&format!(r#"{{"{member}":"a","{member}":"b"}}"#));
            assert!(Head::read(Some(&params)).is_err(), "{member}");
        }
        let params = raw(r#"{"name":"x","\ud800":1}"#);
        assert!(Head::read(Some(&params)).is_err(), "no text");
    }
}
