//! The process, as `/proc/self` shows it. The names are those that every Prometheus client uses; where there is
//! no `/proc`, these families are absent.

use std::fs;

use super::sheet::{Sheet, bytes, plain, seconds};

/// Clock ticks a second in `/proc`: `USER_HZ`, which Linux promises to programs whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// What was found out.
#[derive(Debug, Default, PartialEq)]
struct Process {
    cpu_s: Option<f64>,
    started_s: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    threads: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
}

pub(super) fn tell(sheet: &mut Sheet) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut process = Process::default();
    process.take_stat(&read("/proc/self/stat"), &read("/proc/stat"));
    process.take_status(&read("/proc/self/status"));
    process.take_limits(&read("/proc/self/limits"));
    // One of them is the directory that is being read.
    let fds = fs::read_dir("/proc/self/fd").map(|fds| fds.count().saturating_sub(1));
    process.open_fds = fds.ok().map(|count| count as f64);
    if let Some(cpu_s) = process.cpu_s {
        sheet.time(seconds("cpu", "Processor time of all threads, user and system"), cpu_s);
    }
    let about = "When the process started, Unix time";
    let gauges = [
        (seconds("start_time", about), process.started_s),
        (bytes("resident_memory", "Memory in RAM"), process.resident_bytes),
        (bytes("virtual_memory", "Address space"), process.virtual_bytes),
        (plain("threads", "Threads of the process"), process.threads),
        (plain("open_fds", "Open file descriptors"), process.open_fds),
        (plain("max_fds", "Most open file descriptors"), process.max_fds),
    ];
    for (about, value) in gauges {
        if let Some(value) = value {
            sheet.gauge(about, value);
        }
    }
}

impl Process {
    /// proc_pid_stat(5): the name, second, may hold anything but ends with the last bracket. proc_stat(5): `btime`
    /// is when the machine started.
    fn take_stat(&mut self, stat: &str, machine: &str) {
        let Some((_, rest)) = stat.rsplit_once(") ") else { return };
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first field behind the name is the third of the page.
        let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let (user, system) = (ticks(14), ticks(15));
        self.cpu_s = user.zip(system).map(|(user, system)| (user + system) / TICKS_PER_SECOND);
        let boot = machine.lines().find_map(|line| line.strip_prefix("btime "));
        let boot = boot.and_then(|text| text.trim().parse::<f64>().ok());
        self.started_s = boot.zip(ticks(22)).map(|(boot, after)| boot + after / TICKS_PER_SECOND);
    }

    fn take_status(&mut self, status: &str) {
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_ascii_whitespace().next()?.parse::<f64>().ok()
        };
        self.resident_bytes = value("VmRSS:").map(|kib| kib * 1024.0);
        self.virtual_bytes = value("VmSize:").map(|kib| kib * 1024.0);
        self.threads = value("Threads:");
    }

    fn take_limits(&mut self, limits: &str) {
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let soft = line.and_then(|line| line.split_ascii_whitespace().next());
        self.max_fds = soft.and_then(|text| match text {
            "unlimited" => Some(f64::INFINITY),
            text => text.parse().ok(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_moves_no_field() {
        let stat = "42 (a) R 1 (b) ) S 1 42 42 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 9 0 1234 9 9";
        let mut process = Process::default();
        process.take_stat(stat, "cpu 1 2 3\nbtime 1700000000\nprocesses 9\n");
        assert_eq!((process.cpu_s, process.started_s), (Some(3.0), Some(1_700_000_012.34)));
    }

    #[test]
    fn what_cannot_be_read_is_absent_and_never_a_panic() {
        for text in
            ["", "42", "42 (node", "42 (node) ", "42 (node) S 1 2 3", "VmRSS:", "Max open files"]
        {
            let mut process = Process::default();
            process.take_stat(text, text);
            process.take_status(text);
            process.take_limits(text);
            assert_eq!(process, Process::default(), "{text}");
        }
        let mut process = Process::default();
        process.take_limits(
            "Max open files            unlimited            unlimited            files",
        );
        assert_eq!(process.max_fds, Some(f64::INFINITY));
        process
            .take_status("Name:\tnode\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t9\n");
        let memory = (process.virtual_bytes, process.resident_bytes, process.threads);
        assert_eq!(memory, (Some(2_097_152.0), Some(1_048_576.0), Some(9.0)));
    }
}
