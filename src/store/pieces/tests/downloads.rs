//! Downloads that are stopped, killed, meddled with, forgotten, and run on many threads.

use std::os::unix::fs::{FileExt, symlink};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use super::*;

const MIB: usize = 1 << 20;

/// A store on disk that is opened again and again.
pub(super) struct Kept {
    pub play: Play,
    pub file: KnownFile,
    pub state: tempfile::TempDir,
}

impl Kept {
    pub fn new(pieces: usize) -> Kept {
        let play = Play::new();
        play.file("x", &noise(11, pieces * MIB - 5));
        let file = play.share("x");
        fs::create_dir(play.path("got")).unwrap();
        Kept { file, play, state: tempfile::tempdir().unwrap() }
    }

    pub fn open(&self) -> (PieceStore, Vec<Known>, Vec<Unfinished>) {
        let (store, aside) = PieceStore::open(Some(self.state.path()), limits()).unwrap();
        assert_eq!(aside, None);
        let (known, unfinished) = store.recall().unwrap();
        (store, known, unfinished)
    }

    pub fn prepare(&self, store: &PieceStore) -> Arc<Download> {
        let bytes = manifest(&self.play.store, &self.file);
        store.prepare(&self.file.file, bytes, &self.play.target("got")).unwrap()
    }

    /// The state directory as a kill at this moment would leave it.
    pub fn kill(&self) -> Kept {
        let state = tempfile::tempdir().unwrap();
        fs::copy(self.state.path().join(PIECES_FILE), state.path().join(PIECES_FILE)).unwrap();
        let store = PieceStore::open(None, limits()).unwrap().0;
        store.share(&self.play.path("x"), &always).unwrap();
        let dir = tempfile::tempdir().unwrap();
        Kept { play: Play { dir, store }, file: self.file.clone(), state }
    }
}

#[test]
fn a_kill_between_store_and_commit_says_too_little_and_never_too_much() {
    let kept = Kept::new(8);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..3);
    assert_eq!(download.known().held.count(), 0, "not synced yet");
    download.commit().unwrap();
    assert_eq!(download.known().held.count(), 3);
    fetch(&kept.play.store, &kept.file, &download, 3..6);

    let killed = kept.kill();
    let (again, known, unfinished) = killed.open();
    assert!(known.is_empty());
    assert_eq!((unfinished[0].pieces_held, unfinished[0].pieces), (3, 8));
    assert_eq!(unfinished[0].path, kept.play.path("got/x"));
    let resumed = again.resume(&kept.file.file, &always).unwrap();
    assert_eq!(resumed.dropped, 0);
    // What was written and not committed is stored anew, not fetched again.
    assert_eq!(resumed.download.known().held.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    fetch(&kept.play.store, &kept.file, &resumed.download, 6..8);
    let path = resumed.download.finish().unwrap();
    assert_eq!(fs::read(path).unwrap(), noise(11, 8 * MIB - 5));
}

#[test]
fn what_is_said_to_be_there_is_verified_when_it_goes_on() {
    let kept = Kept::new(6);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..5);
    download.stop().unwrap();
    assert!(matches!(
        download.store(5, &piece(&kept.play.store, &kept.file, 5).unwrap()),
        Stored::Failed { .. }
    ));
    let part = fs::OpenOptions::new().write(true).open(kept.play.path("got/x.part")).unwrap();
    part.write_all_at(b"!", 2 * (1 << 20) + 7).unwrap();
    part.set_len(4 << 20).unwrap();

    let resumed = store.resume(&kept.file.file, &always).unwrap();
    assert_eq!(resumed.dropped, 2);
    assert_eq!(resumed.download.known().held.iter().collect::<Vec<_>>(), [0, 1, 3]);
    let twice = store.resume(&kept.file.file, &always).unwrap_err();
    assert!(matches!(twice, PrepareError::Running(_)));
    drop(resumed);
    // All of it gone: it begins anew.
    fs::remove_file(kept.play.path("got/x.part")).unwrap();
    let resumed = store.resume(&kept.file.file, &always).unwrap();
    assert_eq!((resumed.dropped, resumed.download.known().held.count()), (3, 0));
    fetch(&kept.play.store, &kept.file, &resumed.download, 0..6);
    assert_eq!(fs::read(resumed.download.finish().unwrap()).unwrap(), noise(11, 6 * MIB - 5));
}

