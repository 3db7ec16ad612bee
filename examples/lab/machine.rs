//! What this machine gives and what of it was used.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::args::PARTIAL_LINKS;

/// Descriptors of the process itself, of threads, and of links that are being made or closed.
const BESIDE: u64 = 1024;

/// Makes sure that so many nodes find file descriptors enough: one for each listener and one for each end of a
/// link. Raises the soft limit as far as it may be.
pub fn enough_descriptors(nodes: usize) -> Result<(), String> {
    let need = nodes as u64 * (1 + PARTIAL_LINKS as u64) + BESIDE;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= need) {
        return Ok(());
    }
    if let Some(maximum) = maximum.filter(|maximum| *maximum < need) {
        let fit = maximum.saturating_sub(BESIDE) / (1 + PARTIAL_LINKS as u64);
        return Err(format!(
            "{nodes} nodes may need {need} file descriptors, and a process may open {maximum} here (ulimit -Hn)\n\
             raise that limit, or run fewer nodes: --nodes {fit}"
        ));
    }
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(|error| format!("the limit of open files cannot be raised to {need}: {error}"))
}

/// Processor time of this process so far.
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Memory this process holds now, bytes; none where the system does not tell.
pub fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// How many processors there are.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
