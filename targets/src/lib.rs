//! Bundled target servers: the same work as sync, queued or hybrid service
