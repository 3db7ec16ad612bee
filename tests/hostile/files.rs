//! What a member can do with messages about files.

use std::fs;
use std::time::{Duration, Instant};

use kith::mesh::gossip::Beat;
use kith::mesh::peers::Bye;
use kith::pieces::frame::{Held, Nope, Part, PieceFrame};
use kith::pieces::manifest::{Entry, Manifest};
use kith::pieces::{BLOCK_BYTES, FileId, holding};
use kith::wire::bounded::{Blob, List};
use kith::wire::{Frame, Give, decode, encode};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::client::Hostile;
use crate::common::{LONG, wait_or_say, wait_until};
use crate::target::Target;

const MIB: usize = 1 << 20;
const FLOOD: Duration = Duration::from_secs(4);

fn id(n: u64) -> FileId {
    FileId(Sha256::digest(n.to_be_bytes()).into())
}

/// Bytes of a file, and its manifest.
fn sample(name: &str, len: usize) -> (Vec<u8>, Vec<u8>) {
    let content: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
    let entry = Entry { path: name.into(), bytes: len as u64, executable: false, directory: false };
    let hashes = content.chunks(MIB).map(|piece| Sha256::digest(piece).into()).collect();
    let manifest = Manifest::new(name.into(), false, vec![entry], hashes).expect("a good one");
    (content, manifest.encode())
}

/// A member that says it holds a file, and gives what `part` makes of what is asked.
struct Seeder {
    /// Dropped: it ends.
    _stop: oneshot::Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
    id: String,
}

impl Seeder {
    fn start(
        target: &Target,
        file: FileId,
        manifest_bytes: u32,
        part: impl Fn(Part, usize) -> Option<Vec<u8>> + Send + 'static,
    ) -> Seeder {
        let (stop, stopped) = oneshot::channel();
        let (say, said) = std::sync::mpsc::channel();
        let addr = target.node.addr;
        let life = async move {
            let mut peer = Hostile::linked(addr).await;
            say.send(peer.id()).expect("somebody waits");
            tokio::select! {
                () = serve(&mut peer, file, manifest_bytes, part) => {}
                _ = stopped => {}
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(life);
        });
        let id = said.recv_timeout(LONG).expect("it links");
        Seeder { _stop: stop, thread: Some(thread), id }
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        let (other, _) = oneshot::channel();
        self._stop = other;
        if let Some(thread) = self.thread.take() {
            // How it ended shows in what the node did.
            let _ = thread.join();
        }
    }
}

