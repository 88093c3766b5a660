//! Tests of the crate from the outside: one binary, one module a subject.

#![expect(clippy::unwrap_used, reason = "tests")]

mod compressed;
mod generating;
mod importing;
mod properties;
mod reading;
mod support;
mod varying;
mod wfcommons;
