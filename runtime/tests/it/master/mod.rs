//! The master's core, driven by hand and through a network that loses, repeats and delays messages.
//!
//! - `world.rs`: a cluster in virtual time: the real core, a model of the store, of the network and of workers
//! - `trouble.rs`: what must hold whatever happens; `steps.rs`: single steps

mod steps;
mod trouble;
mod world;
