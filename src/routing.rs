//! Pure decisions: how things are called in public, whose they are, how many answers become one.
//!
//! No I/O, no time, no async: everything here is a function of its arguments.

pub mod alias;
pub mod capabilities;
pub mod merge;
pub mod name;
pub mod resource;
pub mod route;
pub mod task;
