//! Reports (guide to follow).
