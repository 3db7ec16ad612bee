use proptest::prelude::*;

use super::*;
use crate::pieces::FileId;

fn file(path: &str, bytes: u64) -> Entry {
    Entry { path: path.into(), bytes, executable: false, directory: false }
}

fn empty_directory(path: &str) -> Entry {
    Entry { path: path.into(), bytes: 0, executable: false, directory: true }
}

fn pieces_for(entries: &[Entry]) -> usize {
    let total: u64 = entries.iter().map(|e| e.bytes).sum();
    usize::try_from(total.div_ceil(piece_bytes_for(total).expect("small").into())).expect("few")
}

/// A directory of these, its hashes made up.
fn directory(entries: Vec<Entry>) -> Result<Manifest, BadManifest> {
    let hashes = (0..pieces_for(&entries)).map(|i| [u8::try_from(i % 251).expect("small"); 32]);
    let hashes = hashes.collect();
    Manifest::new("dir".into(), true, entries, hashes)
}

/// Sizes around the borders of pieces, many of them 0.
fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0u64..5, (1u64 << 20) - 2..(1 << 20) + 2, 0u64..5 << 20]
}

prop_compose! {
    fn manifests()(
        paths in proptest::collection::btree_map("[a-c-]{1,2}(/[a-c]{1,2}){0,2}", (sizes(), 0..4), 0..12),
        name in "[a-zé]{1,9}", single in 0..4, fill in any::<u8>(),
    ) -> Manifest {
        let mut entries: Vec<Entry> = Vec::new();
        for (path, (bytes, kind)) in paths {
            let below = |e: &Entry| path.starts_with(&format!("{}/", e.path));
            if !entries.iter().any(below) {
                let directory = kind == 0;
                let bytes = if directory { 0 } else { bytes };
                entries.push(Entry { path, bytes, executable: kind == 1, directory });
            }
        }
        let directory = single != 0;
        if !directory {
            entries = vec![file(&name, entries.first().map_or(0, |e| e.bytes))];
        }
        let hashes = vec![[fill; 32]; pieces_for(&entries)];
        Manifest::new(name, directory, entries, hashes).expect("keeps the laws")
    }
}

/// What a manifest takes on the heap.
fn memory(m: &Manifest) -> usize {
    let paths: usize = m.entries.iter().map(|e| e.path.capacity()).sum();
    m.name.capacity()
        + paths
        + m.entries.capacity() * size_of::<Entry>()
        + m.starts.capacity() * size_of::<u64>()
        + m.hashes.capacity() * 32
}

