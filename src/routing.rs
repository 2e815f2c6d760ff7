//! Pure decisions: how a tool is called in public, whose it is, how lists become one.
//!
//! No I/O, no time, no async: everything here is a function of its arguments.

pub mod merge;
pub mod name;
pub mod route;
