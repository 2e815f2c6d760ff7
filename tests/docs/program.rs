//! The program that the pages and the packages speak of: its help, and one that runs.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-gateway");

/// The help of a command, by its verbs.
fn help(verbs: &[&str]) -> String {
    // Asked for often, and the same each time.
    static KNOWN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    let told = known.entry(verbs.join(" ")).or_insert_with(|| {
        let mut command = Command::new(PROGRAM);
        let told = command.args(verbs).arg("--help").env_clear().output();
        String::from_utf8(told.unwrap().stdout).unwrap()
    });
    told.clone()
}

fn has_line_that_begins(text: &str, word: &str) -> bool {
    text.lines()
        .any(|line| line.split([' ', ',']).find(|word| !word.is_empty()) == Some(word))
}

/// Whether a word stands in a help as a flag.
fn has_flag(help: &str, flag: &str) -> bool {
    help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .any(|word| word == flag)
}

/// Fails unless the program has the verbs and the flags of a command line, which begins behind its name.
pub(crate) fn assert_takes(arguments: &[&str]) {
    let mut verbs: Vec<&str> = Vec::new();
    let has_verb = |verbs: &[&str], word: &str| {
        let told = help(verbs);
        let commands = told.split_once("\nCommands:\n").map(|(_, rest)| rest);
        let commands = commands.and_then(|rest| rest.split("\n\n").next());
        commands.is_some_and(|commands| has_line_that_begins(commands, word))
    };
    let mut words = arguments.iter().peekable();
    while let Some(word) = words.next_if(|word| has_verb(&verbs, word)) {
        verbs.push(word);
    }
    let is_complete = !help(&verbs).contains("\nCommands:\n") || verbs.is_empty();
    let next = words.peek();
    assert!(
        is_complete && (!verbs.is_empty() || next.is_none_or(|word| word.starts_with('-'))),
        "no such command: mcp-gateway {}",
        arguments.join(" ")
    );
    for flag in words.filter(|word| word.starts_with("--")) {
        let flag = flag.split('=').next().unwrap();
        assert!(
            has_flag(&help(&verbs), flag),
            "mcp-gateway {verbs:?} has no {flag}"
        );
    }
}

/// Fails unless some command has a flag.
pub(crate) fn assert_flag(flag: &str) {
    let commands = [
        &[][..],
        &["keys", "create"],
        &["session", "create"],
        &["session", "edit"],
        &["config"],
        &["import"],
        &["check"],
    ];
    let is_known = commands.iter().any(|verbs| has_flag(&help(verbs), flag));
    assert!(is_known, "no command has {flag}");
}

/// Fails unless the program reads a variable.
pub(crate) fn assert_reads(variable: &str) {
    let help = help(&[]);
    let is_flags = help.contains(&format!("[env: {variable}="))
        || help.contains(&format!("[env: {variable}]"));
    // That of the commands that speak with a gateway stands in their help.
    let is_commands = self::help(&["session"]).contains(&format!("[env: {variable}="));
    let is_known = is_flags || is_commands || has_line_that_begins(&help, variable);
    assert!(is_known, "the program reads no {variable}");
}

/// A gateway that runs, until it is dropped.
pub(crate) struct Running {
    process: Child,
    pub(crate) url: String,
}

impl Running {
    /// Starts one in a folder, on a port that is free.
    pub(crate) fn start(folder: &Path, variables: &[(&str, String)]) -> Result<Self, String> {
        Self::start_with(folder, &["--port=0"], variables)
    }

    /// The same with arguments, of which one is a port.
    pub(crate) fn start_with(
        folder: &Path,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> Result<Self, String> {
        let mut process = Command::new(PROGRAM)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(variables.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut printed = BufReader::new(process.stdout.take().unwrap());
        printed.read_line(&mut line).unwrap();
        let mut logged = process.stderr.take().unwrap();
        let Some((_, address)) = line.trim().split_once("://") else {
            process.wait().unwrap();
            let mut told = String::new();
            logged.read_to_string(&mut told).unwrap();
            return Err(told);
        };
        // A log that nobody reads would hold it up.
        std::thread::spawn(move || std::io::copy(&mut logged, &mut std::io::sink()));
        std::thread::spawn(move || std::io::copy(&mut printed, &mut std::io::sink()));
        let (_, port) = address.rsplit_once(':').unwrap();
        Ok(Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
