//! What became of calls that carry a mark of their own: the argument `token`.

use std::collections::HashMap;

use super::{FakeBackend, record::Recorded, stage::State, work::Call};

/// Marked calls, by their marks.
#[derive(Default)]
pub(super) struct Marks {
    runs: HashMap<String, usize>,
    credentials: HashMap<String, String>,
}

/// Notes with whose credential a marked call came.
pub(super) fn hear(state: &mut State, heard: &Recorded) {
    if heard.method() != Some("tools/call") {
        return;
    }
    let params = heard.params();
    if let Some(mark) = params["arguments"]["token"].as_str() {
        let credential = heard.header("authorization").unwrap_or_default();
        let marks = &mut state.marks.credentials;
        marks.insert(mark.to_owned(), credential.to_owned());
    }
}

/// Notes that a marked call begins to run.
pub(super) fn run(state: &mut State, call: &Call) {
    if let Some(mark) = call.argument("token").as_str() {
        *state.marks.runs.entry(mark.to_owned()).or_default() += 1;
    }
}

impl FakeBackend {
    /// How often a tool began to run for a call whose argument `token` is this.
    pub fn runs_of(&self, mark: &str) -> usize {
        let runs = |state: &State| state.marks.runs.get(mark).copied();
        self.stage.read(runs).unwrap_or(0)
    }

    /// The `Authorization` that a call came with whose argument `token` is this.
    pub fn credential_of(&self, mark: &str) -> Option<String> {
        self.stage
            .read(|state| state.marks.credentials.get(mark).cloned())
    }
}
