//! Runs a gateway under callgrind twice, once with more calls than the other time, and takes the difference: what start, set-up and
//! end cost cancels out.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::{
    RunError, backend,
    client::Client,
    options::{Era, Options},
};

/// Calls before any is counted: pools are filled and tables have grown then.
const WARM_UP: u64 = 200;
/// What the gateway prints before its address.
const ANNOUNCEMENT: &str = "listening on http://";
/// What callgrind writes before the sum, into its log and its own files.
const SUM: &str = "Collected : ";

/// What was counted.
pub(crate) struct Counted {
    /// Of one call.
    pub(crate) instructions: u64,
}

/// Counts what one call of that era costs.
pub(crate) fn of_one_call(options: &Options, era: Era) -> Result<Counted, RunError> {
    let few = run(options, era, WARM_UP, "few")?;
    let calls = options.calls.get();
    let many = run(options, era, WARM_UP + calls, "many")?;
    Ok(Counted {
        instructions: many.saturating_sub(few) / calls,
    })
}

/// A gateway under callgrind. Dropped, it is killed.
struct Gateway {
    child: Child,
    authority: String,
}

/// All instructions of a gateway that carries out so many calls.
fn run(options: &Options, era: Era, calls: u64, which: &str) -> Result<u64, RunError> {
    let folder = tempfile::Builder::new()
        .prefix("gateway-instructions-")
        .tempdir()
        .map_err(RunError::doing("making a folder"))?;
    let backend = backend::start(era).map_err(RunError::doing("starting the fake backend"))?;
    let registry =
        format!("providers:\n  fake:\n    url: http://{backend}/mcp\n    auth: {{ type: none }}\n");
    let written = fs::write(folder.path().join("registry.yaml"), registry);
    written.map_err(RunError::doing("writing the registry"))?;
    let gateway = Gateway::start(options, &folder)?;
    let mut client = Client::open(&gateway.authority, era, "fake")?;
    for _ in 0..calls {
        client.call("fake.echo")?;
    }
    drop(client);
    gateway.end()?;
    let counted = sum(folder.path())?;
    if let Some(kept) = &options.profile {
        let name = format!("callgrind.{era}.{which}");
        let copied = fs::create_dir_all(kept)
            .and_then(|()| fs::copy(folder.path().join("callgrind.out"), kept.join(name)));
        copied.map_err(RunError::doing("keeping callgrind's file"))?;
    }
    Ok(counted)
}

impl Gateway {
    /// Starts it as a user would, but on one worker thread, which makes the counts repeat.
    fn start(options: &Options, folder: &TempDir) -> Result<Self, RunError> {
        let built = || PathBuf::from(env!("CARGO_BIN_EXE_mcp-gateway"));
        let program = options.gateway.clone().unwrap_or_else(built);
        let program = fs::canonicalize(&program)
            .map_err(RunError::doing(format!("finding {}", program.display())))?;
        let within = |name: &str| folder.path().join(name);
        let log = File::create(within("gateway.log"))
            .map_err(RunError::doing("making the gateway's log"))?;
        let option = |name: &str, file: &str| format!("--{name}={}", within(file).display());
        let database = format!("sqlite://{}?mode=rwc", within("gateway.db").display());
        let mut child = Command::new("valgrind")
            .args([
                "--tool=callgrind",
                &option("callgrind-out-file", "callgrind.out"),
            ])
            .arg(option("log-file", "callgrind.log"))
            .arg(program)
            .args(["--host", "127.0.0.1", "--port", "0", "--log-level", "info"])
            .args(["--database-url", &database, "--registry"])
            .arg(within("registry.yaml"))
            // A machine that stands still must not make it give its backend up.
            .args(["--connect-timeout", "1m", "--handshake-timeout", "1m"])
            .args(["--worker-threads", "1"])
            .current_dir(folder.path())
            // A key or a log filter meant for another gateway has no place here.
            .env_remove("GATEWAY_SECRET_KEY")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(RunError::doing("starting valgrind, which must be there"))?;
        let output = child.stdout.take();
        let mut gateway = Self {
            child,
            authority: String::new(),
        };
        let mut lines = BufReader::new(output.ok_or_else(|| wrong("it has no output"))?).lines();
        for line in lines.by_ref() {
            let line = line.map_err(RunError::doing("reading what the gateway prints"))?;
            if let Some((_, address)) = line.split_once(ANNOUNCEMENT) {
                let authority = address.split(['/', ' ']).next().unwrap_or_default();
                authority.clone_into(&mut gateway.authority);
                break;
            }
        }
        if gateway.authority.is_empty() {
            let log = fs::read_to_string(within("gateway.log")).unwrap_or_default();
            return Err(wrong(&format!("it ended before it listened:\n{log}")));
        }
        // A pipe that nobody reads would hold the gateway up.
        thread::spawn(move || lines.for_each(drop));
        Ok(gateway)
    }

    /// Has it end, so that callgrind writes down what it counted.
    fn end(mut self) -> Result<(), RunError> {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        told.map_err(RunError::doing("telling the gateway to stop"))?;
        let ended = self.child.wait();
        let ended = ended.map_err(RunError::doing("waiting for the gateway's end"))?;
        if ended.success() {
            return Ok(());
        }
        Err(wrong(&format!("it ended with {ended}")))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It has ended, unless something went wrong before.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The sum that callgrind wrote into its log.
fn sum(folder: &Path) -> Result<u64, RunError> {
    let log = fs::read_to_string(folder.join("callgrind.log"))
        .map_err(RunError::doing("reading callgrind's log"))?;
    let sum = log
        .lines()
        .find_map(|line| line.split_once(SUM))
        .map(|(_, sum)| sum.trim());
    let sum = sum.and_then(|sum| sum.parse().ok());
    sum.ok_or_else(|| RunError::Wrong(format!("callgrind counted nothing:\n{log}")))
}

fn wrong(what: &str) -> RunError {
    RunError::Wrong(format!("the gateway under valgrind: {what}"))
}
