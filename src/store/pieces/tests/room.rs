//! Disks without room: the one the files are on, and the one the list of them is on.

use super::*;
use crate::store::pieces::CommitError;

const MIB: usize = 1 << 20;

macro_rules! small_disk {
    ($size:literal) => {
        match SmallDisk::mount($size) {
            Some(disk) => disk,
            None => return,
        }
    };
}

/// A file of noise for each name, shared.
fn shared(play: &Play, names: &[&str], bytes: usize) -> Vec<KnownFile> {
    let seeds = (1..).zip(names);
    seeds.for_each(|(seed, name)| _ = play.file(name, &noise(seed, bytes)));
    names.iter().map(|name| play.share(name)).collect()
}

fn get(
    play: &Play,
    store: &PieceStore,
    file: &KnownFile,
    to: PathBuf,
) -> Result<Arc<Download>, PrepareError> {
    let target = Target { path: to, directory: false, force: false };
    store.prepare(&file.file, manifest(&play.store, file), &target)
}

#[test]
fn room_that_was_promised_to_one_download_is_not_promised_to_another() {
    let disk = small_disk!("8m");
    let play = Play::new();
    let files = shared(&play, &["a", "b"], 5 * MIB);
    let other = PieceStore::open(None, limits()).unwrap().0;
    let to = |name: &str| disk.0.path().join(name);
    let first = get(&play, &other, &files[0], to("a")).unwrap();
    let refused = get(&play, &other, &files[1], to("b")).unwrap_err();
    assert!(matches!(refused, PrepareError::NoRoom { promised: 5_242_880, .. }), "{refused}");
    // It is another disk that it goes to.
    let elsewhere = get(&play, &other, &files[1], play.path("b2")).unwrap();
    elsewhere.stop().unwrap();
    other.forget(&files[1].file).unwrap();
    first.stop().unwrap();
    let _second = get(&play, &other, &files[1], to("b")).unwrap();
    let refused = other.resume(&files[0].file, &always).unwrap_err();
    assert!(matches!(refused, PrepareError::NoRoom { .. }) && refused.trouble().full, "{refused}");
}

#[test]
fn what_is_to_stay_free_stays_free_also_when_others_write() {
    let disk = small_disk!("8m");
    let play = Play::new();
    let files = shared(&play, &["a"], 3 * MIB);
    let two_mib = Limits { reserve_bytes: 2 << 20, ..limits() };
    let other = PieceStore::open(None, two_mib).unwrap().0;
    let download = get(&play, &other, &files[0], disk.0.path().join("a")).unwrap();
    fetch(&play.store, &files[0], &download, 0..1);
    download.commit().unwrap();
    fetch(&play.store, &files[0], &download, 1..2);
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 5 * MIB]).unwrap();
    let error = download.commit().unwrap_err();
    assert!(matches!(error, CommitError::LowRoom { .. }) && error.trouble().full, "{error}");
    assert_eq!(download.known().held.count(), 2, "what is there is there");
    fs::remove_file(&ballast).unwrap();
    download.commit().unwrap();
    fetch(&play.store, &files[0], &download, 2..3);
    fs::write(&ballast, vec![1; 4 * MIB]).unwrap();
    download.finish().unwrap();
}

#[test]
fn without_room_nothing_is_hashed_to_go_on() {
    let disk = small_disk!("4m");
    let play = Play::new();
    let files = shared(&play, &["a"], 3 * MIB);
    let other = PieceStore::open(None, limits()).unwrap().0;
    let download = get(&play, &other, &files[0], disk.0.path().join("a")).unwrap();
    fetch(&play.store, &files[0], &download, 0..1);
    download.stop().unwrap();
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 2 * MIB]).unwrap();
    let hashed = AtomicBool::new(false);
    let progress = |_, _| {
        hashed.store(true, Ordering::Relaxed);
        true
    };
    let refused = other.resume(&files[0].file, &progress).unwrap_err();
    assert!(matches!(refused, PrepareError::NoRoom { .. }), "{refused}");
    assert!(!hashed.load(Ordering::Relaxed));
    fs::remove_file(&ballast).unwrap();
    assert_eq!(other.resume(&files[0].file, &progress).unwrap().download.known().held.count(), 1);
}

#[test]
fn a_full_disk_of_the_state_directory_ends_no_download() {
    let disk = small_disk!("4m");
    let play = Play::new();
    let files = shared(&play, &["a", "b"], 6 * MIB);
    let state = disk.0.path();
    let (other, _) = PieceStore::open(Some(state), limits()).unwrap();
    let download = get(&play, &other, &files[0], play.path("y")).unwrap();
    fetch(&play.store, &files[0], &download, 0..2);
    let ballast = fs::File::create(state.join("ballast")).unwrap();
    let fill = || while std::io::Write::write(&mut &ballast, &[1; 4096]).is_ok_and(|n| n > 0) {};
    fill();
    // It may have some pages of its own yet.
    let refused = (0..200).find_map(|n| {
        fill();
        let file = shared(&play, &[&format!("n{n}")], 10).remove(0);
        get(&play, &other, &file, play.path(&format!("z{n}"))).err()
    });
    let refused = refused.expect("at last there is no page left");
    assert!(refused.trouble().full, "{refused}");
    let committed = download.commit();
    if let Err(error) = &committed {
        assert!(error.trouble().full, "{error}");
    }
    fetch(&play.store, &files[0], &download, 2..6);
    let finished = download.finish();
    if let Err(error) = &finished {
        assert!(error.trouble().full, "{error}");
    }
    assert!(committed.is_err() || finished.is_err());
    ballast.set_len(0).unwrap();
    assert_eq!(download.finish().unwrap(), play.path("y"));
}
