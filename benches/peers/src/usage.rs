//! What this process uses, as the kernel counts it. Linux only, as is the whole comparison.

use std::fs;

use anyhow::{Context, Result};

/// Microseconds in one tick of the kernel's clock for processes: 100 a second on every Linux of today.
const TICK_US: u64 = 10_000;

/// Processor time so far, in microseconds.
pub fn cpu_us() -> Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program stands in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/self/stat")?;
    let ticks = |nth: usize| -> Result<u64> {
        let field = fields.split_whitespace().nth(nth).context("/proc/self/stat is short")?;
        Ok(field.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) * TICK_US)
}

/// Proportional set size, in KiB.
pub fn pss_kib() -> Result<u64> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("no Pss line")?;
    Ok(line.split_whitespace().nth(1).context("no value of Pss")?.parse()?)
}
