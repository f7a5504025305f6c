//! The program from outside: what it writes, what it says, how it ends, and what it leaves running.

mod bad_input;
mod comparing;
mod stopping;
mod workplace;