async fn serve(
    peer: &mut Hostile,
    file: FileId,
    manifest_bytes: u32,
    part: impl Fn(Part, usize) -> Option<Vec<u8>>,
) {
    while let Some(frame) = peer.receive().await {
        let answered = match frame {
            Frame::Beat(Beat::Ping { sent_us, root, .. }) => {
                peer.send(&Frame::Beat(Beat::Pong { sent_us, root })).await
            }
            Frame::Pieces(PieceFrame::Have { file: wanted, wants: true, .. }) if wanted == file => {
                let have = PieceFrame::Have { file, manifest_bytes, held: Held::All, wants: false };
                peer.send(&Frame::Pieces(have)).await
            }
            Frame::Pieces(PieceFrame::Ask { request, part: which, bytes, .. }) => {
                match part(which, bytes as usize) {
                    Some(content) => give(peer, request, &content).await,
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        };
        if answered.is_err() {
            return;
        }
    }
}

async fn give(peer: &mut Hostile, request: u64, content: &[u8]) -> std::io::Result<()> {
    let mut offset = 0;
    for block in content.chunks(BLOCK_BYTES) {
        peer.stream.write_all(&Give { request, offset }.head(block.len())).await?;
        peer.stream.write_all(block).await?;
        offset += block.len() as u32;
    }
    peer.stream.flush().await
}

#[tokio::test]
async fn a_block_that_nobody_asked_for_ends_the_link() {
    let target = Target::start(&[]);
    for len in [1, BLOCK_BYTES] {
        let mut hostile = Hostile::linked(target.node.addr).await;
        // The node may close while we still write.
        let _ = give(&mut hostile, 7, &vec![1; len]).await;
        hostile.closed().await;
        wait_until("no link", || !target.node.linked(&hostile.id()));
    }
    let mut hostile = Hostile::linked(target.node.addr).await;
    let head = Give { request: 1, offset: 0 }.head(0);
    let _ = hostile.raw(&head).await;
    hostile.closed().await;
    let mut hostile = Hostile::linked(target.node.addr).await;
    let mut head = Give { request: 1, offset: 0 }.head(BLOCK_BYTES);
    head[..4].copy_from_slice(&65_550_u32.to_be_bytes());
    let _ = hostile.raw(&head).await;
    hostile.closed().await;
    target.assert_unharmed();
}

#[tokio::test]
async fn what_is_not_held_is_denied_and_a_request_used_twice_ends_the_link() {
    let target = Target::start(&[]);
    let mut hostile = Hostile::linked(target.node.addr).await;
    let ask = |request| {
        let part = Part::Piece(0);
        Frame::Pieces(PieceFrame::Ask { request, file: id(1), part, offset: 0, bytes: 1 })
    };
    for request in 0..100 {
        hostile.send(&ask(request)).await.expect("taken");
        loop {
            match hostile.receive().await.expect("an answer") {
                Frame::Pieces(PieceFrame::Nope { request: of, why }) => {
                    assert_eq!((of, why), (request, Nope::Absent));
                    break;
                }
                Frame::Beat(Beat::Ping { sent_us, root, .. }) => {
                    hostile.send(&Frame::Beat(Beat::Pong { sent_us, root })).await.expect("taken");
                }
                _ => {}
            }
        }
    }
    target.assert_unharmed();
}

#[tokio::test]
async fn floods_of_questions_and_tales_about_files_change_nothing() {
    let target = Target::start(&[]);
    let path = target.node.home.path().join("film");
    fs::write(&path, vec![3; 3 * MIB]).expect("written");
    target.node.tell(&["share", path.to_str().expect("plain")]);
    let held = Held::Some(Blob::new(vec![255; 8192]).expect("fits"));
    let forged = |n: u64| holding::Signed {
        file: id(n),
        key: [9; 32],
        until_ms: u64::MAX,
        sig: Blob::new(vec![7; 64]).expect("fits"),
    };
    type Make = Box<dyn Fn(u64) -> PieceFrame>;
    let floods: [Make; 5] = [
        Box::new(move |n| PieceFrame::Have {
            file: id(n),
            manifest_bytes: u32::MAX,
            held: held.clone(),
            wants: true,
        }),
        Box::new(|request| PieceFrame::Ask {
            request,
            file: id(request),
            part: Part::Piece(u32::MAX),
            offset: u32::MAX,
            bytes: u32::MAX,
        }),
        Box::new(move |n| {
            PieceFrame::Announce(List::first_of((0..256).map(|i| forged(n * 256 + i))))
        }),
        Box::new(|n| PieceFrame::Seek { file: id(n) }),
        Box::new(|n| PieceFrame::More { file: id(n), pieces: List::first_of(0..4096) }),
    ];
    for make in floods {
        let mut hostile = Hostile::linked(target.node.addr).await;
        let sent = hostile.flood(FLOOD, |n| Frame::Pieces(make(n))).await;
        assert!(sent > 50, "it was read at all: {sent}");
    }
    target.assert_unharmed();
}

#[test]
fn a_liar_is_named_and_the_file_comes_right_from_the_others() {
    // So slowly that the liar is asked for something before the other one has given all.
    let target = Target::start(&["pieces.download_bytes_per_second=6000000"]);
    let (content, manifest) = sample("film", 12 * MIB);
    let file = FileId::of_manifest(&manifest);
    let manifest_bytes = manifest.len() as u32;
    let liar_manifest = manifest.clone();
    let liar = Seeder::start(&target, file, manifest_bytes, move |part, bytes| match part {
        Part::Manifest => Some(liar_manifest.clone()),
        Part::Piece(_) => Some(vec![0xee; bytes]),
    });
    let path = target.friend.home.path().join("film");
    fs::write(&path, &content).expect("written");
    let ticket = target.friend.tell(&["share", path.to_str().expect("plain")]);
    assert!(ticket.starts_with("kith1"));
    let out = target.node.home.path().join("got");
    target.node.tell(&["get", &file.to_string(), "--out", out.to_str().expect("plain")]);
    assert_eq!(fs::read(&out).expect("in place"), content);
    let transfers = target.node.json("transfers");
    let sources = transfers["transfers"][0]["sources"].as_array().expect("a list").clone();
    let of_liar = sources.iter().find(|s| s["id"] == liar.id.as_str());
    let lies = of_liar.and_then(|s| s["lies"].as_u64()).unwrap_or(0);
    assert!((1..=3).contains(&lies), "{sources:#?}");
    assert!(target.node.stderr().contains(&liar.id[..8]), "{}", target.node.stderr());
    drop(liar);
    target.assert_unharmed();
}

/// Each of these would write outside the folder, or somewhere it must not.
#[test]
fn a_manifest_with_evil_names_or_sizes_writes_nothing() {
    let target = Target::start(&[]);
    let (_, good) = sample("aaaaaaaa", 3);
    let evil_name = |name: &[u8; 8]| {
        let text: Vec<u8> = good.clone();
        let mut bytes = text;
        while let Some(at) = bytes.windows(8).position(|w| w == b"aaaaaaaa") {
            bytes[at..at + 8].copy_from_slice(name);
        }
        bytes
    };
    let mut cases = vec![
        evil_name(b"../../xy"),
        evil_name(b"/etc/xyz"),
        evil_name(b"aa\0aaaaa"),
        evil_name(b"CON.aaaa"),
        evil_name(b"aaa\x1b[2Ja"),
        evil_name(b"....\\..\\"),
    ];
    // A million of everything, in a manifest as short as that.
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] = 0xff;
        if Manifest::parse(&bytes).is_err() {
            cases.push(bytes);
        }
    }
    let before: Vec<_> = listing(&target);
    for manifest in cases {
        let file = FileId::of_manifest(&manifest);
        let bytes = manifest.len() as u32;
        let seeder = Seeder::start(&target, file, bytes, move |part, bytes| match part {
            Part::Manifest => Some(manifest.clone()),
            Part::Piece(_) => Some(vec![7; bytes]),
        });
        let out = target.node.home.path().join("into");
        fs::create_dir_all(&out).expect("made");
        let done = target.node.ask(&[
            "get",
            &file.to_string(),
            "--out",
            out.to_str().expect("plain"),
            "--timeout",
            "20",
        ]);
        assert_ne!(done.code, Some(0), "{done:?}");
        assert_eq!(fs::read_dir(&out).expect("there").count(), 0, "{done:?}");
        drop(seeder);
        target.node.ask(&["forget", &file.to_string()]);
    }
    fs::remove_dir(target.node.home.path().join("into")).expect("empty");
    assert_eq!(listing(&target), before);
    target.assert_unharmed();
}

