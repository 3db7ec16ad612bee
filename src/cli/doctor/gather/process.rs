//! What `/proc` tells of processes. Of those of other users it tells little, and that is no error.

use std::collections::BTreeMap;
use std::fs;

use super::super::facts::Holder;

/// Most open files looked at, of all processes together.
const LINKS_MAX: usize = 200_000;
/// Longest file read here, bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The content of a file below `/proc` or `/sys`, if it can be read.
pub fn content(path: impl AsRef<std::path::Path>) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    fs::File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Who has these sockets, by their inodes.
pub fn holders(inodes: &[u64]) -> BTreeMap<u64, Holder> {
    let mut found = BTreeMap::new();
    let mut looked = 0;
    if inodes.is_empty() {
        return found;
    }
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        for file in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            looked += 1;
            if looked > LINKS_MAX {
                return found;
            }
            let inode = fs::read_link(file.path()).ok().and_then(|link| socket(link.to_str()?));
            if let Some(inode) = inode.filter(|inode| inodes.contains(inode)) {
                let name = content(process.path().join("comm")).unwrap_or_default();
                found.insert(inode, Holder { pid, name: name.trim().to_owned() });
            }
        }
    }
    found
}

/// The inode in `socket:[12345]`.
fn socket(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The process that has a lock (flock, for writing) on the file with this inode.
pub fn lock_holder(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, place, ..] = words[..] else { return None };
        let of_file = place.rsplit(':').next()?.parse::<u64>().ok()? == inode;
        // Of another process namespace it is 0 or negative.
        of_file.then(|| pid.parse().ok()).flatten().filter(|pid| *pid > 0)
    })
}

/// Soft and hard limit of open files in `/proc/<pid>/limits`.
pub fn open_files(limits: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let number = |word: &str| match word {
        "unlimited" => Some(u64::MAX),
        word => word.parse().ok(),
    };
    let mut words = line.split_whitespace();
    Some((number(words.next()?)?, number(words.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_read() {
        assert_eq!(socket("socket:[871376]"), Some(871_376));
        assert_eq!(socket("pipe:[871376]"), None);
        let locks = "1: FLOCK  ADVISORY  READ 7 fe:00:11 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 31272 fe:00:5406746 0 EOF\n\
                     3: POSIX  ADVISORY  WRITE 9 fe:00:12 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 0 fe:00:13 0 EOF\n";
        assert_eq!(lock_holder(locks, 5_406_746), Some(31_272));
        for other in [11, 12, 13, 14] {
            assert_eq!(lock_holder(locks, other), None, "{other}");
        }
        let limits = "Limit    Soft Limit   Hard Limit   Units\n\
                      Max processes             96551                96551                processes\n\
                      Max open files            1024                 unlimited            files\n";
        assert_eq!(open_files(limits), Some((1024, u64::MAX)));
        assert_eq!(open_files(""), None);
    }

    #[test]
    fn a_socket_of_our_own_is_found_to_be_ours() {
        use std::os::fd::AsRawFd;
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("open");
        let inode = super::socket(link.to_str().expect("ASCII")).expect("a socket");
        let found = holders(&[inode]);
        assert_eq!(found.get(&inode).map(|holder| holder.pid), Some(std::process::id()));
    }
}
