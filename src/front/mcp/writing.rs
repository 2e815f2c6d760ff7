//! A response message that goes out in parts, while its result still arrives.

use bytes::Bytes;

use crate::mcp::{
    editing::Editing,
    event::ResultBody,
    message::{RequestId, frame_result},
};

use super::encode::{Encode, Parts};

/// A response message of which a part is out.
pub(super) struct Writing {
    /// What is written behind the result.
    after: Bytes,
    /// What changes on the way; `None` for nothing.
    editing: Option<Editing>,
}

impl Writing {
    /// Begins with the first part of a result, and gives the beginning of the message.
    pub(super) fn begin(encode: &impl Encode, id: &RequestId, first: ResultBody) -> (Self, Bytes) {
        let (before, after) = frame_result(id);
        let (first, editing) = match encode.parts(&first) {
            Parts::AsTheyAre(told) => (told, None),
            Parts::Edited(edit) => (first.json, Some(Editing::new(edit))),
        };
        let mut writing = Self { after, editing };
        let begin = [before, writing.through(first)].concat().into();
        (writing, begin)
    }

    /// A further part of the result as its client is told it; nothing where all of it is held back.
    pub(super) fn through(&mut self, part: Bytes) -> Bytes {
        let Some(editing) = &mut self.editing else {
            return part;
        };
        let mut told = editing.feed(&part);
        if told.len() == 1 {
            // The usual case, without a copy.
            return told.pop().unwrap_or_default();
        }
        told.concat().into()
    }

    /// The end of the message, with the last part of the result.
    pub(super) fn end(mut self, last: Bytes) -> Bytes {
        let last = self.through(last);
        [last, self.after].concat().into()
    }
}
