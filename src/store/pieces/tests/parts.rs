//! Whose `.part` it is, and what is known of a download when the end comes at a bad moment.

use std::os::unix::fs::FileExt;

use super::downloads::Kept;
use super::*;

const MIB: usize = 1 << 20;

/// Something else takes a name only after a while: the clock of files stands still for some milliseconds.
fn a_while() {
    std::thread::park_timeout(std::time::Duration::from_millis(20));
}

#[test]
fn what_somebody_else_put_in_the_place_of_the_part_is_left_alone() {
    for directory in [false, true] {
        let play = Play::new();
        play.file(if directory { "d/f" } else { "d" }, &noise(1, 2 * MIB));
        let file = play.share("d");
        let (other, download) = play.download(&file, "y");
        fetch(&play.store, &file, &download, 0..1);
        download.stop().unwrap();
        a_while();
        let mine = match directory {
            true => {
                fs::remove_dir_all(play.path("y.part")).unwrap();
                play.file("y.part/f", b"mine")
            }
            false => {
                fs::remove_file(play.path("y.part")).unwrap();
                play.file("y.part", b"mine")
            }
        };
        let refused = other.resume(&file.file, &always).unwrap_err();
        assert!(matches!(refused, PrepareError::PartExists(_)), "{refused:?}");
        assert_eq!(fs::read(&mine).unwrap(), b"mine");
        other.forget(&file.file).unwrap();
        assert_eq!(fs::read(&mine).unwrap(), b"mine");
        assert!(other.rows().is_empty());
    }
}

#[test]
fn what_took_the_place_of_the_part_is_not_put_into_place() {
    let kept = Kept::new(2);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..2);
    a_while();
    fs::remove_file(kept.play.path("got/x.part")).unwrap();
    kept.play.file("got/x.part", &noise(12, 2 * MIB - 5));
    let error = download.finish().unwrap_err();
    assert!(matches!(error, FinishError::Tampered(_)), "{error}");
    assert!(!kept.play.path("got/x").exists());
}

#[test]
fn a_kill_right_after_the_part_was_made_is_gone_on_from() {
    let kept = Kept::new(2);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    download.stop().unwrap();
    // The list knows the download, and not yet which part is its own.
    let item = store.item(&kept.file.file).unwrap();
    store.0.catalog.put_unfinished(&kept.file.file, &item.row, &download.loaded).unwrap();
    let part = fs::OpenOptions::new().write(true).open(kept.play.path("got/x.part")).unwrap();
    let refused = store.resume(&kept.file.file, &always).unwrap_err();
    assert!(matches!(refused, PrepareError::PartExists(_)), "it is not as it was made: {refused}");
    part.set_len(0).unwrap();
    let download = store.resume(&kept.file.file, &always).unwrap().download;
    fetch(&kept.play.store, &kept.file, &download, 0..2);
    download.finish().unwrap();
}

#[test]
fn a_final_name_is_not_the_part_of_another_download() {
    let play = Play::new();
    play.file("a", b"one");
    play.file("b", b"two");
    let (one, two) = (play.share("a"), play.share("b"));
    for (first, second) in [("y", "y.part"), ("z.part", "z")] {
        let (other, _download) = play.download(&one, first);
        let bytes = manifest(&play.store, &two);
        let refused = other.prepare(&two.file, bytes, &play.target(second)).unwrap_err();
        assert!(matches!(refused, PrepareError::Taken { .. }), "{refused:?}");
    }
}

#[test]
fn a_share_that_changed_stays_known_when_getting_it_anew_cannot_begin() {
    let Some(disk) = SmallDisk::mount("1m,nr_inodes=4") else { return };
    let play = Play::new();
    for name in ["d/a", "d/b", "d/c", "d/e", "d/f"] {
        play.file(name, name.as_bytes());
    }
    let file = play.share("d");
    let bytes = manifest(&play.store, &file);
    let good = fs::read(play.path("d/a")).unwrap();
    fs::write(play.path("d/a"), "?").unwrap();
    let target = Target { path: disk.0.path().join("d"), directory: false, force: false };
    let refused = play.store.prepare(&file.file, bytes, &target).unwrap_err();
    assert!(matches!(refused, PrepareError::Disk { .. }), "{refused:?}");
    assert!(!disk.0.path().join("d.part").exists());
    fs::write(play.path("d/a"), good).unwrap();
    assert_eq!(play.store.rehash(&file.file, &always), Rehashed::Same(file));
}

