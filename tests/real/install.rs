//! Installs the pinned npm and `PyPI` parts below the target directory, once for each state of their lock files.
//!
//! Several test processes may come at the same time: the first installs, the others wait at a file lock.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    slice, thread,
};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// Why the parts cannot be installed, for a person.
pub(crate) type Failure = Box<dyn Error>;

/// Where the lock files and scripts of Node and Python stand.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real");
pub(crate) const OLDEST_NODE: u32 = 20;
/// That of the official suite and the Inspector.
const NEWER_NODE: u32 = 22;
/// The minor version after `3.`.
const OLDEST_PYTHON: u32 = 10;
/// How often an installing command is tried: what it fetches from may be away for a moment.
const TRIES: usize = 3;

/// Node with the npm parts.
#[derive(Clone)]
pub(crate) struct Node {
    folder: PathBuf,
}

impl Node {
    /// Installs the npm parts if need be. `None`, after saying so, where that is not possible.
    pub(crate) fn installed() -> Option<Self> {
        or_skipped(Self::install())
    }

    fn install() -> Result<Self, Failure> {
        at_least("node", 0, OLDEST_NODE)?;
        let sources = Path::new(SOURCES).join("node");
        let folder = install_npm_packages("node", &sources)?;
        // Node looks for packages from the real place of a script upwards.
        for file in fs::read_dir(&sources)? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "mjs") {
                copy(&file, &folder)?;
            }
        }
        Ok(Self { folder })
    }

    /// A command that runs the official suite. `None`, after saying so, where that is not possible.
    pub(crate) fn conformance_suite(&self) -> Option<Command> {
        let suite = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
        or_skipped(newer_node(&self.script(suite)))
    }

    /// A command that runs the Inspector's command line. `None`, after saying so, where that is not possible.
    pub(crate) fn inspector() -> Option<Command> {
        let install = || {
            let sources = Path::new(SOURCES).join("node/inspector");
            let folder = install_npm_packages("inspector", &sources)?;
            let inspector = "node_modules/@modelcontextprotocol/inspector";
            newer_node(
                &folder
                    .join(inspector)
                    .join("clients/launcher/build/index.js"),
            )
        };
        or_skipped(install())
    }

    /// A line of a shell that runs a client in which an entry of ours is pasted. `None`, after saying so, where it cannot
    /// be installed.
    pub(crate) fn pasted_into(client: PastedInto) -> Option<String> {
        let (name, script) = match client {
            PastedInto::ClaudeCode => ("claude-code", "@anthropic-ai/claude-code/cli-wrapper.cjs"),
            PastedInto::Codex => ("codex", "@openai/codex/bin/codex.js"),
            PastedInto::GeminiCli => ("gemini-cli", "@google/gemini-cli/bundle/gemini.js"),
        };
        let install = || {
            at_least("node", 0, OLDEST_NODE)?;
            let sources = Path::new(SOURCES).join("node").join(name);
            let folder = install_npm_packages(name, &sources)?;
            let script = folder.join("node_modules").join(script);
            Ok(format!("exec node '{}' \"$@\"", script.display()))
        };
        or_skipped(install())
    }

    /// A command that runs a script of ours, or a file of a package by its path from `node_modules` on.
    pub(crate) fn command(&self, file: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.script(file));
        command
    }

    /// Where a script of ours, or a file of a package, stands.
    pub(crate) fn script(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Like [`Self::command`], but the process stays on loopback and ends when its stdin ends.
    pub(crate) fn server(&self, file: &str) -> Command {
        let mut command = Command::new("node");
        command
            .arg("--import")
            .arg(self.folder.join("leash.mjs"))
            .arg(self.folder.join(file));
        command
    }
}

/// Clients of which each is a package of its own, some of hundreds of MB.
#[derive(Clone, Copy)]
pub(crate) enum PastedInto {
    ClaudeCode,
    Codex,
    GeminiCli,
}

/// Python with one generation of the SDK; both cannot live in one environment.
#[derive(Clone)]
pub(crate) struct Python {
    folder: PathBuf,
}

impl Python {
    /// Installs the SDK 1 if need be. `None`, after saying so, where that is not possible.
    pub(crate) fn with_sdk_1() -> Option<Self> {
        or_skipped(Self::install("sdk-1"))
    }

    /// Installs the SDK 2 and `FastMCP` if need be. `None`, after saying so, where that is not possible.
    pub(crate) fn with_sdk_2() -> Option<Self> {
        or_skipped(Self::install("sdk-2"))
    }

    fn install(generation: &str) -> Result<Self, Failure> {
        at_least("python3", 1, OLDEST_PYTHON)?;
        let pins = Path::new(SOURCES).join(format!("python/requirements-{generation}.txt"));
        let folder = install_once(
            &format!("python-{generation}"),
            slice::from_ref(&pins),
            |folder| {
                run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
                run(Command::new(folder.join("bin/python"))
                    .args(["-m", "pip", "install", "--disable-pip-version-check", "-r"])
                    .arg(&pins))
            },
        )?;
        Ok(Self { folder })
    }

