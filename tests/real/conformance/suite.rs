//! The suite as a program: which scenarios it has, and how they are run.

use std::{process::Command, time::Duration};

use tokio::sync::Semaphore;

use super::outcome::Outcomes;
use crate::{install::Node, process::Process};

/// Only ends a test that hangs: a run has dozens of scenarios.
const DEADLINE: Duration = Duration::from_mins(20);
/// How long a scenario may take, of its own half a minute, where the machine stands still.
const SCENARIO_MS: &str = "120000";
/// Scenarios mostly wait, but they measure time, too: with more at once a small machine is late.
static SLOTS: Semaphore = Semaphore::const_new(ALL_SLOTS as usize);
pub(super) const ALL_SLOTS: u32 = 3;
/// Below the working folder of the suite.
const RESULTS: &str = "results";

/// The official suite.
pub(super) struct Suite {
    pub(super) node: Node,
}

/// Who is tested.
#[derive(Clone, Copy)]
pub(super) enum Role {
    Server,
    Client,
}

/// A scenario of the suite.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// The revisions that it is for; none if it is about an extension, which has no revision.
    pub(super) revisions: Vec<String>,
}

impl Suite {
    /// Installs it if need be. `None`, after saying so, where that is not possible.
    pub(super) fn installed() -> Option<Self> {
        let node = Node::installed()?;
        node.conformance_suite()?;
        Some(Self { node })
    }

    /// Every scenario it has.
    pub(super) async fn scenarios(&self, role: Role) -> Vec<Scenario> {
        let flag = match role {
            Role::Server => "--server",
            Role::Client => "--client",
        };
        let mut process = Process::start("the official suite", self.command(&["list", flag]));
        assert!(process.ended(DEADLINE).await, "{}", process.stderr());
        let said = process.stdout();
        let scenarios: Vec<Scenario> = said.lines().filter_map(Scenario::listed).collect();
        assert!(!scenarios.is_empty(), "{said}");
        scenarios
    }

    /// Tests the server at `url` with the scenarios that `selection` picks, while so many slots' others wait.
    pub(super) async fn test_server(&self, url: &str, selection: &[&str], slots: u32) -> Outcomes {
        let server = [
            "server",
            "--url",
            url,
            "--timeout",
            SCENARIO_MS,
            "-o",
            RESULTS,
        ];
        let command = self.command(&[&server, selection].concat());
        let process = run(command, slots).await;
        Outcomes::read(&process.folder().join(RESULTS), "server-")
    }

    /// Tests the gateway with one scenario for clients; it is used by a client of this era.
    pub(super) async fn test_client(
        &self,
        scenario: &Scenario,
        era: &str,
        revision: Option<&str>,
        slots: u32,
    ) -> Outcomes {
        let name = &scenario.name;
        let driver = self.node.script("conformance-client.mjs");
        // A shell reads it.
        let driver = format!("node '{}' {era}", driver.display());
        let mut command = self.command(&["client", "--command", &driver, "-o", RESULTS]);
        command.args(["--scenario", name, "--timeout", SCENARIO_MS]);
        command.env("GATEWAY", env!("CARGO_BIN_EXE_mcp-gateway"));
        if let Some(revision) = revision {
            command.args(["--spec-version", revision]);
        }
        let process = run(command, slots).await;
        let mut outcomes = Outcomes::read(&process.folder().join(RESULTS), "");
        // To the suite this is no check.
        if let Some((_, said)) = process.stderr().split_once("Client exited with code") {
            let errors = said.lines().filter(|line| line.contains("Error: "));
            outcomes.fail(name, &errors.collect::<Vec<_>>().join("; "));
        }
        outcomes
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.node.conformance_suite().unwrap();
        let patient = self.node.script("patient.mjs");
        command.args(arguments).env(
            "NODE_OPTIONS",
            format!("--import=\"{}\"", patient.display()),
        );
        command
    }
}

impl Scenario {
    /// Reads a line such as `  - ping [2025-06-18,2025-11-25]` or `  - tasks-lifecycle [extension]`.
    fn listed(line: &str) -> Option<Self> {
        let (name, tags) = line.trim().strip_prefix("- ")?.split_once(" [")?;
        let tags = tags.strip_suffix(']')?.split(',');
        Some(Self {
            name: name.to_owned(),
            revisions: tags
                .filter(|tag| *tag != "extension")
                .map(ToOwned::to_owned)
                .collect(),
        })
    }

    /// Each of its revisions, or none once.
    pub(super) fn runs(&self) -> impl Iterator<Item = Option<&str>> {
        let none = self.revisions.is_empty().then_some(None);
        let revisions = self.revisions.iter().map(|revision| Some(&**revision));
        revisions.chain(none)
    }
}

/// Runs the suite to its end. It ends with an error if a check failed, which is for the caller to find out.
async fn run(command: Command, slots: u32) -> Process {
    let _slots = SLOTS.acquire_many(slots).await.unwrap();
    let mut process = Process::start("the official suite", command);
    process.ended(DEADLINE).await;
    process
}
