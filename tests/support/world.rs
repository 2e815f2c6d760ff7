//! The world a test stands in: the real gateway, scripted backends, a scripted client.
//!
//! Test binaries include this file by path; one that uses a part of it only puts
//! `#[expect(dead_code, unused_imports)]` before `mod`. Nothing here knows the gateway's code: it meets the gateway on the wire alone.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a world that does not come up ends its test, loudly"
)]
#![expect(
    unreachable_pub,
    reason = "`pub` marks here what tests may use; nothing leaves a test binary"
)]

pub mod attempt;
mod authority;
pub mod client;
pub mod dice;
pub mod fake_backend;

pub mod gateway;
pub mod issuer;
pub mod ledger;
pub mod pairing;
pub mod place;
pub mod raw;
pub mod schema;
pub mod spellings;
pub mod transcript;

use std::time::Duration;

pub use authority::Authority;
pub use client::{Client, Program, Wanted};
pub use fake_backend::{Answers, Cancelled, FakeBackend, Fault, List, Says};
pub use gateway::Gateway;
pub use pairing::{Pairing, World};
pub use raw::Raw;
pub use transcript::Transcript;

/// How long a test waits for a fact before it fails: long, because the machine may be slow or stand still for a while.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often a fact is looked at where nothing announces it.
const GLANCE: Duration = Duration::from_millis(10);

/// Waits for `future`, or fails the test naming `what` did not come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("waited {PATIENCE:?} in vain for {what}");
    };
    value
}

/// Waits until `holds` says yes, or fails the test naming `what` never held.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !holds().await {
            tokio::time::sleep(GLANCE).await;
        }
    })
    .await;
}
