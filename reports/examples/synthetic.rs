//! Writes reports of made-up comparisons, to look at: `cargo run --release -p cloudai-reports --example synthetic DIR`.
//!
//! `mixed` is 100 tasks on 5 workers under ten strategies, `large` thousands of tasks on 1,000 workers (too many for
//! bars), `gpu` a GPU cluster with failures, `empty` nothing; `sweep` and its like are reports of sweeps.

use std::path::Path;
use std::time::Instant;

use cloudai_reports::{Options, TableStyle, sweep, table, write};

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::args().nth(1).ok_or("usage: synthetic DIR")?;
    for (name, comparison) in synthetic::all() {
        let dir = Path::new(&out).join(name);
        std::fs::create_dir_all(&dir)?;
        let start = Instant::now();
        write(&comparison, &dir, &Options::default())?;
        eprintln!("{name}: {:.2} s", start.elapsed().as_secs_f64());
        println!("{}", table(&comparison, TableStyle::new(false, 100)));
    }
    for (name, swept) in synthetic::sweep::all() {
        let dir = Path::new(&out).join(name);
        std::fs::create_dir_all(&dir)?;
        let start = Instant::now();
        let analysis = swept.analyse();
        let analysed = start.elapsed().as_secs_f64();
        sweep::write(&swept, &analysis, &dir, &Options::default())?;
        eprintln!(
            "{name}: analysed in {analysed:.2} s, written after {:.2} s",
            start.elapsed().as_secs_f64()
        );
        println!("{}", sweep::summary_table(&analysis, TableStyle::default()));
    }
    Ok(())
}
