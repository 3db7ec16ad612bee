//! What the machine says of itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::facts::{Machine, Unit};
use super::process::{content, open_files};
use super::state::space;
use super::within;

/// Longest wait for a program that is asked.
const ASK: Duration = Duration::from_secs(2);

/// Looks; `pid` is the daemon's, if one is known.
pub fn look(pid: Option<u32>, downloads: Option<PathBuf>) -> Machine {
    // Of a process of another user much is not told; what holds for this one is then the nearest.
    let of = |file: &str| {
        let daemon = pid.and_then(|pid| content(format!("/proc/{pid}/{file}")));
        daemon.or_else(|| content(format!("/proc/self/{file}")))
    };
    let group = of("cgroup").unwrap_or_default();
    let (memory_limit, memory_kills) = memory_of(&group, Path::new("/sys/fs/cgroup"));
    Machine {
        synchronised: synchronised(),
        files: of("limits").and_then(|limits| open_files(&limits)),
        files_open: pid.and_then(|pid| {
            let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
            u64::try_from(open).ok()
        }),
        memory_limit,
        memory_kills,
        memory: content("/proc/meminfo").and_then(|text| total(&text)),
        downloads: downloads.and_then(|dir| space(&dir).map(|space| (dir, space))),
        ipv6: Some(content("/proc/net/if_inet6").is_some_and(|text| speaks_ipv6(&text))),
        unit: pid.and_then(|_| unit(&group)).map(|(name, of_user)| {
            let restarts = restarts(&name, of_user);
            Unit { name, of_user, restarts }
        }),
    }
}

/// The first line a program prints, if it ends well and soon.
fn answer(program: &'static str, args: Vec<String>) -> Option<String> {
    let run = move || {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stderr(Stdio::null());
        command.output().ok().filter(|output| output.status.success())
    };
    let output = within(ASK, run).flatten()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
}

fn synchronised() -> Option<bool> {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Some(true);
    }
    let args = ["show", "--property=NTPSynchronized", "--value"].map(String::from).to_vec();
    match answer("timedatectl", args)?.as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// `MemTotal` of `/proc/meminfo`, bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The least memory that the control groups of a process allow, and how often the system has ended something
/// in the innermost one. `groups` is its `/proc/<pid>/cgroup`; version 2 of cgroups and version 1.
fn memory_of(groups: &str, root: &Path) -> (Option<u64>, Option<u64>) {
    let mut limit: Option<u64> = None;
    let mut kills = None;
    for line in groups.lines() {
        let mut words = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (words.next(), words.next()) else { continue };
        let (root, name) = match kinds {
            "" => (root.to_path_buf(), "memory.max"),
            kinds if kinds.split(',').any(|kind| kind == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let inner = root.join(path.trim_start_matches('/'));
        for group in inner.ancestors().take_while(|group| group.starts_with(&root)) {
            let allowed =
                content(group.join(name)).and_then(|text| text.trim().parse::<u64>().ok());
            // Version 1 writes no limit as the largest number of pages.
            let allowed = allowed.filter(|bytes| *bytes < 1 << 60);
            limit = [limit, allowed].into_iter().flatten().min();
        }
        let events = content(inner.join("memory.events"));
        kills = kills.or_else(|| {
            let events = events?;
            let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
            count.trim().parse().ok()
        });
    }
    (limit, kills)
}

/// Whether any interface but the loopback has an address of IPv6 that is more than link-local (scope 0x20).
fn speaks_ipv6(if_inet6: &str) -> bool {
    let speaks = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words[..], [_, _, _, scope, _, name] if scope != "20" && scope != "10" && name != "lo")
    };
    if_inet6.lines().any(speaks)
}

/// The unit of systemd a process belongs to, and whether it is a user's.
fn unit(groups: &str) -> Option<(String, bool)> {
    let of_systemd = |line: &&str| line.starts_with("0::") || line.contains(":name=systemd:");
    let path = groups.lines().find(of_systemd)?.rsplit(':').next()?;
    let services = path.split('/').filter(|part| part.ends_with(".service"));
    let mut services: Vec<&str> = services.collect();
    let name = services.pop()?;
    // What runs in a user's session belongs to no unit that starts it again.
    let manager = name.starts_with("user@");
    (!manager).then(|| (name.to_owned(), services.iter().any(|s| s.starts_with("user@"))))
}

fn restarts(unit: &str, of_user: bool) -> Option<u64> {
    let mut args = ["show", "--property=NRestarts", "--value"].map(String::from).to_vec();
    args.extend(of_user.then(|| "--user".into()));
    args.extend(["--".into(), unit.into()]);
    answer("systemctl", args)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_all_groups_above_count_and_the_least_holds() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("below")).expect("our own");
            fs::write(path, text).expect("our own");
        };
        write("a.slice/memory.max", "1048576\n");
        write("a.slice/k.service/memory.max", "max\n");
        write("a.slice/k.service/memory.events", "low 0\noom 3\noom_kill 2\n");
        assert_eq!(memory_of("0::/a.slice/k.service\n", root.path()), (Some(1 << 20), Some(2)));
        assert_eq!(memory_of("0::/b.slice\n", root.path()), (None, None));

        write("memory/x/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/x/y/memory.limit_in_bytes", "2097152\n");
        let v1 = "9:name=systemd:/\n4:memory:/x/y\n0::/\n";
        assert_eq!(memory_of(v1, root.path()), (Some(2 << 20), None));
        assert_eq!(memory_of("4:memory:/x\n", root.path()), (None, None));
    }

    #[test]
    fn the_unit_is_the_innermost_service() {
        let unit = |groups: &str| unit(groups);
        let of = |name: &str, user| Some((name.to_owned(), user));
        assert_eq!(unit("0::/system.slice/kith@alice.service\n"), of("kith@alice.service", false));
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/kith.service\n";
        assert_eq!(unit(user), of("kith.service", true));
        assert_eq!(unit("0::/user.slice/user-1000.slice/session-3.scope\n"), None);
        assert_eq!(unit("0::/user.slice/user@1000.service/app.slice/x.scope\n"), None);
        assert_eq!(unit("1:name=systemd:/system.slice/kith.service\n"), of("kith.service", false));
        assert_eq!(unit(""), None);
    }

    #[test]
    fn memory_and_ipv6_are_read() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:  2048 kB\n"), Some(2 << 20));
        let lo = "00000000000000000000000000000001 01 80 10 80       lo\n";
        let link = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n";
        let global = "fd000000000000000000000000000002 04 40 00 82     eth0\n";
        assert!(!speaks_ipv6(lo) && !speaks_ipv6(link) && !speaks_ipv6(""));
        assert!(speaks_ipv6(&[lo, link, global].concat()));
    }
}
