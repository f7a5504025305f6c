//! Renderers: they set, and compute nothing.

pub mod csv;
pub mod hlog;
pub mod html;
pub mod json;
pub mod terminal;
