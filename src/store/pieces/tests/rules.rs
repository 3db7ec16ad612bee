//! What a download may be called, where it may go, and how much it may take.

use super::*;
use crate::pieces::manifest::{Entry, Manifest};
use sha2::{Digest, Sha256};

fn get(play: &Play, file: &KnownFile, target: &Target) -> Result<Arc<Download>, PrepareError> {
    let other = PieceStore::open(None, limits()).unwrap().0;
    other.prepare(&file.file, manifest(&play.store, file), target)
}

#[test]
fn a_forged_or_foolish_manifest_is_refused_and_nothing_is_written() {
    let play = Play::new();
    play.file("abc", b"content");
    let file = play.share("abc");
    let good = manifest(&play.store, &file);
    fs::create_dir(play.path("got")).unwrap();
    let other = PieceStore::open(None, limits()).unwrap().0;
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let forged = other.prepare(&file.file, bad.clone(), &play.target("got")).unwrap_err();
        assert!(matches!(forged, PrepareError::Forged));
        // Whoever shares such a thing names it rightly; then it is what it says that counts.
        let id = FileId::of_manifest(&bad);
        if let Ok(download) = other.prepare(&id, bad, &play.target("got")) {
            assert_eq!(download.path().parent(), Some(play.path("got").as_path()));
            assert_ne!(download.store(0, b"content!"), Stored::Good);
            drop(download);
            other.forget(&id).unwrap();
        }
    }
    assert_eq!(fs::read_dir(play.path("got")).unwrap().count(), 0);
}

/// The bytes of a manifest, with some of them exchanged for as many others.
fn exchanged(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    let mut found = false;
    while at + old.len() <= bytes.len() {
        if &bytes[at..at + old.len()] == old {
            bytes[at..at + old.len()].copy_from_slice(new);
            found = true;
        }
        at += 1;
    }
    assert!(found);
    bytes
}

