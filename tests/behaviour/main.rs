//! What the gateway does, shown from outside: the real binary between scripted clients and
//! scripted backends.
//!
//! One file a subject. Each test makes a world of its own (a backend, a gateway, a client), acts
//! and asserts. `fakes` proves the fakes against each other, so that a failure elsewhere is the
//! gateway's.

#[path = "../support/world.rs"]
mod world;

mod fakes;
