//! What the machine has, and how much of it is in use.

use std::path::Path;

use nvml_wrapper::Nvml;
use sysinfo::System;

use super::events::Load;

const GB: f64 = 1024.0 * 1024.0 * 1024.0;

/// What a machine has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capacity {
    /// Cores that this process may use.
    pub cpu: f64,
    /// GB of memory.
    pub memory: f64,
    /// GB of the file system that holds the data folder.
    pub storage: f64,
    /// GPU devices.
    pub gpu: f64,
    /// The model of the first device; empty if there is none.
    pub gpu_model: String,
}

/// Looks at the machine, cheaply.
pub struct Machine {
    /// None where the operating system is not known.
    system: Option<System>,
    nvml: Option<Nvml>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("gpus", &self.nvml.is_some()).finish_non_exhaustive()
    }
}

impl Machine {
    /// Opens what can be opened: GPUs are not there without their driver.
    #[must_use]
    pub fn open() -> Self {
        let mut system = System::new().ok();
        if let Some(system) = &mut system {
            system.refresh_cpu_usage();
        }
        Self { system, nvml: Nvml::init().ok() }
    }

    /// What the machine has. A limit that a container or a control group sets counts.
    #[must_use]
    pub fn capacity(&mut self, data_folder: &Path) -> Capacity {
        let memory = self.system.as_mut().map_or(0, |system| {
            system.refresh_memory();
            match system.cgroup_limits() {
                Some(limits) if limits.total_memory > 0 => limits.total_memory.min(system.total_memory()),
                _ => system.total_memory(),
            }
        });
        let storage = rustix::fs::statvfs(data_folder).map_or(0.0, |s| s.f_blocks as f64 * s.f_frsize as f64);
        let gpus = self.nvml.as_ref().and_then(|nvml| nvml.device_count().ok()).unwrap_or(0);
        let model =
            self.nvml.as_ref().filter(|_| gpus > 0).and_then(|n| n.device_by_index(0).ok()?.name().ok());
        Capacity {
            cpu: std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64),
            memory: memory as f64 / GB,
            storage: storage / GB,
            gpu: f64::from(gpus),
            gpu_model: model.unwrap_or_default(),
        }
    }

    /// What is in use, since the last call for the cores.
    #[must_use]
    pub fn load(&mut self) -> Load {
        let gpu = self.gpu_load();
        let Some(system) = &mut self.system else { return Load { gpu, ..Load::default() } };
        system.refresh_cpu_usage();
        system.refresh_memory();
        let total = system.total_memory().max(1) as f64;
        Load {
            cpu: f64::from(system.global_cpu_usage()),
            memory: 100.0 * system.used_memory() as f64 / total,
            gpu,
        }
    }

    fn gpu_load(&self) -> f64 {
        let Some(nvml) = &self.nvml else { return 0.0 };
        let count = nvml.device_count().unwrap_or(0);
        let used = |index| Some(nvml.device_by_index(index).ok()?.utilization_rates().ok()?.gpu);
        let sum: u32 = (0..count).filter_map(used).sum();
        f64::from(sum) / f64::from(count.max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The model of each device, as the driver's own tool has it; `None` where it is not there.
    fn models_of_nvidia_smi() -> Option<Vec<String>> {
        let out =
            Command::new("nvidia-smi").args(["--query-gpu=name", "--format=csv,noheader"]).output().ok()?;
        let models = String::from_utf8(out.stdout).ok()?;
        out.status.success().then(|| models.lines().map(|model| model.trim().to_owned()).collect())
    }

    #[test]
    fn devices_are_those_that_the_driver_names() {
        let Some(models) = models_of_nvidia_smi() else {
            println!("skipped: nvidia-smi is not there, or finds no driver");
            return;
        };
        let mut machine = Machine::open();
        let capacity = machine.capacity(Path::new("/"));
        println!("{capacity:?}, {:?}", machine.load());
        assert_eq!(capacity.gpu, models.len() as f64);
        assert_eq!(Some(capacity.gpu_model), models.into_iter().next());
        assert!((0.0..=100.0).contains(&machine.load().gpu));
    }
}
