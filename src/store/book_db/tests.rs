use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::tests::SmallDisk;

fn id(n: u8) -> NodeId {
    NodeId([n; 32])
}

fn sample(nodes: u8) -> Book {
    let addr = |n: u8| SocketAddr::from(([10, 0, 0, n], 9000));
    Book {
        epoch: 1_800_000_000_000,
        entries: (0..nodes)
            .map(|n| {
                let addrs = vec![addr(n), format!("[fe80::{n}]:9001").parse().unwrap()];
                let label = format!("node-{n}");
                (id(n), Entry { label, addrs, seen_ms: 1_000 + u64::from(n), anchor: n % 2 == 0 })
            })
            .collect(),
        label_pins: (0..nodes).map(|n| (format!("node-{n}"), id(n))).collect(),
        addr_pins: (0..nodes).map(|n| (addr(n), id(n))).collect(),
        trusted: (0..nodes / 2).map(id).collect(),
        banned: BTreeMap::from([(id(250), 7), (id(251), 8)]),
    }
}

fn saved(dir: &StateDir, book: &Book) {
    let (mut db, _, aside) = BookDb::open(dir).unwrap();
    assert_eq!(aside, None);
    db.save(book).unwrap();
}

#[test]
fn a_book_comes_back_as_it_was_saved() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::open(tmp.path()).unwrap();
    let (mut db, empty, aside) = BookDb::open(&dir).unwrap();
    assert_eq!((empty, aside), (Book::default(), None));
    db.save(&sample(40)).unwrap();
    drop(db);
    let (_, book, aside) = BookDb::open(&dir).unwrap();
    assert_eq!((book, aside), (sample(40), None));
    let mode = fs::metadata(tmp.path().join(BOOK_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "whom we know is nobody else's business");
}

#[test]
fn only_differences_are_written() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::open(tmp.path()).unwrap();
    let (mut db, mut book, _) = BookDb::open(&dir).unwrap();
    assert_eq!(db.save(&book).unwrap(), 0, "nothing is new in an empty book");
    book = sample(10);
    assert_eq!(db.save(&book).unwrap(), 1 + 10 + 10 + 10 + 5 + 2);
    assert_eq!(db.save(&book).unwrap(), 0);
    book.entries.get_mut(&id(3)).unwrap().seen_ms += 1;
    book.label_pins.remove("node-4");
    book.trusted.insert(id(9));
    assert_eq!(db.save(&book).unwrap(), 3);
    drop(db);
    let (mut db, again, _) = BookDb::open(&dir).unwrap();
    assert_eq!(again, book);
    assert_eq!(db.save(&book).unwrap(), 0, "also after a restart");
    assert!(db.save(&Book::default()).unwrap() > 30);
    drop(db);
    assert_eq!(BookDb::open(&dir).unwrap().1, Book::default());
}

#[test]
fn without_a_state_directory_nothing_is_kept() {
    assert_eq!(BookDb::memory().save(&sample(3)).unwrap(), 0);
}

#[test]
fn what_a_kill_leaves_behind_is_what_was_saved() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::open(tmp.path()).unwrap();
    let (mut db, ..) = BookDb::open(&dir).unwrap();
    for nodes in 1..20 {
        db.save(&sample(nodes)).unwrap();
        // The file as a kill at this moment would leave it: never closed, seen by another daemon.
        let other = tempfile::tempdir().unwrap();
        fs::copy(tmp.path().join(BOOK_FILE), other.path().join(BOOK_FILE)).unwrap();
        let (_, book, aside) = BookDb::open(&StateDir::open(other.path()).unwrap()).unwrap();
        assert_eq!((book, aside), (sample(nodes), None));
    }
}

#[test]
fn a_save_after_an_error_starts_from_what_is_on_disk() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::open(tmp.path()).unwrap();
    let (mut db, ..) = BookDb::open(&dir).unwrap();
    db.save(&sample(3)).unwrap();
    db.database = None;
    db.saved = sample(20);
    assert!(db.save(&sample(4)).unwrap() < 10);
    drop(db);
    assert_eq!(BookDb::open(&dir).unwrap().1, sample(4));
}