#[test]
fn a_manifest_never_chooses_a_path() {
    let play = Play::new();
    play.file("AAAA/BBBB/CCCC", b"content");
    play.file("EEEE", b"content");
    fs::create_dir(play.path("got")).unwrap();
    let other = PieceStore::open(None, limits()).unwrap().0;
    let try_all = |good: &[u8], old: &str, names: &[&str]| {
        for name in names {
            let bad = exchanged(good, old.as_bytes(), name.as_bytes());
            let id = FileId::of_manifest(&bad);
            let refused = other.prepare(&id, bad, &play.target("got")).unwrap_err();
            assert!(matches!(refused, PrepareError::Manifest(_)), "{name}: {refused:?}");
            assert!(!refused.trouble().remedy.is_empty());
        }
    };
    let tree = manifest(&play.store, &play.share("AAAA"));
    try_all(
        &tree,
        "BBBB/CCCC",
        &["../../abc", "/etc/pass", "BBBB/../c", "B\0BB/CCCC", "BBBB//CCC", "BBBB/CON."],
    );
    try_all(&tree, "AAAA", &["../a", "/etc", "a/..", "a\0bc", "CON."]);
    let one = manifest(&play.store, &play.share("EEEE"));
    try_all(&one, "EEEE", &["../a", "/etc", "./aa", "nul.", "\u{7f}aaa"]);
    assert_eq!(fs::read_dir(play.path("got")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(play.dir.path()).unwrap().count(), 3);
}

#[test]
fn a_manifest_that_lies_about_sizes_cannot_be_completed() {
    let play = Play::new();
    let content = noise(1, 1000);
    let entries = ["a", "b"].map(|path| Entry {
        path: path.into(),
        bytes: 600,
        executable: false,
        directory: false,
    });
    // 1,200 bytes are said to be there; the hash is of 1,000.
    let hash: [u8; 32] = Sha256::digest(&content).into();
    let lying = Manifest::new("d".into(), true, entries.to_vec(), vec![hash]).unwrap().encode();
    let id = FileId::of_manifest(&lying);
    let download = play.store.prepare(&id, lying, &play.target("got")).unwrap();
    assert_eq!(download.store(0, &content), Stored::Mismatch);
    let longer = [&content[..], &[0; 200]].concat();
    assert_eq!(download.store(0, &longer), Stored::Mismatch);
    assert!(download.finish().is_err());
    drop(download);
    play.store.forget(&id).unwrap();
    assert!(!play.path("got").exists() && !play.path("got.part").exists());
}

#[test]
fn what_is_there_is_overwritten_only_if_that_is_asked() {
    let play = Play::new();
    play.file("x", b"new");
    let file = play.share("x");
    let there = play.file("there", b"old");
    let refused = get(&play, &file, &play.target("there")).unwrap_err();
    assert!(matches!(refused, PrepareError::Exists(_)));
    assert!(refused.trouble().remedy.contains("--force"));
    let force = Target { force: true, ..play.target("there") };
    let other = PieceStore::open(None, limits()).unwrap().0;
    let download = other.prepare(&file.file, manifest(&play.store, &file), &force).unwrap();
    fetch(&play.store, &file, &download, 0..1);
    assert_eq!(fs::read(&there).unwrap(), b"old", "until all is verified");
    download.finish().unwrap();
    assert_eq!(fs::read(&there).unwrap(), b"new");

    // A directory in the way stays, with or without.
    play.file("dir/x/inside", b"kept");
    for force in [false, true] {
        let target = Target { force, ..play.target("dir") };
        assert!(get(&play, &file, &target).is_err());
    }
    play.file("tree/f", b"1");
    let tree = play.share("tree");
    let onto_file = Target { force: true, ..play.target("there") };
    assert!(matches!(get(&play, &tree, &onto_file), Err(PrepareError::ExistsDirectory(_))));
    assert_eq!(fs::read(play.path("dir/x/inside")).unwrap(), b"kept");
}

#[test]
fn a_name_that_was_taken_meanwhile_is_not_overwritten() {
    let play = Play::new();
    play.file("x", b"new");
    play.file("d/f", b"new");
    for name in ["x", "d"] {
        let file = play.share(name);
        let (other, download) = play.download(&file, "y");
        fetch(&play.store, &file, &download, 0..1);
        download.commit().unwrap();
        fs::write(play.path("y"), b"somebody was faster").unwrap();
        let FinishError::Name(refused) = download.finish().unwrap_err() else { panic!("{name}") };
        assert!(match refused {
            PrepareError::Exists(_) => name == "x",
            PrepareError::ExistsDirectory(_) => name == "d",
            _ => false,
        });
        assert_eq!(fs::read(play.path("y")).unwrap(), b"somebody was faster");
        fs::remove_file(play.path("y")).unwrap();
        assert_eq!(download.finish().unwrap(), play.path("y"), "it can be tried again");
        assert_eq!(tree(&play.path("y")), tree(&play.path(name)));
        drop(other);
        let _ = fs::remove_file(play.path("y"));
    }
}

#[test]
fn two_downloads_to_one_name_are_one_too_many() {
    let play = Play::new();
    play.file("a/x", b"one");
    play.file("b/x", b"two");
    let (one, two) = (play.share("a/x"), play.share("b/x"));
    fs::create_dir(play.path("got")).unwrap();
    let (other, first) = play.download(&one, "got");
    let second = other.prepare(&two.file, manifest(&play.store, &two), &play.target("got"));
    let error = second.unwrap_err();
    assert!(matches!(error, PrepareError::Taken { file, .. } if file == one.file), "{error}");
    // Another daemon sees only the file.
    let third = get(&play, &two, &play.target("got")).unwrap_err();
    assert!(matches!(third, PrepareError::PartExists(_)), "{third}");
    fetch(&play.store, &one, &first, 0..1);
    assert_eq!(fs::read(first.finish().unwrap()).unwrap(), b"one");
}

#[test]
fn where_it_may_go() {
    let play = Play::new();
    play.file("x", b"abc");
    let file = play.share("x");
    let path = |target: &Target| get(&play, &file, target).map(|d| d.path());
    let folder = path(&play.target("no/such/folder")).unwrap_err();
    assert!(matches!(folder, PrepareError::Folder { .. }), "{folder}");
    let missing = path(&play.target("missing/")).unwrap_err();
    assert!(matches!(missing, PrepareError::Folder { .. }), "{missing}");
    assert!(path(&play.target("missing/.")).is_err());
    let relative = Target { path: "here".into(), ..play.target("") };
    assert!(matches!(path(&relative), Err(PrepareError::Target(_))));
    let made = Target { directory: true, ..play.target("to/be/made") };
    assert_eq!(path(&made).unwrap(), play.path("to/be/made/x"));
    assert_eq!(path(&play.target("renamed")).unwrap(), play.path("renamed"));
    let long = "n".repeat(255);
    assert_eq!(path(&play.target(&long)).unwrap(), play.path(&long), "its part has a shorter name");
    let through = Target { directory: true, ..play.target("x") };
    assert!(matches!(path(&through), Err(PrepareError::Folder { .. })));
}

#[test]
fn the_quota_counts_all_downloads() {
    let play = Play::new();
    for name in ["a", "b", "c"] {
        play.file(name, name.repeat(400).as_bytes());
    }
    fs::create_dir(play.path("got")).unwrap();
    let other = PieceStore::open(None, Limits { quota_bytes: 1000, ..limits() }).unwrap().0;
    let get = |name: &str| {
        let file = play.share(name);
        let download =
            other.prepare(&file.file, manifest(&play.store, &file), &play.target("got"))?;
        fetch(&play.store, &file, &download, 0..1);
        download.finish().unwrap();
        Ok::<_, PrepareError>(file.file)
    };
    let first = get("a").unwrap();
    get("b").unwrap();
    let error = get("c").unwrap_err();
    assert!(
        matches!(error, PrepareError::Quota { quota: 1000, taken: 800, bytes: 400 }),
        "{error}"
    );
    assert!(!error.trouble().full);
    other.forget(&first).unwrap();
    assert!(play.path("got/a").exists());
    get("c").unwrap();
}

#[test]
fn two_names_that_the_disk_takes_for_one_are_refused() {
    let play = Play::new();
    play.file("d/a/x", &noise(1, 1000));
    play.file("d/b/x", &noise(2, 1000));
    let file = play.share("d");
    let (other, download) = play.download(&file, "y");
    let again = super::prepare::make(
        &download.item().row.part(&file.file),
        &download.loaded.manifest,
        super::place::Use::MakeNew,
    );
    assert!(again.unwrap_err().to_string().contains("takes it for another name"));
    fetch(&play.store, &file, &download, 0..1);
    download.stop().unwrap();
    // A disk on which `a` and `b` are the same, as `a` and `A` are on some.
    let Some(_bound) = Bound::mount(&play.path("y.part/a"), &play.path("y.part/b")) else {
        return crate::tests::skipped("binding a directory needs root");
    };
    let error = other.resume(&file.file, &always).unwrap_err();
    assert!(error.to_string().contains("takes it for another name"), "{error}");
}

/// A directory that is to be seen under a second name.
struct Bound(PathBuf);

impl Bound {
    fn mount(from: &Path, to: &Path) -> Option<Bound> {
        let mut mount = std::process::Command::new("mount");
        let status = mount.arg("--bind").args([from, to]).status();
        status.is_ok_and(|status| status.success()).then(|| Bound(to.to_owned()))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}
