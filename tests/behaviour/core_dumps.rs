//! The process's memory holds every credential in the clear: no picture of it gets onto the disk.

#![cfg(target_os = "linux")]

use crate::world::{FakeBackend, Gateway};

#[tokio::test]
async fn a_gateway_that_dies_leaves_no_core_dump() {
    let backend = FakeBackend::modern().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let limits = format!("/proc/{}/limits", gateway.process_id());
    let limits = std::fs::read_to_string(limits).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
}
