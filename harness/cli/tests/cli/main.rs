//! The program from outside: what it writes, what it says, how it ends, and what it leaves running.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod comparing;
mod stopping;
mod workplace;
