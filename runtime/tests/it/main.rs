//! Tests of the runtime from outside.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod worker;
