//! What one connection promises to its session and to its backend, shown on servers made of mocks.
//!
//! `world` has such a server and a connection to it, `mocked` the answers of mocks, `asking` how
//! a session asks. `socket` is a server for what no mock can do: be gone, come back, keep silent,
//! break off. Each of the others shows one subject.

mod answers;
mod apart;
mod asking;
mod at_home;
mod backlog;
mod capable;
mod credentials;
mod eras;
mod found;
mod guessing;
mod input;
mod leaving;
mod links;
mod listening;
mod mocked;
mod outages;
mod questions;
mod refusals;
mod resuming;
mod retries;
mod socket;
mod unread;
mod wants;
mod world;
