//! The Inspector's command line: a process of its own for each request.

use std::{ffi::OsString, process::Command, time::Duration};

use serde_json::Value;

use crate::{install::Node, process::Process};

/// Only ends a test that hangs.
const DEADLINE: Duration = Duration::from_mins(4);

/// The Inspector before one endpoint, in one era.
pub(crate) struct Inspector {
    /// The program and its arguments.
    program: Vec<OsString>,
    endpoint: String,
    era: &'static str,
}

impl Inspector {
    /// `era` is `legacy` or `modern`. `None`, after saying so, where it cannot be installed.
    pub(crate) fn installed(endpoint: &str, era: &'static str) -> Option<Self> {
        let command = Node::inspector()?;
        let program = [command.get_program()]
            .into_iter()
            .chain(command.get_args());
        Some(Self {
            program: program.map(ToOwned::to_owned).collect(),
            endpoint: endpoint.to_owned(),
            era,
        })
    }

    /// Makes a request with these flags: its result.
    pub(crate) async fn request(&self, method: &str, flags: &[&str]) -> Value {
        let mut command = Command::new(&self.program[0]);
        command
            .args(&self.program[1..])
            .args(["--cli", &self.endpoint, "--transport", "http"])
            .args(["--protocol-era", self.era, "--format", "json"])
            .args(["--method", method])
            .args(flags);
        let mut process = Process::start("the Inspector", command);
        let (went_well, said) = (process.ended(DEADLINE).await, process.stdout());
        assert!(went_well, "{method}: {said}{}", process.stderr());
        let mut said: Value = serde_json::from_str(&said).unwrap();
        said["result"].take()
    }
}
