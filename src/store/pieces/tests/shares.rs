//! Sharing, reading, and files that change under us.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const MIB: usize = 1 << 20;

#[test]
fn a_file_and_a_directory_of_300_come_through_as_they_are() {
    let play = Play::new();
    play.file("big.bin", &noise(1, 5 * MIB + 123));
    for n in 0..300u64 {
        let size = usize::try_from(n * 37 % 9000).unwrap();
        play.file(&format!("tree/d{}/e{}/f{n}", n % 7, n % 3), &noise(n, size));
    }
    play.file("tree/run.sh", b"#!/bin/sh\n");
    fs::set_permissions(play.path("tree/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(play.path("tree/nothing/in it")).unwrap();
    play.file("none", b"");
    fs::create_dir(play.path("hollow")).unwrap();
    fs::create_dir(play.path("got")).unwrap();

    for name in ["big.bin", "tree", "none", "hollow"] {
        let file = play.share(name);
        let (other, download) = play.download(&file, "got");
        assert!(play.path(&format!("got/{name}.part")).exists());
        assert!(!play.path(&format!("got/{name}")).exists());
        fetch(&play.store, &file, &download, 0..file.held.len());
        assert_eq!(download.finish().unwrap(), play.path("got").join(name));
        assert_eq!(tree(&play.path("got").join(name)), tree(&play.path(name)));
        assert!(!play.path(&format!("got/{name}.part")).exists());

        // And it is given on from there.
        let held = KnownFile { name: name.into(), ..file.clone() };
        assert_eq!(download.known(), held);
        drop(download);
        for number in 0..file.held.len() {
            let (a, b) = (piece(&play.store, &file, number), piece(&other, &file, number));
            assert_eq!(a.unwrap(), b.unwrap());
        }
        assert_eq!(manifest(&other, &file), manifest(&play.store, &file));
    }
}

#[test]
fn the_same_content_has_the_same_id_and_the_same_path_one_file() {
    let play = Play::new();
    play.file("a/x", b"one");
    play.file("b/x", b"one");
    let (first, again) = (play.share("a/x"), play.share("a/x"));
    assert_eq!(first, again);
    assert_eq!(play.share("b/x"), first);
    assert_eq!(play.store.path_of(&first.file), Some(play.path("b/x")));
    play.file("b/x", b"two");
    let second = play.store.share(&play.path("b/x"), &always).unwrap();
    assert_eq!(second.replaced, [first.file]);
    assert_ne!(second.known.file, first.file);
    assert_eq!(play.store.rows().len(), 1);
}

#[test]
fn what_cannot_be_shared_is_left_out_and_said() {
    let play = Play::new();
    play.file("d/good", b"1");
    play.file("d/two\nlines", b"2");
    symlink("/etc/passwd", play.path("d/link")).unwrap();
    let _socket = UnixListener::bind(play.path("d/socket")).unwrap();
    let shared = play.store.share(&play.path("d"), &always).unwrap();
    assert_eq!(shared.known.bytes, 1);
    assert_eq!(shared.left_out.len(), 3, "{:?}", shared.left_out);
    assert!(shared.left_out.iter().any(|line| line == "link: it is a symbolic link"));
    for n in 0..100 {
        symlink("x", play.path(&format!("d/l{n}"))).unwrap();
    }
    let left_out = play.store.share(&play.path("d"), &always).unwrap().left_out;
    assert_eq!((left_out.len(), left_out[15].as_str()), (16, "and 88 more"));

    symlink(play.path("d/good"), play.path("pointer")).unwrap();
    let share = |path: &Path| play.store.share(path, &always).unwrap_err().to_string();
    assert!(share(&play.path("pointer")).contains("share what it points to"));
    assert!(share(Path::new("relative")).contains("absolute"));
    assert!(share(&play.path("missing")).contains("missing"));
    assert!(share(Path::new("/dev/null")).contains("neither a file nor a directory"));
    assert!(share(Path::new("/")).contains("no name"));
    let stopped = play.store.share(&play.path("d"), &|_, _| false).unwrap_err();
    assert!(matches!(stopped, ShareError::Stopped));
}

#[test]
fn an_unfinished_download_is_not_shared_with_the_directory_around_it() {
    let play = Play::new();
    play.file("x", &noise(3, 100));
    let file = play.share("x");
    fs::create_dir(play.path("d")).unwrap();
    let (other, _download) = play.download(&file, "d");
    play.file("d/mine.part", b"of somebody else");
    let shared = other.share(&play.path("d"), &always).unwrap();
    assert_eq!(shared.left_out, ["x.part: it is an unfinished download"]);
    assert_eq!(shared.known.bytes, 16);
}

#[test]
fn progress_is_told_and_ends_with_all() {
    let play = Play::new();
    play.file("x", &noise(4, 5 * MIB));
    let last = AtomicU64::new(0);
    let progress = |done, total| {
        assert_eq!(total, 5 << 20);
        last.fetch_max(done, Ordering::Relaxed);
        true
    };
    play.store.share(&play.path("x"), &progress).unwrap();
    assert!(last.load(Ordering::Relaxed) >= 1 << 20);
}

/// Each of these makes a shared file another one; none may be served.
#[test]
fn a_changed_file_is_never_served_under_its_old_id() {
    type Change = fn(&Path);
    let size = 3 * MIB;
    let changes: [(&str, Change); 8] = [
        ("written to", |p| {
            let file = fs::OpenOptions::new().write(true).open(p).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, b"!", 100).unwrap();
        }),
        ("written to, with its time set back", |p| {
            let time = fs::metadata(p).unwrap().modified().unwrap();
            let file = fs::OpenOptions::new().write(true).open(p).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, b"!", 100).unwrap();
            file.set_modified(time).unwrap();
        }),
        ("cut off", |p| fs::OpenOptions::new().write(true).open(p).unwrap().set_len(9).unwrap()),
        ("longer", |p| {
            fs::OpenOptions::new().write(true).open(p).unwrap().set_len(4 << 20).unwrap();
        }),
        ("replaced", |p| {
            fs::write(p.with_extension("new"), noise(9, 3 << 20)).unwrap();
            fs::rename(p.with_extension("new"), p).unwrap();
        }),
        ("removed", |p| fs::remove_file(p).unwrap()),
        ("a link to the same", |p| {
            fs::rename(p, p.with_extension("moved")).unwrap();
            symlink(p.with_extension("moved"), p).unwrap();
        }),
        ("a directory", |p| {
            fs::remove_file(p).unwrap();
            fs::create_dir(p).unwrap();
        }),
    ];
    for (what, change) in changes {
        for already_open in [false, true] {
            let play = Play::new();
            let path = play.file("x", &noise(5, size));
            let file = play.share("x");
            if already_open {
                piece(&play.store, &file, 0).unwrap();
            }
            change(&path);
            for number in 0..3 {
                let error = piece(&play.store, &file, number).unwrap_err();
                assert!(matches!(error, ReadError::Changed(_)), "{what}: {error:?}");
            }
            assert!(play.store.problem_of(&file.file).contains("changed"), "{what}");
            let again = play.store.rehash(&file.file, &always);
            assert!(
                matches!(again, Rehashed::Different(_) | Rehashed::Gone(_)),
                "{what}: {again:?}"
            );
            assert!(piece(&play.store, &file, 0).is_err());
        }
    }
}