fn listing(target: &Target) -> Vec<String> {
    let names = fs::read_dir(target.node.home.path()).expect("there").flatten();
    let mut names: Vec<String> = names.map(|e| e.file_name().to_string_lossy().into()).collect();
    names.retain(|name| name != "into");
    names.sort();
    names
}

/// A holder that says it will give, and does not, or drop by drop, costs time and nothing else.
#[test]
fn a_holder_that_never_gives_is_passed_over() {
    let target = Target::start(&[]);
    let (content, manifest) = sample("film", 4 * MIB);
    let file = FileId::of_manifest(&manifest);
    let bytes = manifest.len() as u32;
    let mute = Seeder::start(&target, file, bytes, move |_, _| None);
    let path = target.friend.home.path().join("film");
    fs::write(&path, &content).expect("written");
    target.friend.tell(&["share", path.to_str().expect("plain")]);
    let out = target.node.home.path().join("got");
    let begun = Instant::now();
    target.node.tell(&["get", &file.to_string(), "--out", out.to_str().expect("plain")]);
    assert!(begun.elapsed() < LONG);
    assert_eq!(fs::read(&out).expect("in place"), content);
    drop(mute);
    target.assert_unharmed();
}

/// A holder that was asked for the one piece of a file, under this number. It answers nothing more by itself.
async fn asked(target: &Target) -> (Hostile, FileId, u64) {
    let (_, manifest) = sample("film", MIB);
    let (file, manifest_bytes) = (FileId::of_manifest(&manifest), manifest.len() as u32);
    let mut giver = Hostile::linked(target.node.addr).await;
    let out = target.node.home.path().join("got");
    let out = out.to_str().expect("plain");
    target.node.tell(&["get", &file.to_string(), "--out", out, "--no-wait"]);
    loop {
        match giver.receive().await.expect("the node asks") {
            Frame::Pieces(PieceFrame::Have { file, wants: true, .. }) => {
                let have = PieceFrame::Have { file, manifest_bytes, held: Held::All, wants: false };
                giver.send(&Frame::Pieces(have)).await.expect("taken");
            }
            Frame::Pieces(PieceFrame::Ask { request, part: Part::Manifest, .. }) => {
                give(&mut giver, request, &manifest).await.expect("taken");
            }
            Frame::Pieces(PieceFrame::Ask { request, .. }) => return (giver, file, request),
            Frame::Beat(Beat::Ping { sent_us, root, .. }) => {
                giver.send(&Frame::Beat(Beat::Pong { sent_us, root })).await.expect("taken");
            }
            _ => {}
        }
    }
}

