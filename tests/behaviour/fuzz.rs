//! Hostile input by chance: whoever brings it is told so; nobody else notices, nothing breaks.
//!
//! Every test here makes a bounded number of cases in `cargo test`; `PROPTEST_CASES` (256 unless
//! given) has it make more, such as `PROPTEST_CASES=100000 cargo test --test behaviour fuzz::`. What
//! breaks is shrunk before it is shown; it becomes a test of its own beside the code that it broke.

mod arena;
mod bytes;
mod callers;
mod json;
mod messages;
mod parsers;
mod rest;
mod streams;
