//! One document composed from a run, and its renderers