/// Puts `bytes` in the place of the database, opens it, and gives the book and whether they were set
/// aside unchanged; fails if the daemon could not have gone on.
fn open_damaged(bytes: &[u8]) -> (Book, bool) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::open(tmp.path()).unwrap();
    fs::write(tmp.path().join(BOOK_FILE), bytes).unwrap();
    let (mut db, book, message) = BookDb::open(&dir).unwrap();
    let aside = fs::read_dir(tmp.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.to_string_lossy().contains("kith.redb.set-aside-"));
    assert_eq!(aside.is_some(), message.is_some());
    if let (Some(aside), Some(message)) = (&aside, message) {
        assert!(message.contains(&*aside.to_string_lossy()), "{message}");
        assert_eq!(book, Book::default());
    }
    db.save(&sample(2)).unwrap();
    drop(db);
    assert_eq!(BookDb::open(&dir).unwrap().1, sample(2));
    (book, aside.is_some())
}

fn sample_file() -> Vec<u8> {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::open(tmp.path()).unwrap();
    saved(&dir, &sample(30));
    fs::read(tmp.path().join(BOOK_FILE)).unwrap()
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    for bytes in [&b"x"[..], b"hello, I am a text file\n", &[0; 5000], &[0xff; 100_000]] {
        assert_eq!(open_damaged(bytes), (Book::default(), true), "{} bytes", bytes.len());
    }
    let mut other_magic = sample_file();
    other_magic[..4].copy_from_slice(b"blue");
    assert_eq!(open_damaged(&other_magic), (Book::default(), true));
}

#[test]
fn a_truncated_file_never_stops_the_daemon() {
    let good = sample_file();
    for eighth in 1..8 {
        for less in [0, 1, 100] {
            let (book, aside) = open_damaged(&good[..good.len() * eighth / 8 - less]);
            assert!(aside || book == sample(30), "{eighth}/8 - {less}");
        }
    }
    assert_eq!(open_damaged(&[]), (Book::default(), false), "as a kill right after its making");
}

#[test]
fn flipped_bytes_never_stop_the_daemon_nor_change_the_book_unnoticed() {
    let good = sample_file();
    let dense = (0..320).chain(4096..4096 + 256);
    let spread = (0..good.len()).step_by(good.len() / 150);
    let mut noticed = 0;
    for at in dense.chain(spread) {
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        let (book, aside) = open_damaged(&bad);
        assert!(aside || book == sample(30), "byte {at} changed the book");
        noticed += usize::from(aside);
    }
    assert!(noticed > 0, "some of these bytes matter");
}

#[test]
fn a_bad_entry_and_a_table_of_another_version_are_set_aside() {
    for change in [
        Change { table: ENTRIES, key: encode(&id(1)), value: Some(vec![0xff; 3]) },
        Change { table: BANNED, key: vec![1, 2], value: Some(encode(&1u64)) },
        Change { table: META, key: encode(&EPOCH), value: Some([encode(&1u64), vec![0]].concat()) },
        Change { table: TableDefinition::new("book.entries.2"), key: vec![], value: Some(vec![]) },
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::open(tmp.path()).unwrap();
        saved(&dir, &sample(3));
        let database = Database::open(tmp.path().join(BOOK_FILE)).unwrap();
        commit(&database, &[change]).unwrap();
        drop(database);
        let (_, book, message) = BookDb::open(&dir).unwrap();
        assert_eq!(book, Book::default());
        assert!(message.unwrap().contains("book."), "says which table");
    }
}

#[test]
fn a_directory_in_the_way_is_an_error_that_names_it() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::open(tmp.path()).unwrap();
    fs::create_dir(tmp.path().join(BOOK_FILE)).unwrap();
    let error = BookDb::open(&dir).unwrap_err();
    assert!(error.to_string().contains(BOOK_FILE), "{error}");
}

#[test]
fn a_full_disk_is_named_and_what_was_saved_stays() {
    let Some(disk) = SmallDisk::mount("3m") else { return };
    let dir = StateDir::open(disk.0.path()).unwrap();
    let (mut db, ..) = BookDb::open(&dir).unwrap();
    db.save(&sample(3)).unwrap();
    let ballast = disk.0.path().join("ballast");
    let full = fs::write(&ballast, vec![1; 4 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);

    let mut large = sample(200);
    large.entries.values_mut().for_each(|entry| entry.label = "x".repeat(20_000));
    for _ in 0..2 {
        let error = db.save(&large).unwrap_err();
        assert!(error.to_string().contains("no space left"), "{error}");
    }
    assert!(dir.token().unwrap_err().to_string().contains("no space left"));

    fs::remove_file(ballast).unwrap();
    db.save(&sample(5)).unwrap();
    drop(db);
    assert_eq!(BookDb::open(&dir).unwrap().1, sample(5));
}
