//! The scenarios: each is the options that repeat it by itself, and what the gateway must reach.

use serde::Serialize;

use super::{Demand, SuiteOptions};
use crate::contest::Setting;
use crate::fault::RunError;
use crate::options::Options;
use crate::side::Kind::{Direct, Nginx};

/// Rounds, short and long.
const QUICK: &str = "--rounds 7 --duration 3500ms --warmup 200ms";
const THOROUGH: &str = "--rounds 5 --duration 15s --warmup 1s";

#[derive(Debug, Serialize)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    #[serde(skip)]
    pub(super) demands: Vec<Demand>,
    /// What the plots draw this against.
    pub(super) axis: Option<Axis>,
}

/// The work of a scenario, or one of several works that it compares.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) label: String,
    /// Its options as a command line.
    pub(super) line: String,
    #[serde(skip)]
    pub(super) options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Axis {
    Connections,
    Sessions,
}

impl Scenario {
    /// Whether it compares the gateway with itself.
    pub(super) fn is_growth(&self) -> bool {
        self.steps.len() > 1
    }

    pub(super) fn settings(&self) -> Vec<Setting> {
        let setting = |step: &Step| Setting {
            label: step.label.clone(),
            options: step.options.clone(),
        };
        self.steps.iter().map(setting).collect()
    }
}

/// All scenarios, in the order they are run.
pub(super) fn all(options: &SuiteOptions) -> Result<Vec<Scenario>, RunError> {
    let book = Book(options);
    let mut all = Vec::new();
    book.calls(&mut all)?;
    book.others(&mut all)?;
    book.growth(&mut all)?;
    Ok(all)
}

struct Book<'a>(&'a SuiteOptions);

impl Book<'_> {
    /// Small calls, in both eras.
    fn calls(&self, all: &mut Vec<Scenario>) -> Result<(), RunError> {
        let more: &[u32] = if self.0.quick { &[] } else { &[4, 256] };
        for (era, flag) in [("2025-11-25", ""), ("2026-07-28", " --era modern")] {
            for backends in [1, 3] {
                let mut counts = vec![1, 16, 64];
                if backends == 1 && flag.is_empty() {
                    counts.extend(more);
                    counts.sort_unstable();
                }
                for count in counts {
                    let name = format!(
                        "tools/call {era}, {}, {}",
                        many(count, "connection"),
                        many(backends, "backend")
                    );
                    let line = format!("--connections {count} --backends {backends}{flag}");
                    let demands = match count {
                        1 => vec![Demand::P50Added(Nginx, 0.06)],
                        16 | 64 => vec![Demand::Throughput(Nginx, 0.55), Demand::Cpu(Nginx, 2.0)],
                        _ => Vec::new(),
                    };
                    let mut scenario = self.one(&name, &line, demands)?;
                    let is_drawn = backends == 1 && flag.is_empty();
                    scenario.axis = is_drawn.then_some(Axis::Connections);
                    all.push(scenario);
                }
            }
        }
        Ok(())
    }

    /// Everything else that sides are compared in.
    fn others(&self, all: &mut Vec<Scenario>) -> Result<(), RunError> {
        let list = "--mode tools-list --backends 3 --tools 100";
        let at_least = |to, times| vec![Demand::Throughput(to, times)];
        let slow = vec![Demand::P50Added(Direct, 0.5), Demand::P99Added(Direct, 2.0)];
        let rows = [
            (
                "initialize, initialized, DELETE; 3 backends",
                "--mode initialize --backends 3",
                at_least(Nginx, 0.6),
            ),
            (
                "server/discover; 3 backends",
                "--mode initialize --backends 3 --era modern",
                Vec::new(),
            ),
            (
                "tools/list 2025-11-25, 3 × 100 tools",
                list,
                at_least(Direct, 1.0),
            ),
            (
                "tools/list 2026-07-28, 3 × 100 tools",
                "--mode tools-list --backends 3 --tools 100 --era modern",
                at_least(Direct, 1.0),
            ),
            (
                "results of 100 KB",
                "--payload 100000",
                at_least(Nginx, 0.8),
            ),
            (
                "results of 1 MB",
                "--payload 1000000 --connections 8",
                at_least(Nginx, 0.8),
            ),
            (
                "streamed answers, 3 progress events",
                "--answers sse --progress 3",
                at_least(Nginx, 0.8),
            ),
            (
                "backend that takes 20 ms, 64 connections",
                "--delay 20ms --connections 64",
                slow,
            ),
        ];
        for (name, line, demands) in rows {
            all.push(self.one(name, line, demands)?);
        }
        Ok(())
    }

    /// The gateway beside itself: what must not grow with what.
    fn growth(&self, all: &mut Vec<Scenario>) -> Result<(), RunError> {
        let flat = || vec![Demand::CpuFlat(0.15)];
        let sessions = |count| format!("--connections 64 --sessions {count}");
        let mut scenario = self.several(
            "CPU of a call by live sessions",
            &[1, 100, 1000, 10_000].map(|count| (many(count, "session"), sessions(count))),
            flat(),
        )?;
        scenario.axis = Some(Axis::Sessions);
        all.push(scenario);
        let backends = |count| format!("--backends {count}");
        all.push(self.several(
            "CPU of a call by backends of a session",
            &[1, 5, 50].map(|count| (many(count, "backend"), backends(count))),
            flat(),
        )?);
        let tools = |count| format!("--tools {count}");
        all.push(self.several(
            "CPU of a call by tools",
            &[10, 200, 2000].map(|count| (many(count, "tool"), tools(count))),
            flat(),
        )?);
        let bytes = |count| format!("--connections 8 --payload {count}");
        all.push(
            self.several(
                "memory by size of a result",
                &[
                    ("10 KB", 10_000),
                    ("1 MB", 1_000_000),
                    ("10 MB", 10_000_000),
                ]
                .map(|(label, count)| (label.to_owned(), bytes(count))),
                vec![Demand::MemoryFlat(0.15)],
            )?,
        );
        let live = |count| format!("--era modern --backends 3 --connections 64 --sessions {count}");
        all.push(self.several(
            "memory by live sessions of 3 backends",
            &[1, 10_000].map(|count| (many(count, "session"), live(count))),
            vec![Demand::SessionKib(32.0), Demand::MemoryMib(400.0)],
        )?);
        Ok(())
    }

    fn one(&self, name: &str, line: &str, demands: Vec<Demand>) -> Result<Scenario, RunError> {
        self.several(name, &[(String::new(), line.to_owned())], demands)
    }

    fn several(
        &self,
        name: &str,
        steps: &[(String, String)],
        demands: Vec<Demand>,
    ) -> Result<Scenario, RunError> {
        let pace = if self.0.quick { QUICK } else { THOROUGH };
        let step = |(label, line): &(String, String)| {
            let line = format!("{line} {pace}");
            let mut options = Options::of(&line)?;
            options.gateway.clone_from(&self.0.gateway);
            let label = label.clone();
            Ok(Step {
                label,
                line,
                options,
            })
        };
        Ok(Scenario {
            name: name.to_owned(),
            steps: steps.iter().map(step).collect::<Result<_, RunError>>()?,
            demands,
            axis: None,
        })
    }
}

fn many(count: u32, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
