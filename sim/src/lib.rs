//! The discrete-event simulator of CloudAI (guide to follow).

pub mod result;
