//! Real clients, the gateway, real servers.

mod cancellation;
mod credentials;
mod progress;
mod restart;
mod tools;