/// In the middle of a block it is closed upon: it still hears why, however much of the piece comes after.
#[tokio::test]
async fn a_giver_that_is_closed_upon_in_the_middle_of_a_block_hears_why() {
    let target = Target::start(&[]);
    let (mut giver, file, request) = asked(&target).await;
    let open = target.node.descriptors();
    let piece = vec![0xff; MIB];
    let mut all = Vec::new();
    for (i, block) in piece.chunks(BLOCK_BYTES).enumerate() {
        let offset = (i * BLOCK_BYTES) as u32;
        all.extend(Give { request, offset }.head(block.len()));
        all.extend(block);
    }
    let (first, rest) = all.split_at(BLOCK_BYTES / 2);
    giver.raw(first).await.expect("taken");
    target.node.tell(&["ban", &giver.id()]);
    wait_until("no link", || !target.node.linked(&giver.id()));
    giver.raw(rest).await.expect("taken");
    // Nothing is read here before the node is through with the connection.
    wait_until("the connection is closed there", || target.node.descriptors() < open);
    let bye = loop {
        if let Frame::Bye(bye) = giver.receive().await.expect("a goodbye") {
            break bye.why;
        }
    };
    assert_eq!(bye, Bye::Banned);
    drop(giver);
    target.node.tell(&["forget", &file.to_string()]);
    target.assert_unharmed();
}

#[tokio::test]
async fn a_giver_of_single_bytes_is_closed_upon() {
    let target = Target::start(&[]);
    let (mut giver, file, request) = asked(&target).await;
    giver.raw(&Give { request, offset: 0 }.head(1)).await.expect("taken");
    giver.closed().await;
    wait_until("no link", || !target.node.linked(&giver.id()));
    let why = target.node.tell(&["why", &giver.id()]);
    assert!(why.contains("it gave less than 4096 bytes at once"), "{why}");
    drop(giver);
    target.node.tell(&["forget", &file.to_string()]);
    target.assert_unharmed();
}

