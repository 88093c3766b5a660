//! Tests of the crate from the outside: one binary, one module a subject.

mod reading;
mod support;
