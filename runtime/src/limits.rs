//! What a submission may ask for.

/// Bounds on one task, settings of the master. Every refusal names the bound.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Most cores. Default 64.
    pub cpu_cores: f64,
    /// Most memory in GB (1024 MiB). Default 512.
    pub memory_gb: f64,
    /// Most storage in GB. Default 65,536.
    pub storage_gb: f64,
    /// Most GPU devices. Default 64, which is also what one worker can have.
    pub gpu_cores: f64,
    /// Most tasks in one submission. Default 1,000.
    pub batch: usize,
    /// Most tasks that have not ended. Default 1,000,000.
    pub alive: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_cores: 64.0,
            memory_gb: 512.0,
            storage_gb: 65_536.0,
            gpu_cores: 64.0,
            batch: 1000,
            alive: 1_000_000,
        }
    }
}
