//! Tests of the runtime from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod master;