#[test]
fn a_kill_while_it_has_both_names_is_found_out() {
    let kept = Kept::new(3);
    let (store, ..) = kept.open();
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..3);
    download.commit().unwrap();
    let killed = kept.kill();
    let (part, whole) = (kept.play.path("got/x.part"), kept.play.path("got/x"));
    fs::hard_link(&part, &whole).unwrap();
    let (again, ..) = killed.open();
    let resumed = again.resume(&kept.file.file, &always).unwrap();
    assert!(resumed.download.known().held.is_full() && !part.exists());
    assert_eq!(resumed.download.finish().unwrap(), whole);

    // The same without a kill: only removing the first name failed.
    fs::hard_link(&whole, &part).unwrap();
    assert_eq!(download.finish().unwrap(), whole);
    assert!(!part.exists());
    assert_eq!(fs::read(&whole).unwrap(), noise(11, 3 * MIB - 5));
}

#[test]
fn a_commit_after_it_was_forgotten_leaves_nothing_behind() {
    let kept = Kept::new(3);
    let (store, ..) = kept.open();
    let id = kept.file.file;
    drop(kept.prepare(&store));
    store.0.catalog.put_held(&id, &Bitmap::all(3)).unwrap();
    assert_eq!(store.0.catalog.held(&id, 3).unwrap().count(), 3);
    store.forget(&id).unwrap();
    store.0.catalog.put_held(&id, &Bitmap::all(3)).unwrap();
    assert_eq!(store.0.catalog.held(&id, 3).unwrap().count(), 0);
}

#[test]
fn a_damaged_manifest_is_repaired_by_getting_it_again() {
    let kept = Kept::new(3);
    let (store, ..) = kept.open();
    let id = kept.file.file;
    let download = kept.prepare(&store);
    fetch(&kept.play.store, &kept.file, &download, 0..2);
    download.stop().unwrap();
    store.0.catalog.put_manifest(&id, b"damaged").unwrap();
    store.forget_cached(&id);
    assert!(matches!(store.resume(&id, &always), Err(PrepareError::Unknown)));
    let bytes = manifest(&kept.play.store, &kept.file);
    let again = store.prepare(&id, bytes, &kept.play.target("got")).unwrap_err();
    assert!(matches!(again, PrepareError::Unfinished(_)));
    assert_eq!(store.resume(&id, &always).unwrap().download.known().held.count(), 2);
}

/// How many files of this directory this process has open.
fn open_below(dir: &Path) -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|fd| fs::read_link(fd.path()).is_ok_and(|path| path.starts_with(dir))).count()
}

#[test]
fn what_was_deleted_or_changed_is_not_kept_open() {
    let play = Play::new();
    let path = play.file("x", &noise(1, MIB));
    let file = play.share("x");
    let read = || piece(&play.store, &file, 0);
    read().unwrap();
    assert!(play.store.close_idle());
    assert_eq!(open_below(play.dir.path()), 1, "it was read just now");
    fs::remove_file(&path).unwrap();
    assert!(read().is_err());
    assert_eq!(open_below(play.dir.path()), 0);
    assert!(!play.store.close_idle());

    fs::write(&path, noise(1, MIB)).unwrap();
    assert!(matches!(play.store.rehash(&file.file, &always), Rehashed::Same(_)));
    read().unwrap();
    fs::remove_file(&path).unwrap();
    assert!(matches!(play.store.rehash(&file.file, &always), Rehashed::Gone(_)));
    assert_eq!(open_below(play.dir.path()), 0);
}

#[test]
fn whether_it_is_here_is_looked_at() {
    let play = Play::new();
    let path = play.file("x", &noise(1, MIB));
    let file = play.share("x");
    assert_eq!(play.store.intact(&file.file).unwrap(), Some(path.clone()));
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"!", 9).unwrap();
    assert_eq!(play.store.intact(&file.file).unwrap(), None);
    assert!(play.store.problem_of(&file.file).contains("changed"));
    fs::remove_file(&path).unwrap();
    assert_eq!(play.store.intact(&file.file).unwrap(), None);
    assert_eq!(play.store.intact(&FileId([7; 32])).unwrap(), None);
}
