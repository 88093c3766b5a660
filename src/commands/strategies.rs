//! `cloudai strategies`: what can be named in a spec.

use std::fmt::Write as _;

use anyhow::Result;
use cloudai_schedulers::{Registry, StrategyInfo};

use super::print;

pub(super) fn run(name: Option<&str>, registry: &Registry) -> Result<()> {
    let mut text = String::new();
    match name {
        Some(name) => describe(registry.get(name)?, &mut text),
        None => list(registry, &mut text),
    }
    print(&text)
}

fn list(registry: &Registry, text: &mut String) {
    let width = registry.iter().map(|info| info.name.len()).max().unwrap_or(0);
    for info in registry.iter() {
        let _ = writeln!(text, "{:width$}  {}", info.name, info.about);
        let params: Vec<String> =
            info.params.iter().map(|param| format!("{}={}", param.name, param.kind.default_text())).collect();
        if !params.is_empty() {
            let _ = writeln!(text, "{:width$}  ({})", "", params.join(", "));
        }
    }
    let _ = writeln!(text, "\n'cloudai strategies NAME' describes one: parameters, source, complexity.");
}

fn describe(info: &StrategyInfo, text: &mut String) {
    let _ = writeln!(text, "{}: {}\n", info.name, info.about);
    if !info.aliases.is_empty() {
        let _ = writeln!(text, "also called  {}", info.aliases.join(", "));
    }
    let _ = writeln!(text, "source       {}", info.source);
    let _ = writeln!(text, "complexity   {}", info.complexity);
    if info.params.is_empty() {
        let _ = writeln!(text, "parameters   none");
        return;
    }
    let _ = writeln!(text, "parameters");
    let width = info.params.iter().map(|param| param.name.len()).max().unwrap_or(0);
    for param in info.params {
        let (name, default) = (param.name, param.kind.default_text());
        let _ = writeln!(text, "  {name:width$}  {} [{}; default {default}]", param.about, param.kind);
    }
}