#[test]
fn getting_it_again_goes_on_with_what_is_there() {
    let kept = Kept::new(4);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..2);
    let bytes = manifest(&kept.play.store, &kept.file);
    let get = |name: &str| store.prepare(&kept.file.file, bytes.clone(), &kept.play.target(name));
    assert!(matches!(get("got").unwrap_err(), PrepareError::Running(_)));
    download.stop().unwrap();
    assert!(matches!(get("elsewhere").unwrap_err(), PrepareError::Elsewhere(_)));
    assert!(matches!(get("got").unwrap_err(), PrepareError::Unfinished(_)));
    let download = store.resume(&kept.file.file, &always).unwrap().download;
    assert_eq!(download.known().held.count(), 2);
    fetch(&kept.play.store, &kept.file, &download, 2..4);
    download.finish().unwrap();
    assert!(matches!(get("got").unwrap_err(), PrepareError::Here(_)));
}

#[test]
fn a_kill_between_the_rename_and_the_list_is_found_out() {
    let kept = Kept::new(3);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..3);
    download.commit().unwrap();
    let killed = kept.kill();
    fs::rename(kept.play.path("got/x.part"), kept.play.path("got/x")).unwrap();
    let (again, ..) = killed.open();
    let resumed = again.resume(&kept.file.file, &always).unwrap();
    assert!(resumed.download.known().held.is_full());
    assert_eq!(resumed.download.finish().unwrap(), kept.play.path("got/x"));
    drop(again);
    drop(resumed);
    let (_, known, unfinished) = killed.open();
    assert_eq!((known.len(), unfinished.len(), known[0].problem.as_str()), (1, 0, ""));
    assert_eq!(known[0].known, kept.file);
}

#[test]
fn what_is_known_comes_back_after_a_restart() {
    let kept = Kept::new(2);
    let (store, ..) = kept.open();
    kept.play.file("shared", b"abc");
    let shared = store.share(&kept.play.path("shared"), &always).unwrap().known;
    drop(store);
    let (store, known, _) = kept.open();
    assert_eq!(known, [Known { known: shared.clone(), problem: String::new() }]);
    assert_eq!(piece(&store, &shared, 0).unwrap(), b"abc");
    drop(store);
    kept.play.file("shared", b"abcd");
    assert!(kept.open().1[0].problem.contains("changed"));
    let mode = fs::metadata(kept.state.path().join(PIECES_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_list_that_cannot_be_read_is_set_aside() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join(PIECES_FILE), "no database").unwrap();
    let (store, aside) = PieceStore::open(Some(state.path()), limits()).unwrap();
    let (known, unfinished) = store.recall().unwrap();
    assert!(known.is_empty() && unfinished.is_empty());
    assert!(aside.unwrap().contains("pieces.redb.set-aside-"));
}

#[test]
fn a_wrong_piece_writes_nothing() {
    let kept = Kept::new(3);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    let good = piece(&kept.play.store, &kept.file, 1).unwrap();
    let mut flipped = good.clone();
    flipped[77] ^= 1;
    for (number, bytes) in
        [(1, &flipped[..]), (0, &good), (1, &good[1..]), (1, b""), (3, &good), (u32::MAX, b"")]
    {
        assert_eq!(download.store(number, bytes), Stored::Mismatch);
    }
    let meta = fs::metadata(kept.play.path("got/x.part")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::blocks(&meta), 0, "sparse still");
    assert!(matches!(download.finish().unwrap_err(), FinishError::Incomplete(3)));
}

#[test]
fn pieces_are_given_on_while_the_rest_is_fetched() {
    let kept = Kept::new(3);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 1..2);
    assert_eq!(
        piece(&store, &kept.file, 1).unwrap(),
        piece(&kept.play.store, &kept.file, 1).unwrap()
    );
    assert!(matches!(piece(&store, &kept.file, 0), Err(ReadError::Absent)));
    assert_eq!(manifest(&store, &kept.file), manifest(&kept.play.store, &kept.file));
    download.stop().unwrap();
    assert!(matches!(piece(&store, &kept.file, 1), Err(ReadError::Absent)));
}

