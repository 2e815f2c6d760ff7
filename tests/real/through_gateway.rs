//! Real clients, the gateway, real servers.

mod callers;
mod credentials;
mod entries;
mod features;
mod inspector;
mod progress;
mod restart;
mod stage;
mod tools;
