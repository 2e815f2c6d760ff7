//! Each connection is a file to the system: the gateway takes all that it may have, whatever share of them it was
//! started with.

#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

#[test]
fn a_start_with_few_files_takes_all_that_are_allowed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("registry.yaml"),
        "providers:\n  it: { url: http://127.0.0.1:9/mcp }\n",
    )
    .unwrap();
    // It becomes the program that it starts.
    let mut process = Command::new("prlimit")
        .args(["--nofile=128:512", env!("CARGO_BIN_EXE_mcp-gateway")])
        .arg("--port=0")
        .current_dir(folder.path())
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    stdout.read_line(&mut printed).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id()));
    process.kill().unwrap();
    process.wait().unwrap();
    let limits = limits.unwrap();
    let mut lines = limits.lines();
    let line = lines.find(|line| line.starts_with("Max open files"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[3..5], ["512", "512"], "{printed}{limits}");
}
