//! The registry: strategies by name, with typed and documented parameters.
//!
//! A new strategy is one file and one entry in [`Registry::builtin`]; a crate outside the workspace adds its own with
//! [`Registry::register`].

mod params;
mod spec;

pub use params::{ParamInfo, ParamKind, Params};
pub use spec::StrategySpec;
use thiserror::Error;

use crate::scheduler::Scheduler;
use crate::strategies;

/// What family a strategy belongs to; comparisons set the queues beside the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Commits each task to a worker when it arrives.
    Immediate,
    /// One central queue in a fixed order.
    Queue,
    /// Everything else.
    #[default]
    Other,
}

/// A strategy in the registry.
#[derive(Clone, Copy, Debug)]
pub struct StrategyInfo {
    /// Its name: lower-case letters, digits and `_`.
    pub name: &'static str,
    /// Other names that it answers to.
    pub aliases: &'static [&'static str],
    /// What it does, in one line.
    pub about: &'static str,
    /// Its family.
    pub kind: Kind,
    /// The paper or document that defines it.
    pub source: &'static str,
    /// Cost of a pass, in terms of the queue (Q), workers (W), ...
    pub complexity: &'static str,
    /// Its parameters.
    pub params: &'static [ParamInfo],
    /// Makes one.
    pub build: fn(&Params) -> Box<dyn Scheduler>,
}

impl StrategyInfo {
    fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

/// True if some name would mean both.
fn clash(a: &StrategyInfo, b: &StrategyInfo) -> bool {
    a.answers_to(b.name) || b.aliases.iter().any(|alias| a.answers_to(alias))
}

/// Why a spec does not name a strategy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The spec cannot be read.
    #[error("strategy '{spec}': expected {expected}")]
    Syntax {
        /// The text.
        spec: String,
        /// What was expected.
        expected: &'static str,
    },
    /// No strategy has this name.
    #[error("unknown strategy '{name}': expected one of {known}")]
    UnknownStrategy {
        /// The name given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The strategy has no such parameter.
    #[error("strategy '{strategy}' has no parameter '{param}': expected {}", known_params(.known))]
    UnknownParam {
        /// The strategy.
        strategy: String,
        /// The parameter given.
        param: String,
        /// The parameters that exist.
        known: String,
    },
    /// The value does not suit the parameter.
    #[error("strategy '{strategy}': {param}={value}: expected {expected}")]
    BadValue {
        /// The strategy.
        strategy: String,
        /// The parameter.
        param: String,
        /// The value given.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// The parameter has no effect in this combination.
    #[error(
        "strategy '{strategy}': {param} has no effect with {other}={found}: expected {other}={wanted} beside it"
    )]
    NoEffect {
        /// The strategy.
        strategy: String,
        /// The parameter given.
        param: &'static str,
        /// The parameter that it depends on.
        other: &'static str,
        /// The choice that was made for that.
        found: &'static str,
        /// The choice with which it would have an effect.
        wanted: &'static str,
    },
    /// Two strategies of one name.
    #[error("a strategy named '{0}' is registered already")]
    NameTaken(&'static str),
}

fn known_params(known: &str) -> String {
    if known.is_empty() { "none, it has no parameters".to_owned() } else { format!("one of {known}") }
}

/// The strategies that can be named.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    strategies: Vec<StrategyInfo>,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every built-in strategy.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            strategies: vec![
                strategies::greedy::INFO,
                strategies::round_robin::INFO,
                strategies::balanced::INFO,
                strategies::ai::multi_objective::INFO,
                strategies::ai::aggressive::INFO,
                strategies::ai::predictive::INFO,
                strategies::ai::load_balanced::INFO,
                strategies::queue::spec::FCFS,
                strategies::queue::spec::FIRST_FIT,
                strategies::queue::spec::BEST_FIT,
                strategies::queue::spec::EASY,
                strategies::queue::spec::CONSERVATIVE,
                strategies::queue::place::gpu::named::GPU_RANDOM,
                strategies::queue::place::gpu::named::DOT_PRODUCT,
                strategies::queue::place::gpu::named::GPU_CLUSTERING,
                strategies::queue::place::gpu::named::GPU_PACKING,
                strategies::queue::place::gpu::named::GPU_BEST_FIT,
                strategies::queue::place::gpu::named::FGD,
                strategies::queue::place::gpu::named::GPU_ROLLOUT,
                strategies::queue::spec::QUEUE,
                strategies::preempt::priority::INFO,
                strategies::preempt::srpt::INFO,
                strategies::preempt::las::INFO,
                strategies::dag::heft::INFO,
                strategies::dag::cpop::INFO,
                strategies::dag::peft::INFO,
            ],
        }
    }

    /// Adds a strategy.
    ///
    /// # Errors
    /// [`RegistryError::NameTaken`] if there is one of that name.
    pub fn register(&mut self, info: StrategyInfo) -> Result<(), RegistryError> {
        if self.strategies.iter().any(|known| clash(known, &info)) {
            return Err(RegistryError::NameTaken(info.name));
        }
        self.strategies.push(info);
        Ok(())
    }

    /// Every strategy, in the order of registration.
    pub fn iter(&self) -> impl Iterator<Item = &StrategyInfo> {
        self.strategies.iter()
    }

    /// The strategy of this name.
    ///
    /// # Errors
    /// [`RegistryError::UnknownStrategy`], which lists the names that exist.
    pub fn get(&self, name: &str) -> Result<&StrategyInfo, RegistryError> {
        self.strategies.iter().find(|info| info.answers_to(name)).ok_or_else(|| {
            RegistryError::UnknownStrategy {
                name: name.to_owned(),
                known: self.strategies.iter().map(|info| info.name).collect::<Vec<_>>().join(", "),
            }
        })
    }

    /// Makes the strategy that a spec names.
    ///
    /// # Errors
    /// Says which name, parameter or value is wrong, and what was expected.
    pub fn build(&self, spec: &StrategySpec) -> Result<Box<dyn Scheduler>, RegistryError> {
        let info = self.get(&spec.name)?;
        Ok((info.build)(&Params::resolve(spec, info.params)?))
    }
}
