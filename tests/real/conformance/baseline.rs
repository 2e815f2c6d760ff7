//! What need not succeed, each with the reason: `baseline.yaml`.

use std::{collections::BTreeSet, iter};

use serde::Deserialize;

use super::outcome::{Difference, Status};

const FILE: &str = include_str!("baseline.yaml");

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    server: Vec<Entry>,
    client: Vec<Entry>,
    /// Client scenarios that are not run.
    left_out: Vec<LeftOut>,
    /// Scenarios that demand an answer within less than a second: run again and again, alone, before they count as failed.
    timed: Vec<String>,
}

/// A check that may end badly.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// A `*` at its end stands for anything.
    scenario: String,
    /// All checks of the scenario, if there is none.
    check: Option<String>,
    /// The era of the backend; both, if there is none.
    backend: Option<String>,
    /// The worst end that is all right; without one it need not be made at all.
    at_worst: Option<Status>,
    /// Whether the check may as well succeed.
    #[serde(default)]
    sometimes: bool,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    scenario: String,
    reason: String,
}

impl Baseline {
    /// Reads the file; each of its entries has a reason.
    pub(super) fn read() -> Self {
        let baseline: Self = serde_yaml::from_str(FILE).unwrap();
        let entries = baseline.server.iter().chain(&baseline.client);
        let reasons = entries.map(|entry| &entry.reason);
        let left_out = baseline.left_out.iter().map(|left_out| &left_out.reason);
        assert!(reasons.chain(left_out).all(|reason| !reason.is_empty()));
        baseline
    }

    /// Whether the client scenario of this name is run.
    pub(super) fn runs(&self, scenario: &str) -> bool {
        let mut left_out = self.left_out.iter();
        !left_out.any(|left_out| matches(&left_out.scenario, scenario))
    }

    /// The scenarios among these that may just have been late, without the gateway.
    pub(super) fn late_directly(&self, differences: &[Difference]) -> BTreeSet<String> {
        self.late(iter::empty(), differences)
    }

    /// The same of a server behind which is a backend of this era.
    pub(super) fn late_server(
        &self,
        backend: &str,
        differences: &[Difference],
    ) -> BTreeSet<String> {
        self.late(self.of_server(backend), differences)
    }

    /// The same of a client.
    pub(super) fn late_client(&self, differences: &[Difference]) -> BTreeSet<String> {
        self.late(self.client.iter(), differences)
    }

    fn late<'a>(
        &self,
        entries: impl Iterator<Item = &'a Entry>,
        differences: &[Difference],
    ) -> BTreeSet<String> {
        let entries: Vec<&Entry> = entries.collect();
        let scenarios =
            unexpected(&entries, differences).map(|difference| &difference.check.scenario);
        let timed = scenarios.filter(|scenario| self.timed.contains(scenario));
        timed.cloned().collect()
    }

    /// What is left to report of a server behind which is a backend of this era.
    pub(super) fn judge_server(&self, backend: &str, differences: &[Difference]) -> Vec<String> {
        judge(self.of_server(backend), differences)
    }

    fn of_server(&self, backend: &str) -> impl Iterator<Item = &Entry> {
        let ours = move |entry: &&Entry| entry.backend.as_ref().is_none_or(|era| era == backend);
        self.server.iter().filter(ours)
    }

    /// What is left to report of a client.
    pub(super) fn judge_client(&self, differences: &[Difference]) -> Vec<String> {
        judge(self.client.iter(), differences)
    }
}

/// Differences that no entry allows, and entries that allow nothing any more.
fn judge<'a>(entries: impl Iterator<Item = &'a Entry>, differences: &[Difference]) -> Vec<String> {
    let entries: Vec<&Entry> = entries.collect();
    let unexpected = unexpected(&entries, differences).map(ToString::to_string);
    let stale = entries
        .iter()
        .filter(|entry| !entry.sometimes)
        .filter(|entry| {
            !differences
                .iter()
                .any(|difference| entry.allows(difference))
        })
        .map(|entry| format!("baseline.yaml allows what does not happen: {entry:?}"));
    unexpected.chain(stale).collect()
}

/// Differences that no entry allows.
fn unexpected<'a>(
    entries: &[&Entry],
    differences: &'a [Difference],
) -> impl Iterator<Item = &'a Difference> {
    differences
        .iter()
        .filter(|difference| !entries.iter().any(|entry| entry.allows(difference)))
}

impl Entry {
    fn allows(&self, difference: &Difference) -> bool {
        let status = difference.outcome.as_ref().map(|outcome| outcome.status);
        matches(&self.scenario, &difference.check.scenario)
            && self
                .check
                .as_ref()
                .is_none_or(|id| *id == difference.check.id)
            && match (status, self.at_worst) {
                (Some(status), Some(worst)) => status <= worst,
                // What may fail may as well depend on what failed before.
                (None, worst) => worst.is_none_or(|worst| worst == Status::Failure),
                (Some(_), None) => false,
            }
    }
}

fn matches(pattern: &str, scenario: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => scenario.starts_with(begin),
        None => pattern == scenario,
    }
}
