//! Disks that are full, files that are damaged, daemons that are killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::*;
use crate::store::tests::SmallDisk;
use Outcome::{Done, Duplicate};

#[test]
fn a_full_disk_is_said_and_nothing_is_lost_by_it() {
    let Some(disk) = SmallDisk::mount("8m") else { return };
    let store = opened(disk.0.path(), LIMITS);
    store.commit(&[receive(1, 1), write(1, 1), keep(1, 1, 10)]).unwrap();
    let large = |n| Change::Receive(InLetter { body: vec![1; 100_000], ..came(n, 1) });
    let (mut safe, mut refused) = (1, 0);
    while refused < 3 {
        let batch = [large(safe + 1), large(safe + 2), receive(safe + 3, 1)];
        match store.commit(&batch) {
            Ok(_) => safe += 3,
            Err(error) => {
                assert!(error.is_full(), "{error:?}");
                refused += 1;
            }
        }
        assert!(safe < 1_000, "the disk is never full");
    }
    let expected: Vec<_> = (1..=safe).map(|n| (n, id(n))).collect();
    assert_eq!(all_came(&store), expected, "all of a batch, or nothing of it");
    assert_eq!(store.unread(), safe);
    counts_are_right(&store);

    let disk_is_larger = Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(disk.0.path())
        .status()
        .is_ok_and(|status| status.success());
    assert!(disk_is_larger);
    let batch = [receive(safe, 1), large(safe + 1), update(1, 1, State::Delivered)];
    assert_eq!(store.commit(&batch).unwrap(), [Duplicate, Done, Done]);
    counts_are_right(&store);
    drop(store);
    let store = opened(disk.0.path(), LIMITS);
    assert_eq!(all_came(&store).len() as u64, safe + 1);
    assert_eq!(store.recall().unwrap().outbox, []);
    counts_are_right(&store);
}

/// What panics inside of a transaction (redb could, over a damaged file) leaves no trace.
#[test]
fn a_change_that_fails_half_way_is_not_made_at_all() {
    let tmp = tempfile::tempdir().unwrap();
    let store = opened(tmp.path(), LIMITS);
    store.commit(&[receive(1, 1), write(1, 1)]).unwrap();
    let half = |batch: &mut Batch<'_>| {
        batch.make(&receive(2, 1))?;
        batch.make(&update(1, 1, State::Failed))?;
        batch.make(&keep(1, 1, 10))
    };
    let failed = store.change::<()>(|batch| {
        half(batch)?;
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into())
    });
    assert!(failed.unwrap_err().is_full());
    let broken = store.change::<()>(|batch| {
        half(batch)?;
        panic!("as redb could");
    });
    assert!(matches!(broken, Err(DbError::Broken(_))));
    assert_eq!(all_came(&store), [(1, id(1))]);
    assert_eq!(store.recall().unwrap().outbox, [out(1, 1, State::Queued)]);
    assert_eq!((store.unread(), store.kept_counts()), (1, vec![]));
    counts_are_right(&store);
    store.commit(&[receive(3, 1)]).unwrap();
    assert_eq!(all_came(&store), [(1, id(1)), (2, id(3))]);
}

#[test]
fn a_damaged_file_is_set_aside_and_said_to_be() {
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join(LETTERS_FILE);
    let store = opened(tmp.path(), LIMITS);
    store.commit(&(0..500).map(|n| receive(n, 1)).collect::<Vec<_>>()).unwrap();
    drop(store);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let whole = fs::read(&file).unwrap();
    let mut torn = whole.clone();
    torn.iter_mut().skip(8_192).step_by(4_096).for_each(|byte| *byte ^= 0x55);
    for damaged in [torn, whole[..whole.len() / 2].to_vec(), b"no database".to_vec()] {
        fs::write(&file, &damaged).unwrap();
        let (store, aside) = LetterStore::open(Some(tmp.path()), LIMITS).unwrap();
        let aside = aside.unwrap();
        assert!(aside.starts_with("the mail could not be read"), "{aside}");
        assert!(aside.contains("letters.redb.set-aside-") && aside.contains("not here any more"));
        assert_eq!(all_came(&store), []);
        assert_eq!(store.commit(&[receive(1, 1)]).unwrap(), [Done]);
        drop(store);
        assert_eq!(all_came(&opened(tmp.path(), LIMITS)).len(), 1);
    }
    // Renamed by the millisecond: two could have met, but none was removed.
    let kept = fs::read_dir(tmp.path()).unwrap().count();
    assert!((2..=4).contains(&kept), "{kept}");
}

#[test]
fn reads_go_on_while_commits_are_made() {
    let tmp = tempfile::tempdir().unwrap();
    let store = opened(tmp.path(), LIMITS);
    std::thread::scope(|scope| {
        for sender in 0..3 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0..30 {
                    assert_eq!(store.commit(&[receive(n, sender)]).unwrap(), [Done]);
                }
            });
        }
        let store = store.clone();
        scope.spawn(move || {
            let mut before = 0;
            while before < 90 {
                let now = store.unread();
                let read = all_came(&store).len() as u64;
                assert!(before <= now && now <= read, "{before} {now} {read}");
                before = now;
            }
        });
    });
    counts_are_right(&store);
}

const CHILD: &str = "KITH_TEST_LETTERS_DIR";

/// The part of the test below that is killed: batches of letters, each said once it is safe.
#[test]
#[ignore = "is started, and killed, by the test below"]
fn a_daemon_that_will_be_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let store = opened(Path::new(&dir), LIMITS);
    let first = all_sent(&store).len() as u64;
    for n in first.. {
        let (one, two) = (receive(2 * n, 1), receive(2 * n + 1, 1));
        assert_eq!(store.commit(&[one, write(n, 1), two]).unwrap(), [Done; 3]);
        println!("safe {n}");
    }
}

#[test]
fn a_kill_leaves_whole_commits_and_all_that_were_said_to_be_safe() {
    let tmp = tempfile::tempdir().unwrap();
    let mut safe = 0;
    for round in 0..6 {
        let name = "store::letters::tests::failing::a_daemon_that_will_be_killed";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD, tmp.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = lines.filter_map(|line| {
            line.unwrap().rsplit_once("safe ").map(|(_, n)| n.parse::<u64>().unwrap())
        });
        // The first stands behind the name of the test.
        let first = said.next().unwrap();
        let last = said.by_ref().take(3 + 7 * round).last().unwrap_or(first);
        child.kill().unwrap();
        safe = said.last().unwrap_or(last);
        child.wait().unwrap();
        let store = opened(tmp.path(), LIMITS);
        let written = all_sent(&store).len() as u64;
        assert!(written > safe, "{written} {safe}");
        let letters: Vec<_> = (0..2 * written).map(|n| (n + 1, id(n))).collect();
        assert_eq!(all_came(&store), letters);
        counts_are_right(&store);
    }
    assert!(safe > 50, "the children did their work: {safe}");
}
