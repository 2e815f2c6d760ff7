//! What a step of an exchange means for its answer.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::StatusCode;

use super::encode::Response;
use crate::pieces::Pieces;

/// What a step means for the answer.
pub(super) enum Taken {
    /// The client does not hear of it.
    Nothing,
    /// A message that comes before the answer.
    Message(Bytes),
    /// A part of the response message.
    Part(Pieces),
    /// The response message, and the status if none is sent yet; `None` when the client wants none.
    Whole(StatusCode, Option<Response>),
    /// The last part of the response message.
    LastPart(Pieces),
    /// The response message will never be complete.
    Broken,
}

impl Taken {
    /// Breaks with the message that it is, or with none where there will be none; else there is more to come.
    pub(super) fn whole(self) -> ControlFlow<Option<Bytes>> {
        ControlFlow::Break(match self {
            Self::Nothing => return ControlFlow::Continue(()),
            Self::Message(message) => Some(message),
            Self::Part(pieces) | Self::LastPart(pieces) => Some(pieces.whole()),
            Self::Whole(_, message) => message.map(Response::whole),
            Self::Broken => None,
        })
    }
}
