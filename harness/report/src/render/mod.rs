//! The renderers: each turns what is decided into one form, and computes no figure.

pub mod csv;
pub mod hlog;
pub mod html;
pub mod json;
pub mod terminal;
