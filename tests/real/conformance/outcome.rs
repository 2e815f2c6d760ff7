//! What the suite found out: its checks, and how those of two runs differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use serde::Deserialize;

use super::suite::Scenario;

/// How a check ended, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Status {
    Success,
    /// Optional, and not made use of; or a line of the suite's log.
    Info,
    /// Did not apply, or could not be tried.
    Skipped,
    /// A SHOULD is not kept.
    Warning,
    Failure,
}

/// Which check. Ids and names occur several times in a scenario; then the worst counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Check {
    pub(super) scenario: String,
    pub(super) id: String,
    pub(super) name: String,
}

/// How a check ended, and what the suite says of it.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) status: Status,
    message: String,
}

/// All checks of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcomes(BTreeMap<Check, Outcome>);

/// A check that should have ended otherwise.
#[derive(Debug)]
pub(super) struct Difference {
    run: String,
    pub(super) check: Check,
    /// `None` if it was not made at all.
    pub(super) outcome: Option<Outcome>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    id: String,
    name: String,
    status: Status,
    error_message: Option<String>,
}

impl Outcomes {
    /// Reads what the suite wrote below `folder`: one folder a scenario, called `<prefix><scenario>-<time>`.
    pub(super) fn read(folder: &Path, prefix: &str) -> Self {
        const TIME: usize = "-2026-07-28T00-00-00-000Z".len();
        let mut outcomes = Self::default();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let scenario = name.strip_prefix(prefix).unwrap();
            let checks = fs::read_to_string(entry.path().join("checks.json")).unwrap_or_default();
            let checks: Vec<Written> = serde_json::from_str(&checks).unwrap_or_default();
            outcomes.add(&scenario[..scenario.len() - TIME], checks);
        }
        outcomes
    }

    fn add(&mut self, scenario: &str, checks: Vec<Written>) {
        if checks.is_empty() {
            self.fail(scenario, "the scenario wrote no checks");
        }
        for written in checks {
            let check = Check {
                scenario: scenario.to_owned(),
                id: written.id,
                name: written.name,
            };
            let outcome = Outcome {
                status: written.status,
                message: written.error_message.unwrap_or_default(),
            };
            let worst = self.0.entry(check).or_insert_with(|| outcome.clone());
            if outcome.status > worst.status {
                *worst = outcome;
            }
        }
    }

    /// Adds a check of ours that failed.
    pub(super) fn fail(&mut self, scenario: &str, message: &str) {
        let check = Check {
            scenario: scenario.to_owned(),
            id: "ran-to-its-end".to_owned(),
            name: String::new(),
        };
        let outcome = Outcome {
            status: Status::Failure,
            message: message.to_owned(),
        };
        self.0.insert(check, outcome);
    }

    /// The names of the scenarios that ran.
    pub(super) fn scenarios(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|check| check.scenario.as_str())
    }

    /// Forgets the checks of all other scenarios.
    pub(super) fn keep(&mut self, scenarios: &[Scenario]) {
        self.0.retain(|check, _| {
            let mut kept = scenarios.iter();
            kept.any(|scenario| scenario.name == check.scenario)
        });
    }

    /// Takes the checks of one scenario from another run.
    pub(super) fn replace(&mut self, scenario: &str, other: Self) {
        self.0.retain(|check, _| check.scenario != scenario);
        self.0.extend(other.0);
    }

    /// The checks that succeed here and do not in `other`, and those that end badly in `other` alone.
    pub(super) fn lost_in(&self, other: &Self, run: &str) -> Vec<Difference> {
        let here = |check| self.0.get(check).map(|outcome| outcome.status);
        let there = |check| other.0.get(check).map(|outcome| outcome.status);
        let checks: BTreeSet<&Check> = self.0.keys().chain(other.0.keys()).collect();
        checks
            .into_iter()
            .filter(|check| match here(check) {
                Some(Status::Success) => there(check) != Some(Status::Success),
                Some(status) => there(check).is_some_and(|other| other > status),
                None => there(check) > Some(Status::Skipped),
            })
            .map(|check| other.difference(check, run))
            .collect()
    }

    /// The checks that end worse than with a remark.
    pub(super) fn bad(&self, run: &str) -> Vec<Difference> {
        self.0
            .iter()
            .filter(|(_, outcome)| outcome.status > Status::Info)
            .map(|(check, _)| self.difference(check, run))
            .collect()
    }

    fn difference(&self, check: &Check, run: &str) -> Difference {
        Difference {
            run: run.to_owned(),
            check: check.clone(),
            outcome: self.0.get(check).cloned(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { scenario, id, name } = &self.check;
        write!(formatter, "{}: {scenario}: {id} ({name}): ", self.run)?;
        match &self.outcome {
            None => write!(formatter, "not checked"),
            Some(Outcome { status, message }) => {
                // Some messages have whole JSON documents in them.
                let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
                write!(formatter, "{status:?} {line:.200}")
            }
        }
    }
}
