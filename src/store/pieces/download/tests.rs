//! Syncs that fail.

use super::super::tests::{Play, fetch, noise};
use super::*;

/// Makes the next sync fail: a device that cannot be synced takes the place of a written file.
fn break_sync(download: &Download) {
    let file = File::options().read(true).write(true).open("/dev/null").unwrap();
    let handle = Handle { file, dirty: AtomicBool::new(true), used: AtomicU64::new(0) };
    download.handles.lock().unwrap().insert(0, Arc::new(handle));
}

#[test]
fn after_a_failed_sync_nothing_since_the_last_good_one_is_believed() {
    let play = Play::new();
    play.file("x", &noise(1, 6 << 20));
    let file = play.share("x");
    let (other, download) = play.download(&file, "y");
    fetch(&play.store, &file, &download, 0..2);
    download.commit().unwrap();
    fetch(&play.store, &file, &download, 2..5);
    break_sync(&download);
    let error = download.commit().unwrap_err();
    assert!(matches!(error, CommitError::Sync { lost: 3, .. }), "{error}");
    assert!(error.to_string().contains("fetched again") && !error.trouble().full);
    assert_eq!(download.known().held.iter().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(other.0.catalog.held(&file.file, 6).unwrap().count(), 2);
    let absent = other.read(&file.file, Part::Piece(3), 0, &mut [0; 10]).unwrap_err();
    assert!(matches!(absent, ReadError::Absent));

    download.handles.lock().unwrap().clear();
    fetch(&play.store, &file, &download, 2..6);
    break_sync(&download);
    assert!(download.finish().is_err());
    assert!(!play.path("y").exists(), "what may not be on the disk is not said to be there");
    download.handles.lock().unwrap().clear();
    fetch(&play.store, &file, &download, 2..6);
    assert_eq!(std::fs::read(download.finish().unwrap()).unwrap(), noise(1, 6 << 20));
}

#[test]
fn a_piece_that_was_being_written_when_a_sync_failed_is_not_believed() {
    let play = Play::new();
    for n in 0..200 {
        play.file(&format!("d/f{n:03}"), &noise(n, 10_000));
    }
    let file = play.share("d");
    let (_other, download) = play.download(&file, "y");
    break_sync(&download);
    // The first piece alone is of more files than may be open, so it syncs while it is written.
    let bytes = super::super::tests::piece(&play.store, &file, 0).unwrap();
    assert!(matches!(download.store(0, &bytes), Stored::Failed { .. }));
    assert!(download.take_trouble().is_some_and(|trouble| trouble.why.contains("synced")));
    assert_eq!(download.take_trouble(), None, "it is told once");
    assert!(download.known().held.is_empty());
    assert!(download.handles.lock().unwrap().len() <= HANDLES_MAX);
    fetch(&play.store, &file, &download, 0..file.held.len());
    download.finish().unwrap();
}

#[test]
fn whoever_reads_waits_for_no_sync() {
    let play = Play::new();
    for n in 0..200 {
        play.file(&format!("d/f{n:03}"), &noise(n, 10_000));
    }
    let file = play.share("d");
    let (other, download) = play.download(&file, "y");
    fetch(&play.store, &file, &download, 0..file.held.len());
    let open = download.handles.lock().unwrap().len();
    assert!((HANDLES_MAX / 2..=HANDLES_MAX).contains(&open), "the newest stay open: {open}");
    // All that may be open is, and a sync goes on.
    for entry in 0..HANDLES_MAX {
        download.with_file(entry, true, |_| Ok(())).map_err(Failed::stored).unwrap();
        let mut handles = download.handles.lock().unwrap();
        if handles.len() == HANDLES_MAX {
            handles.retain(|_, handle| handle.dirty.load(Ordering::Relaxed));
        }
    }
    let open = download.handles.lock().unwrap().len();
    let syncing = download.syncing.lock().unwrap();
    let (told, done) = std::sync::mpsc::channel();
    let wanted = super::super::tests::piece(&play.store, &file, 0).unwrap();
    let reader = std::thread::spawn(move || {
        let read = super::super::tests::piece(&other, &file, 0);
        told.send(read.unwrap() == wanted).unwrap();
    });
    let read = done.recv_timeout(std::time::Duration::from_secs(10));
    drop(syncing);
    assert_eq!(read, Ok(true), "with {open} files open");
    reader.join().unwrap();
}
