//! The scheduling core of CloudAI (guide to follow).

pub mod model;