    /// A command that runs a script of ours.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new(self.folder.join("bin/python"));
        // The scripts import each other where they stand, and nothing may be written there.
        command
            .arg("-B")
            .arg(Path::new(SOURCES).join("python").join(script));
        command
    }
}

/// A command that runs a collector of traces, which says what it was told. `None`, after saying so, where that is not
/// possible.
pub(crate) fn collector() -> Option<Command> {
    let install = || {
        let python = Python::install("collector")?;
        // By the version of Python that made the folder.
        for library in fs::read_dir(python.folder.join("lib"))? {
            let program = library?.path().join("site-packages/rotel/rotel-agent");
            if program.exists() {
                return Ok(Command::new(program));
            }
        }
        Err("the package has no rotel-agent".into())
    };
    or_skipped(install())
}

/// A command that runs a script under a Node that is new enough for all of them: the machine's own, or one installed
/// for this.
fn newer_node(script: &Path) -> Result<Command, Failure> {
    let node = if at_least("node", 0, NEWER_NODE).is_ok() {
        PathBuf::from("node")
    } else {
        install_npm_packages("node-22", &Path::new(SOURCES).join("node/runtime"))?
            .join("node_modules/.bin/node")
    };
    let mut command = Command::new(node);
    command.arg(script);
    Ok(command)
}

/// What a test needs, or nothing, said loudly. Where `CI` is `true` a test must not be skipped.
pub(crate) fn or_skipped<T>(installed: Result<T, Failure>) -> Option<T> {
    let why = match installed {
        Ok(parts) => return Some(parts),
        Err(why) => why,
    };
    assert!(env::var("CI").as_deref() != Ok("true"), "{why}");
    let test = thread::current().name().unwrap_or("a test").to_owned();
    // Not with `eprintln!`: the output of a test that passes is hidden, and a skipped test passes.
    let line = format!("SKIPPED {test}: {why}\n");
    io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

/// The folder with the npm packages that the lock file in `sources` pins.
pub(crate) fn install_npm_packages(name: &str, sources: &Path) -> Result<PathBuf, Failure> {
    let locks = ["package.json", "package-lock.json", ".npmrc"].map(|lock| sources.join(lock));
    install_once(name, &locks, |folder| {
        for lock in &locks {
            copy(lock, folder)?;
        }
        run(Command::new("npm")
            .args(["ci", "--ignore-scripts"])
            .current_dir(folder))
    })
}

/// The folder that `fill` filled for exactly this content of `locks`, now or earlier.
fn install_once(
    name: &str,
    locks: &[PathBuf],
    fill: impl Fn(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let mut hash = Sha256::new();
    for lock in locks {
        hash.update(fs::read(lock)?);
    }
    let mut key = String::new();
    for byte in hash.finalize().iter().take(6) {
        write!(key, "{byte:02x}")?;
    }
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real");
    let folder = parent.join(format!("{name}-{key}"));
    let done = folder.join(".complete");

    fs::create_dir_all(&parent)?;
    // Held until this function returns.
    let guard = File::create(parent.join(format!("{name}.lock")))?;
    guard.lock()?;
    if !done.exists() {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        fill(&folder)?;
        File::create(&done)?;
    }
    Ok(folder)
}

/// Copies a file that changed. In one step: another test may be reading the old one.
pub(crate) fn copy(file: &Path, folder: &Path) -> Result<(), Failure> {
    let copied = folder.join(file.file_name().unwrap_or_default());
    let content = fs::read(file)?;
    if fs::read(&copied).ok().as_ref() != Some(&content) {
        let mut fresh = NamedTempFile::new_in(folder)?;
        fresh.write_all(&content)?;
        fresh.persist(&copied)?;
    }
    Ok(())
}

/// Whether `program --version` names a version whose part number `part` is at least `oldest`.
pub(crate) fn at_least(program: &str, part: usize, oldest: u32) -> Result<(), Failure> {
    let said = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let mut numbers = version
        .split(|character: char| !character.is_ascii_digit())
        .filter(|number| !number.is_empty());
    match numbers
        .nth(part)
        .and_then(|number| number.parse::<u32>().ok())
    {
        Some(found) if found >= oldest => Ok(()),
        _ => Err(format!("{program} is {version:?}, which is too old").into()),
    }
}

/// Runs an installing command, again where it went wrong. Its last words tell what did.
fn run(command: &mut Command) -> Result<(), Failure> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let said = command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{command:?}: {error}"))?;
        if said.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&said.stderr);
        last = format!("{command:?} ended with {}:\n{words}", said.status);
    }
    Err(last.into())
}
