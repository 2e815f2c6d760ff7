//! What the gateway does, shown from outside: the real binary between scripted clients and
//! scripted backends.
//!
//! One file a subject. Each test makes a world of its own (a backend, a gateway, a client), acts
//! and asserts. `fakes` proves the fakes against each other, so that a failure elsewhere is the
//! gateway's.

#![expect(
    clippy::unwrap_used,
    reason = "tests say what must hold by unwrapping it"
)]

#[path = "../support/world.rs"]
mod world;

mod activity;
mod apps;
mod at_most_once;
mod audit;
mod backlogs;
mod backup;
mod batches;
mod behind_a_proxy;
mod bounds;
mod breaker;
mod caching;
mod callers;
mod calls;
mod cancellation;
mod capabilities;
mod changes;
mod choices;
mod client_entries;
mod command_line;
mod completion;
mod console;
mod core_dumps;
mod damage;
mod definitions;
mod degradation;
mod demo;
mod dormant;
mod durability;
mod elicitation;
mod eras;
mod errors;
mod exactness;
mod expiry;
mod exposure;
mod extensions;
mod fakes;
mod fuzz;
mod get_streams;
mod hostile_backends;
mod http2;
mod input_required;
mod isolation;
mod json_bombs;
mod kept_lists;
mod lanes;
mod listening;
mod lists;
mod logging;
mod logs;
mod manners;
mod mcp_sessions;
mod metrics;
mod mirrored_headers;
mod open_files;
mod openapi;
mod origin;
mod outages;
mod ownership;
mod pages;
mod parked;
mod patch;
mod progress;
mod prompts;
mod questions;
mod questions_at_once;
mod questions_of_many;
mod questions_on_get_stream;
mod questions_taken_back;
mod questions_told;
mod reload;
mod resources;
mod rest_api;
mod restart;
mod resumption;
mod retries;
mod roots;
mod rotation;
mod rush;
mod sampling;
mod secrets;
mod secrets_at_large;
mod several_clients;
mod slow_clients;
mod smuggling;
mod stopping;
mod streaming;
mod subscriptions;
mod tasks;
mod tls;
mod tokens;
mod trace_context;
mod transcripts;
mod unwritable;

/// The revisions clients speak, oldest first.
const CLIENTS: [&str; 4] = ["2025-03-26", "2025-06-18", LATEST_LEGACY, MODERN];

/// The latest revision with a handshake.
const LATEST_LEGACY: &str = "2025-11-25";

/// The revision without one.
const MODERN: &str = world::client::MODERN;

/// Lines of a provider's entry that make failures quick that are told by the backend or the system.
const QUICK: &str = "retries: { attempts: 2, base: 20ms, max: 100ms }";

/// The same where a backend is silent. Whatever is to be answered must come within that time on any machine.
const IMPATIENT: &str = "timeouts: { idle: 2s }
    retries: { attempts: 2, base: 20ms, max: 100ms }";

/// Codes the gateway answers with in its own name: backend unavailable, backend timed out.
const UNAVAILABLE: i64 = -31001;
const TIMED_OUT: i64 = -31002;
