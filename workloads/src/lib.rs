//! Workloads (guide to follow).
