//! Exchanges that wait for their client's answer: the client has been told, and will ask again.

use crate::{
    channel::Receiver,
    mcp::{
        event::{Event, Question},
        name::BackendName,
    },
};

use super::exchange::InFlight;

/// An exchange whose work is under way while its client gathers what was asked.
pub struct Parked {
    /// The rest of its events.
    pub received: Receiver<Event>,
    /// The hold on it; dropped, it takes the request back.
    pub in_flight: InFlight,
    /// What was asked, by the keys that the client was given.
    pub questions: Vec<(String, Question)>,
}

/// How a request goes on that its client sends once more.
pub enum TakenUp {
    /// It is no such request.
    New,
    /// It goes on where it was parked.
    Parked(Parked),
    /// It goes on at this backend, which kept its state in the client's hands.
    Pinned {
        /// Which one.
        backend: BackendName,
        /// The backend's own `requestState`.
        state: String,
    },
}
