//! Tests of the runtime from outside.
