//! The load engine: arrivals, pacing, transport, job completion and recording
