//! The HTTP side: connections, requests, answers.

pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod routes;
pub(crate) mod server;