#[test]
fn a_file_that_was_only_touched_is_served_again_after_it_was_hashed() {
    let play = Play::new();
    let path = play.file("d/x", &noise(6, 2 * MIB));
    play.file("d/y", b"beside");
    let file = play.share("d");
    let before = piece(&play.store, &file, 1).unwrap();
    fs::write(&path, noise(6, 2 * MIB)).unwrap();
    assert!(matches!(piece(&play.store, &file, 1), Err(ReadError::Changed(_))));
    assert_eq!(play.store.rehash(&file.file, &always), Rehashed::Same(file.clone()));
    assert_eq!(piece(&play.store, &file, 1).unwrap(), before);
    assert_eq!(play.store.problem_of(&file.file), "");
    assert_eq!(play.store.rehash(&file.file, &|_, _| false), Rehashed::Stopped);
}

#[test]
fn a_change_while_it_is_hashed_is_said() {
    let play = Play::new();
    let path = play.file("x", &noise(7, 4 * MIB));
    let meddle = |_, _| {
        fs::write(&path, noise(8, 4 * MIB)).unwrap();
        true
    };
    let error = play.store.share(&path, &meddle).unwrap_err();
    assert!(matches!(error, ShareError::Changed(_)), "{error:?}");
    assert_eq!(play.store.rows(), []);
}

#[test]
fn what_is_not_there_is_not_read() {
    let play = Play::new();
    play.file("x", &noise(7, MIB + 10));
    let file = play.share("x");
    let read = |part, offset, bytes: usize| {
        play.store.read(&file.file, part, offset, &mut vec![0; bytes]).unwrap_err().nope()
    };
    use crate::pieces::frame::Nope;
    for (piece, offset, bytes) in
        [(2, 0, 1), (1, 0, 11), (1, 10, 1), (0, 1, 1 << 20), (0, u32::MAX, 2), (0, 0, 0)]
    {
        assert_eq!(read(Part::Piece(piece), offset, bytes), Nope::OutOfRange);
    }
    assert_eq!(read(Part::Manifest, 0, file.manifest_bytes as usize + 1), Nope::OutOfRange);
    assert_eq!(read(Part::Manifest, u32::MAX, 1 << 20), Nope::OutOfRange);
    let other = FileId([9; 32]);
    let error = play.store.read(&other, Part::Piece(0), 0, &mut [0]).unwrap_err();
    assert_eq!(error.nope(), Nope::Absent);
}

#[test]
fn no_more_files_are_known_than_allowed() {
    let play = Play::new();
    play.store.set_limits(Limits { files_max: 2, ..limits() });
    for n in 0..3u8 {
        play.file(&format!("f{n}"), &[n]);
    }
    play.share("f0");
    play.share("f1");
    let error = play.store.share(&play.path("f2"), &always).unwrap_err();
    assert!(error.to_string().contains("pieces.files_max"), "{error}");
}