#[test]
fn a_link_planted_in_the_place_of_the_part_is_not_followed() {
    let kept = Kept::new(2);
    let victim = kept.play.file("victim", b"precious");
    symlink(&victim, kept.play.path("got/x.part")).unwrap();
    let (store, ..) = kept.open();
    let bytes = manifest(&kept.play.store, &kept.file);
    let get = || store.prepare(&kept.file.file, bytes.clone(), &kept.play.target("got"));
    assert!(matches!(get().unwrap_err(), PrepareError::PartExists(_)));
    assert!(store.rows().is_empty());
    fs::remove_file(kept.play.path("got/x.part")).unwrap();
    let download = get().unwrap();
    fetch(&kept.play.store, &kept.file, &download, 0..1);
    download.stop().unwrap();
    for hard in [false, true] {
        fs::remove_file(kept.play.path("got/x.part")).unwrap();
        match hard {
            true => fs::hard_link(&victim, kept.play.path("got/x.part")).unwrap(),
            false => symlink(&victim, kept.play.path("got/x.part")).unwrap(),
        }
        let refused = store.resume(&kept.file.file, &always).unwrap_err();
        assert!(matches!(refused, PrepareError::PartExists(_)), "{refused:?}");
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }
}

#[test]
fn a_link_planted_inside_a_directory_that_is_fetched_is_not_followed() {
    let play = Play::new();
    play.file("d/sub/a", &noise(1, 10));
    play.file("d/sub/b", &noise(2, MIB));
    let file = play.share("d");
    let (other, download) = play.download(&file, "e");
    let outside = play.file("outside/a", b"precious");
    play.file("outside/b", &noise(3, MIB));
    fs::rename(play.path("e.part/sub"), play.path("e.part/gone")).unwrap();
    symlink(play.path("outside"), play.path("e.part/sub")).unwrap();
    let stored = download.store(0, &piece(&play.store, &file, 0).unwrap());
    assert!(matches!(stored, Stored::Failed { full: false, .. }), "{stored:?}");
    download.stop().unwrap();
    assert!(other.resume(&file.file, &always).is_err());
    other.forget(&file.file).unwrap();
    assert_eq!(fs::read(outside).unwrap(), b"precious");
    assert!(!play.path("e.part").exists());
}

#[test]
fn four_threads_store_and_one_commits() {
    let play = Play::new();
    for n in 0..400u64 {
        play.file(&format!("d/f{n:03}"), &noise(n, 30_000 + usize::try_from(n).unwrap()));
    }
    play.file("d/large", &noise(999, 9 * MIB));
    let file = play.share("d");
    let (other, download) = play.download(&file, "got");
    let (next, over) = (AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                download.commit().unwrap();
            }
        });
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed) / 2;
                        if number >= file.held.len() {
                            break;
                        }
                        // Each piece twice: two may have been asked for it at the end.
                        let bytes = piece(&play.store, &file, number).unwrap();
                        assert_eq!(download.store(number, &bytes), Stored::Good);
                        assert_eq!(piece(&other, &file, number).unwrap(), bytes);
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        over.store(true, Ordering::Relaxed);
    });
    download.finish().unwrap();
    assert_eq!(tree(&play.path("got")), tree(&play.path("d")));
}

#[test]
fn forgetting_is_safe_beside_reads_and_writes() {
    let kept = Kept::new(6);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..3);
    let shared = &kept.play.store;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Ok(bytes) = piece(&store, &kept.file, 1) {
                    assert_eq!(bytes, piece(shared, &kept.file, 1).unwrap());
                }
            });
        }
        scope.spawn(|| {
            while download.store(4, &piece(shared, &kept.file, 4).unwrap()) == Stored::Good {
                let mut state = download.state.lock().unwrap();
                state.fresh.remove(&4);
            }
        });
        scope.spawn(|| {
            thread::park_timeout(std::time::Duration::from_millis(50));
            store.forget(&kept.file.file).unwrap();
        });
    });
    assert!(!kept.play.path("got/x.part").exists());
    assert!(matches!(store.forget(&kept.file.file), Err(ForgetError::Unknown)));
    assert!(download.commit().is_err() && download.finish().is_err());
    drop((download, store));
    let (_, known, unfinished) = kept.open();
    assert!(known.is_empty() && unfinished.is_empty());
    shared.forget(&kept.file.file).unwrap();
    assert!(kept.play.path("x").exists(), "what is shared stays");
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let Some(disk) = SmallDisk::mount("4m") else { return };
    let play = Play::new();
    play.file("x", &noise(12, 3 * MIB));
    let file = play.share("x");
    let other = PieceStore::open(None, limits()).unwrap().0;
    let target = Target { path: disk.0.path().join("got"), directory: false, force: false };
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let refused = other.prepare(&file.file, manifest(&play.store, &file), &target).unwrap_err();
    assert!(matches!(refused, PrepareError::NoRoom { .. }) && refused.trouble().full, "{refused}");
    assert!(!disk.0.path().join("got.part").exists());

    fs::write(&ballast, vec![1; 256 << 10]).unwrap();
    let download = other.prepare(&file.file, manifest(&play.store, &file), &target).unwrap();
    fetch(&play.store, &file, &download, 0..1);
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let second = piece(&play.store, &file, 1).unwrap();
    let mut stored = download.store(1, &second);
    if stored == Stored::Good {
        stored = download.store(2, &piece(&play.store, &file, 2).unwrap());
    }
    assert!(matches!(stored, Stored::Failed { full: true, .. }), "{stored:?}");
    fs::remove_file(&ballast).unwrap();
    fetch(&play.store, &file, &download, 0..3);
    assert_eq!(fs::read(download.finish().unwrap()).unwrap(), noise(12, 3 * MIB));
}

