//! The worker's core by itself.