/// Its pongs would wait behind the block: that bytes of it come is the sign that it lives.
#[tokio::test]
async fn a_giver_on_a_slow_path_is_not_silent_while_its_bytes_come() {
    let target = Target::start(&[]);
    let (mut giver, file, request) = asked(&target).await;
    giver.raw(&Give { request, offset: 0 }.head(BLOCK_BYTES)).await.expect("taken");
    let begun = Instant::now();
    let mut drops = tokio::time::interval(Duration::from_millis(200));
    // Far longer than the 3 s of silence after which a peer is given up, and less than a block of it.
    while begun.elapsed() < 2 * FLOOD {
        drops.tick().await;
        giver.raw(&[1; 1000]).await.expect("it is still linked");
    }
    assert!(target.node.linked(&giver.id()), "{}", target.node.stderr());
    wait_or_say(
        "who gives nothing more is silent",
        || !target.node.linked(&giver.id()),
        || target.node.tell(&["peers"]),
    );
    drop(giver);
    target.node.tell(&["forget", &file.to_string()]);
    target.assert_unharmed();
}

/// Each is a turn of the one Exchange, which all links share: they are taken at a bounded rate.
#[tokio::test]
async fn a_flood_of_asks_is_read_no_faster_than_its_budget() {
    const ASKS: u64 = 3 * 4096;
    let target = Target::start(&[]);
    let hostile = Hostile::linked(target.node.addr).await;
    let begun = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(hostile.stream);
    let write = async {
        for request in 0..ASKS {
            let part = Part::Piece(0);
            let ask = PieceFrame::Ask { request, file: id(1), part, offset: 0, bytes: 1 };
            let ask = encode(&Frame::Pieces(ask)).expect("encodes");
            writer.write_all(&ask).await.expect("taken");
        }
        writer.flush().await.expect("taken");
    };
    let read = async {
        let mut denied = 0;
        while denied < ASKS {
            let len = reader.read_u32().await.expect("an answer");
            let mut frame = vec![0; len as usize];
            reader.read_exact(&mut frame).await.expect("an answer");
            let frame = decode(&frame).expect("the node speaks well");
            denied += u64::from(matches!(frame, Frame::Pieces(PieceFrame::Nope { .. })));
        }
    };
    tokio::join!(write, read);
    assert!(begun.elapsed() >= Duration::from_millis(1900), "{:?}", begun.elapsed());
    target.assert_friend_stayed();
    drop((reader, writer));
    target.assert_unharmed();
}

/// Takes pieces and reads none of them: the node's memory stays bounded and others are served.
#[tokio::test]
async fn a_taker_that_does_not_read_holds_up_nobody() {
    let target = Target::start(&[]);
    let path = target.node.home.path().join("film");
    let content: Vec<u8> = sample("film", 32 * MIB).0;
    fs::write(&path, &content).expect("written");
    let ticket = target.node.tell(&["share", path.to_str().expect("plain")]);
    let file: FileId = {
        let pieces = target.node.json("pieces");
        pieces["pieces"][0]["file_id"].as_str().expect("an id").parse().expect("an id")
    };
    let mut takers = Vec::new();
    for _ in 0..8 {
        let mut taker = Hostile::linked(target.node.addr).await;
        for request in 0..32u64 {
            let part = Part::Piece(request as u32);
            let ask = PieceFrame::Ask { request, file, part, offset: 0, bytes: MIB as u32 };
            taker.send(&Frame::Pieces(ask)).await.expect("taken");
        }
        takers.push(taker);
    }
    let out = target.friend.home.path().join("got");
    let got = target.friend.ask(&["get", ticket.trim(), "--out", out.to_str().expect("plain")]);
    assert_eq!(got.code, Some(0), "{got:?}");
    assert_eq!(fs::read(&out).expect("in place"), content);
    wait_or_say(
        "the takers are closed or still bounded",
        || target.node.memory_kib() < 120 * 1024,
        || format!("{} KiB", target.node.memory_kib()),
    );
    // One that reads gets what it asked for, to the byte.
    let mut first = vec![0; 5];
    let taker = &mut takers[0];
    if taker.stream.read_exact(&mut first).await.is_ok() {
        assert!(first[4] <= 7, "frames as ever");
    }
    drop(takers);
    target.assert_unharmed();
}