#[test]
fn what_is_forgotten_and_fetched_anew_while_it_is_verified_is_left_alone() {
    let kept = Kept::new(4);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..3);
    download.stop().unwrap();
    let anew = std::cell::RefCell::new(None);
    let meddle = |_, _| {
        if anew.borrow().is_none() {
            store.forget(&kept.file.file).unwrap();
            *anew.borrow_mut() = Some(kept.prepare(&store));
        }
        true
    };
    let error = store.resume(&kept.file.file, &meddle).unwrap_err();
    assert!(matches!(error, PrepareError::Unknown), "{error:?}");
    let anew = anew.into_inner().expect("begun anew");
    fetch(&kept.play.store, &kept.file, &anew, 0..4);
    anew.finish().unwrap();
}

#[test]
fn others_may_be_forgotten_and_shared_while_what_was_written_is_looked_through() {
    let kept = Kept::new(3);
    let (store, ..) = kept.open();
    fetch(&kept.play.store, &kept.file, &kept.prepare(&store), 0..2);
    let other = kept.play.file("other", b"other");
    let (asked, done) = std::sync::mpsc::channel();
    let meddle = |_, _| {
        // From another thread, as a person does it; it must not have to wait for us.
        let (store, other, asked) = (store.clone(), other.clone(), asked.clone());
        std::thread::spawn(move || _ = asked.send(store.share(&other, &always).is_ok()));
        done.recv_timeout(std::time::Duration::from_secs(5)).expect("not kept waiting")
    };
    assert_eq!(store.resume(&kept.file.file, &meddle).unwrap().download.known().held.count(), 2);
}

#[test]
fn a_store_told_to_halt_gives_up_what_takes_long_until_it_is_asked_what_it_knows() {
    let kept = Kept::new(3);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..2);
    download.stop().unwrap();
    drop(download);
    store.halt();
    let path = kept.play.path("x");
    assert!(matches!(store.share(&path, &always), Err(ShareError::Stopped)));
    assert!(matches!(store.resume(&kept.file.file, &always), Err(PrepareError::Stopped)));
    store.recall().unwrap();
    assert_eq!(store.resume(&kept.file.file, &always).unwrap().download.known().held.count(), 2);
}

#[test]
fn what_began_before_a_halt_is_given_up_though_all_may_be_done_again() {
    let kept = Kept::new(3);
    let (store, ..) = kept.open();
    fetch(&kept.play.store, &kept.file, &kept.prepare(&store), 0..2);
    let meddle = |_, _| {
        store.halt();
        store.recall().unwrap();
        true
    };
    assert!(matches!(store.share(&kept.play.path("x"), &meddle), Err(ShareError::Stopped)));
    assert!(matches!(store.resume(&kept.file.file, &meddle), Err(PrepareError::Stopped)));
    store.resume(&kept.file.file, &always).unwrap();
}

#[test]
fn what_a_person_stopped_goes_on_only_when_it_is_wanted_again() {
    let kept = Kept::new(3);
    let file = kept.file.file;
    {
        let (store, ..) = kept.open();
        let download = kept.prepare(&store);
        fetch(&kept.play.store, &kept.file, &download, 0..2);
        store.set_aside(&file).unwrap();
        download.stop().unwrap();
    }
    {
        let (store, ..) = kept.open();
        assert!(store.recall().unwrap().1.is_empty() && store.rows().len() == 1);
        assert_eq!(store.resume(&file, &always).unwrap().download.known().held.count(), 2);
    }
    let (store, ..) = kept.open();
    assert_eq!(store.recall().unwrap().1.len(), 1);
}