proptest! {
    #[test]
    fn a_manifest_survives_its_bytes(m in manifests()) {
        let bytes = m.encode();
        prop_assert_eq!(bytes.capacity(), bytes.len(), "its length is known beforehand");
        prop_assert_eq!(Manifest::parse(&bytes), Ok(m));
    }

    #[test]
    fn what_is_read_has_no_other_bytes(
        m in manifests(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        end in any::<prop::sample::Index>(), cut in any::<bool>(),
    ) {
        let mut bytes = m.encode();
        for (at, to) in edits {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        if let Ok(read) = Manifest::parse(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn no_bytes_do_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Manifest::parse(&bytes);
        bytes.splice(0..0, [1, 1, 0, 16, 0, 0, 0, 1, b'a', 0, 0]);
        if let Ok(read) = Manifest::parse(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn any_missing_or_added_end_is_noticed(m in manifests(), at in any::<prop::sample::Index>()) {
        let mut bytes = m.encode();
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert_eq!(Manifest::parse(cut), Err(BadManifest::CutShort));
        bytes.push(0);
        prop_assert_eq!(Manifest::parse(&bytes), Err(BadManifest::LeftOver { bytes: 1 }));
    }

    #[test]
    fn the_pieces_are_the_row_of_all_content(m in manifests()) {
        let lens: Vec<u64> = (0..m.pieces()).map(|p| m.piece_len(p).into()).collect();
        prop_assert_eq!(lens.iter().sum::<u64>(), m.total_bytes());
        prop_assert_eq!(lens.len(), m.hashes.len());
        if let Some((last, others)) = lens.split_last() {
            prop_assert!(*last > 0 && others.iter().all(|len| *len == u64::from(m.piece_bytes)));
        }
        prop_assert_eq!(m.piece_len(m.pieces()), 0);
        prop_assert_eq!(m.piece_len(u32::MAX), 0);

        // All extents of all pieces, one behind the other, are each entry's content once and in order.
        let mut seen = vec![0u64; m.entries.len()];
        let mut latest = 0;
        for extent in (0..m.pieces()).flat_map(|p| m.extents(p, 0, u32::MAX)) {
            prop_assert!(extent.entry >= latest && extent.bytes > 0);
            latest = extent.entry;
            prop_assert_eq!(extent.offset, seen[extent.entry]);
            seen[extent.entry] += u64::from(extent.bytes);
        }
        prop_assert_eq!(seen, m.entries.iter().map(|e| e.bytes).collect::<Vec<_>>());
    }

    #[test]
    fn a_part_of_a_piece_lies_where_the_whole_says(
        m in manifests(), piece in 0u32..8,
        offset in prop_oneof![0u32..5 << 20, any::<u32>()],
        bytes in prop_oneof![0u32..5 << 20, any::<u32>()],
    ) {
        // Where the part begins and ends, in the row of all content.
        let len = m.piece_len(piece);
        let (from, to) = (offset.min(len), offset.saturating_add(bytes).min(len));
        let row = u64::from(piece) * u64::from(m.piece_bytes);
        let mut at = row + u64::from(from);
        for extent in m.extents(piece, offset, bytes) {
            let before: u64 = m.entries[..extent.entry].iter().map(|e| e.bytes).sum();
            prop_assert_eq!(before + extent.offset, at);
            prop_assert!(extent.offset + u64::from(extent.bytes) <= m.entries[extent.entry].bytes);
            at += u64::from(extent.bytes);
        }
        prop_assert_eq!(at, row + u64::from(to));
    }

    #[test]
    fn order_and_nesting_are_those_of_a_plain_search(
        paths in proptest::collection::vec("[ab-]{1,2}(/[ab-]{1,2}){0,2}", 0..6),
    ) {
        let sorted = paths.windows(2).all(|two| two[0] < two[1]);
        let nested = paths.iter().any(|a| paths.iter().any(|b| b.starts_with(&format!("{a}/"))));
        let made = directory(paths.iter().map(|path| file(path, 1)).collect());
        prop_assert_eq!(made.is_ok(), sorted && !nested, "{:?}", made);
    }
}

#[test]
fn the_bytes_are_these() {
    let run = Entry { executable: true, ..file("b", 3) };
    let m = Manifest::new("d".into(), true, vec![empty_directory("a"), run], vec![[7; 32]]);
    let bytes = m.expect("good").encode();
    let mut expected = b"\x01\x01\0\x10\0\0\0\x01d\0\0\0\x02".to_vec();
    expected.extend(b"\x02\0\0\0\0\0\0\0\0\0\x01a");
    expected.extend(b"\x01\0\0\0\0\0\0\0\x03\0\x01b");
    expected.extend(b"\0\0\0\x01");
    expected.extend([7; 32]);
    assert_eq!(bytes, expected);
    // Ids are what people hand on: if this changes, all tickets are void.
    assert_eq!(FileId::of_manifest(&bytes).short(), "0ea37907");
}

#[test]
fn a_piece_is_as_long_as_it_must_be() {
    let max = u64::from(PIECES_MAX);
    let (mib, gib, tib) = (1 << 20, 1u64 << 30, 1u64 << 40);
    for (total, bytes) in [
        (0, Some(1)),
        (1, Some(1)),
        (max * mib, Some(1)),
        (max * mib + 1, Some(2)),
        (128 * gib, Some(2)),
        (128 * gib + 1, Some(4)),
        (512 * gib, Some(8)),
        (tib, Some(16)),
        (tib + 1, None),
        (u64::MAX, None),
    ] {
        assert_eq!(piece_bytes_for(total), bytes.map(|n: u32| n << 20), "{total}");
    }
}

#[test]
fn nothing_at_all_is_a_manifest_too() {
    let empty_file = Manifest::new("f".into(), false, vec![file("f", 0)], vec![]).expect("good");
    let empty_dir = directory(vec![]).expect("good");
    let of_empties = directory(vec![file("a", 0), empty_directory("b")]).expect("good");
    for m in [empty_file, empty_dir, of_empties] {
        assert_eq!((m.pieces(), m.total_bytes(), m.piece_len(0)), (0, 0, 0));
        assert_eq!(m.extents(0, 0, 10).count(), 0);
        assert_eq!(Manifest::parse(&m.encode()), Ok(m));
    }
}

#[test]
fn what_breaks_a_law_is_refused_with_its_name() {
    let path = |p: &str| p.to_owned();
    for (entries, text) in [
        (vec![file("a", 1), file("a", 1)], "'a' is there twice"),
        (vec![file("b", 1), file("a", 1)], "'a' stands behind 'b'"),
        (vec![file("a", 1), file("a-b", 1), file("a/b", 1)], "'a/b' is said to be in 'a'"),
        (vec![empty_directory("a"), file("a/b/c", 1)], "'a/b/c' is said to be in 'a'"),
        (vec![file("../x", 1)], "the name '../x' cannot be used: '.' and '..'"),
        (vec![file("/etc/x", 1)], "leaves the folder"),
        (vec![file("CON", 1)], "device"),
        (vec![file("a\0", 1)], "NUL"),
        (vec![Entry { bytes: 1, ..empty_directory("a") }], "'a' is said to be an empty directory"),
        (vec![Entry { executable: true, ..empty_directory("a") }], "empty directory"),
    ] {
        let shown = directory(entries).expect_err(text).to_string();
        assert!(shown.contains(text), "{shown}");
    }
    let new = |name: &str, directory, entries, hashes| {
        Manifest::new(name.into(), directory, entries, vec![[0; 32]; hashes])
    };
    let large = |path: &str, bytes| {
        Err(BadManifest::TooLarge { path: path.into() })
            == new("d", true, vec![file("a", 1), file("b", bytes)], 0)
    };
    assert!(large("b", 1 << 40) && large("b", u64::MAX) && !large("b", (1 << 40) - 1));
    let one = BadManifest::NotOneFile { name: path("f") };
    assert_eq!(new("f", false, vec![], 0), Err(one.clone()));
    assert_eq!(new("f", false, vec![file("g", 0)], 0), Err(one.clone()));
    assert_eq!(new("f", false, vec![empty_directory("f")], 0), Err(one.clone()));
    assert_eq!(new("f", false, vec![file("f", 0), file("g", 0)], 0), Err(one));
    let hashes = |found, expected| Err(BadManifest::Hashes { found, expected });
    assert_eq!(new("f", false, vec![file("f", 1)], 0), hashes(0, 1));
    assert_eq!(new("f", false, vec![file("f", (1 << 20) + 1)], 3), hashes(3, 2));
    assert_eq!(new("f", false, vec![file("f", 0)], 1), hashes(1, 0));
    let bad = |name: &str, why| Err(BadManifest::Name { name: name.into(), why });
    assert_eq!(new("a/b", true, vec![], 0), bad("a/b", BadName::Slash));
    assert_eq!(new("f.part", true, vec![], 0), bad("f.part", BadName::Unfinished));
    let long = "é".repeat(1_000);
    assert_eq!(new(&long, true, vec![], 0), bad(&"é".repeat(512), BadName::LongPart(2_000)));
}

#[test]
fn bytes_that_break_a_law_are_refused() {
    let good = Manifest::new("f".into(), false, vec![file("f", 9)], vec![[1; 32]]).expect("good");
    let good = good.encode();
    let with = |at: usize, to: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        Manifest::parse(&bytes)
    };
    assert_eq!(Manifest::parse(&[]), Err(BadManifest::CutShort));
    assert_eq!(with(0, &[2]), Err(BadManifest::Version { found: 2 }));
    assert_eq!(with(1, &[2]), Err(BadManifest::Flags(2)));
    assert_eq!(with(13, &[4]), Err(BadManifest::Flags(4)));
    assert_eq!(with(8, &[0xff]), Err(BadManifest::NotText));
    assert_eq!(with(24, &[0xff]), Err(BadManifest::NotText));
    for found in [0, 1, 1 << 19, 1 << 21, u32::MAX] {
        let expected = 1 << 20;
        let wrong = Err(BadManifest::PieceBytes { found, expected });
        assert_eq!(with(2, &found.to_be_bytes()), wrong);
    }
    let lies = with(14, &(2u64 << 20).to_be_bytes());
    assert_eq!(lies, Err(BadManifest::Hashes { found: 1, expected: 2 }));
    let lies = with(14, &u64::MAX.to_be_bytes());
    assert_eq!(lies, Err(BadManifest::TooLarge { path: "f".into() }));
}

#[test]
fn a_count_is_not_believed() {
    let good = directory(vec![]).expect("good").encode();
    let counts = |entries: u32, hashes: u32| {
        let mut bytes = good.clone();
        bytes[11..15].copy_from_slice(&entries.to_be_bytes());
        bytes[15..19].copy_from_slice(&hashes.to_be_bytes());
        Manifest::parse(&bytes)
    };
    assert_eq!(counts(1_000_000, 0), Err(BadManifest::ManyEntries { count: 1_000_000 }));
    assert_eq!(counts(65_537, 0), Err(BadManifest::ManyEntries { count: 65_537 }));
    assert_eq!(counts(65_536, 0), Err(BadManifest::CutShort));
    assert_eq!(counts(1, 0), Err(BadManifest::CutShort));
    assert_eq!(counts(0, 1), Err(BadManifest::CutShort));
    assert_eq!(counts(0, u32::MAX), Err(BadManifest::CutShort));
    let long = vec![1; (8 << 20) + 1];
    assert_eq!(Manifest::parse(&long), Err(BadManifest::TooLong { bytes: long.len() }));
}

#[test]
fn the_most_that_fits_is_read_with_little_memory() {
    // The shortest names there can be take the most memory for each byte.
    let letters: Vec<char> = ('!'..='~').filter(|c| !"/\\.".contains(*c)).collect();
    let three = letters.iter().flat_map(|a| letters.iter().map(move |b| format!("{a}{b}")));
    let three = three.flat_map(|ab| letters.iter().map(move |c| format!("{ab}{c}")));
    let ok = three.filter(|path| names::check_path(path).is_ok()).take(ENTRIES_MAX);
    let entries: Vec<Entry> = ok.map(|path| file(&path, 16 << 20)).collect();
    assert_eq!(entries.len(), ENTRIES_MAX);
    let m = directory(entries).expect("exactly 1 TiB");
    assert_eq!((m.pieces(), m.piece_bytes), (PIECES_MAX, PIECE_BYTES_MAX));
    let bytes = m.encode();
    let read = Manifest::parse(&bytes).expect("good");
    assert!(memory(&read) <= 4 * bytes.len() + (64 << 10), "{}", memory(&read));
    assert_eq!(read, m);

    let without_hashes =
        directory(m.entries.iter().map(|e| Entry { bytes: 0, ..e.clone() }).collect());
    let bytes = without_hashes.expect("good").encode();
    let read = Manifest::parse(&bytes).expect("good");
    assert!(memory(&read) <= 4 * bytes.len() + (64 << 10), "{} {}", memory(&read), bytes.len());

    let mut many: Vec<Entry> = m.entries;
    many.push(file("~~~~", 0));
    assert_eq!(directory(many), Err(BadManifest::ManyEntries { count: 65_537 }));
}

#[test]
fn long_paths_do_not_make_a_manifest_too_long_unseen() {
    let path = |i: usize| format!("{i:05}/{}/{}", "x".repeat(100), "y".repeat(100));
    let many = |n: usize| directory((0..n).map(|i| file(&path(i), 0)).collect());
    assert!(many(38_000).is_ok());
    assert!(matches!(many(40_000), Err(BadManifest::TooLong { bytes }) if bytes > 8 << 20));
}

#[test]
fn thousands_of_paths_that_begin_alike_are_read_quickly() {
    // Each path begins with the one before it: the worst for the search of what lies below what.
    let deep = |dir: usize| (1..=200).map(move |n| format!("{dir:03}/{}", "x".repeat(n)));
    let entries: Vec<Entry> = (0..300).flat_map(deep).map(|path| file(&path, 0)).collect();
    assert_eq!(directory(entries).map(|m| m.entries.len()), Ok(60_000));
}
