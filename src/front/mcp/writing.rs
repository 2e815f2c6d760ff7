//! A response message that goes out in parts, while its result still arrives.

use bytes::Bytes;

use crate::{
    mcp::{
        editing::Editing,
        event::ResultBody,
        message::{RequestId, frame_result},
    },
    pieces::Pieces,
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
    pub(super) fn begin(encode: &impl Encode, id: &RequestId, first: ResultBody) -> (Self, Pieces) {
        let (before, after) = frame_result(id);
        let (first, editing) = match encode.parts(&first) {
            Parts::AsTheyAre(told) => (told, None),
            Parts::Edited(edit) => (first.json, Some(Editing::new(edit))),
        };
        let mut writing = Self { after, editing };
        let mut begin = Pieces::from(before);
        writing.through(first, &mut begin);
        (writing, begin)
    }

    /// A further part of the result as its client is told it; nothing where all of it is held back.
    pub(super) fn further(&mut self, part: Bytes) -> Pieces {
        let mut told = Pieces::default();
        self.through(part, &mut told);
        told
    }

    /// The end of the message, with the last part of the result.
    pub(super) fn end(mut self, last: Bytes) -> Pieces {
        let mut told = self.further(last);
        told.add(self.after);
        told
    }

    fn through(&mut self, part: Bytes, told: &mut Pieces) {
        match &mut self.editing {
            None => told.add(part),
            Some(editing) => {
                for piece in editing.feed(&part) {
                    told.add(piece);
                }
            }
        }
    }
}
