use proptest::prelude::*;
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::mail::keys::*;
use crate::mail::onion::OnionSecret;
use crate::mail::seal::PreKey;
use crate::mesh::NodeId;
use crate::wire::bounded::List;

const MINUTE: u64 = 60 * 1000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// When the tests begin.
const NOW: u64 = 1_780_000_000_000;

fn seed(n: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    seed
}

fn ring() -> KeyRing {
    KeyRing::new(NOW, &seed(0))
}

/// Rotates whenever it is due, from `from` to `to`.
fn live(ring: &mut KeyRing, from: u64, to: u64) {
    let mut now = from;
    while let Some(due) = Some(ring.next_rotation_ms().max(now + 1)).filter(|due| *due <= to) {
        now = due;
        ring.rotate(now, &seed(now));
    }
}

fn published(ring: &KeyRing) -> MailKeys {
    ring.published(List::default())
}

fn onions(ring: &KeyRing, now: u64) -> Vec<[u8; 32]> {
    ring.onion_secrets(now).into_iter().map(OnionSecret::public).collect()
}

fn opens(ring: &KeyRing, key: PreKey, now: u64) -> bool {
    let secret = ring.secret_of(key.id, now);
    let public = secret.map(|s| PublicKey::from(&StaticSecret::from(s)).to_bytes());
    public.is_some_and(|public| public == key.key)
}

#[test]
fn what_is_published_is_what_opens() {
    let ring = ring();
    let keys = published(&ring);
    assert!(opens(&ring, keys.short, NOW) && opens(&ring, keys.long, NOW));
    assert_eq!(onions(&ring, NOW), [keys.onion]);
    assert_ne!(keys.short.id, keys.long.id);
    assert_eq!(ring.secret_of(0, NOW), None);
    assert_eq!([keys.onion_made_s, keys.short_made_s, keys.long_made_s], [NOW / 1000; 3]);
    assert_ne!(keys, published(&KeyRing::new(NOW, &seed(1))));
    assert_eq!(keys, published(&KeyRing::new(NOW, &seed(0))));
}

#[test]
fn published_keys_survive_the_way_through_a_card() {
    let full = List::first_of([1, 2, 3].map(|n| NodeId([n; 32])));
    for mailboxes in [List::default(), full] {
        let keys = ring().published(mailboxes);
        let bytes = keys.encode();
        assert!(bytes.len() <= 240, "{} of 512 bytes", bytes.len());
        assert_eq!(MailKeys::decode(&bytes), Ok(keys));
        for len in 1..bytes.len() {
            assert_eq!(MailKeys::decode(&bytes[..len]), Err(BadKeys::Malformed));
        }
        assert_eq!(MailKeys::decode(&[&*bytes, &[0]].concat()), Err(BadKeys::Malformed));
        assert_eq!(MailKeys::decode(&[&[2], &bytes[1..]].concat()), Err(BadKeys::Version(2)));
    }
    assert_eq!(MailKeys::decode(&[]), Err(BadKeys::None));
    let extreme = MailKeys {
        onion_made_s: u64::MAX,
        short_made_s: u64::MAX,
        long_made_s: u64::MAX,
        short: PreKey { id: u32::MAX, key: [255; 32] },
        long: PreKey { id: u32::MAX, key: [255; 32] },
        ..ring().published(List::first_of([1, 2, 3].map(|n| NodeId([n; 32]))))
    };
    assert!(extreme.encode().len() <= 240);
    assert!(!extreme.usable_onion(NOW) && extreme.prekey(NOW, true).is_none());
    let four: Vec<u8> = [&extreme.encode()[..140], &[4], &[1; 128]].concat();
    assert_eq!(MailKeys::decode(&four), Err(BadKeys::Malformed));
    let zero = MailKeys { short: PreKey { id: 0, key: [1; 32] }, ..published(&ring()) };
    assert_eq!(MailKeys::decode(&zero.encode()), Err(BadKeys::Malformed));
}

#[test]
fn each_key_lives_its_time_and_opens_for_its_time_after() {
    let mut ring = ring();
    let first = published(&ring);
    assert!(!ring.rotate(NOW + HOUR - 1, &seed(1)));
    assert_eq!(published(&ring), first);
    assert!(ring.rotate(NOW + HOUR, &seed(2)));
    let second = published(&ring);
    assert_ne!(second.short, first.short);
    assert_eq!((second.onion, second.long), (first.onion, first.long));
    assert!(opens(&ring, first.short, NOW + HOUR));

    live(&mut ring, NOW + HOUR, NOW + 3 * HOUR - 1);
    assert!(opens(&ring, first.short, NOW + 3 * HOUR - 1));
    assert!(!opens(&ring, first.short, NOW + 3 * HOUR), "also if nobody rotated in time");
    live(&mut ring, NOW + 3 * HOUR - 1, NOW + 3 * HOUR);
    assert!(!opens(&ring, first.short, NOW + 3 * HOUR));

    live(&mut ring, NOW + 3 * HOUR, NOW + 6 * HOUR);
    let third = published(&ring).onion;
    assert_eq!(onions(&ring, NOW + 6 * HOUR), [third, first.onion]);
    live(&mut ring, NOW + 6 * HOUR, NOW + 6 * HOUR + 30 * MINUTE - 1);
    assert_eq!(onions(&ring, NOW + 6 * HOUR + 30 * MINUTE - 1), [third, first.onion]);
    assert_eq!(onions(&ring, NOW + 6 * HOUR + 30 * MINUTE), [third]);

    live(&mut ring, NOW + 6 * HOUR + 30 * MINUTE, NOW + 8 * DAY + HOUR - 1);
    assert!(opens(&ring, first.long, NOW + 8 * DAY + HOUR - 1));
    live(&mut ring, NOW + 8 * DAY + HOUR - 1, NOW + 8 * DAY + HOUR);
    assert!(!opens(&ring, first.long, NOW + 8 * DAY + HOUR));
    let size = postcard::to_stdvec(&ring.stored()).expect("encodes").len();
    assert!(size < 1_000, "{size}: what is over is dropped");
}

#[test]
fn an_onion_key_is_wiped_on_time() {
    let mut ring = ring();
    live(&mut ring, NOW, NOW + 6 * HOUR);
    assert_eq!(ring.next_rotation_ms(), NOW + 6 * HOUR + 30 * MINUTE);
    assert!(!ring.rotate(NOW + 6 * HOUR + 30 * MINUTE, &seed(1)), "nothing to store or publish");
    assert_eq!(ring.next_rotation_ms(), NOW + 7 * HOUR);
}

#[test]
fn an_onion_key_can_be_replaced_early_and_no_more_than_three_are_taken() {
    let mut ring = ring();
    let first = published(&ring).onion;
    ring.rotate_onion(NOW + MINUTE, &seed(1));
    let second = published(&ring).onion;
    assert_eq!(onions(&ring, NOW + MINUTE), [second, first]);
    ring.rotate_onion(NOW + 2 * MINUTE, &seed(2));
    ring.rotate_onion(NOW + 3 * MINUTE, &seed(3));
    let last = onions(&ring, NOW + 3 * MINUTE);
    assert_eq!((last.len(), last[0]), (3, published(&ring).onion));
    assert!(!last.contains(&first));
    ring.rotate(NOW + 32 * MINUTE, &seed(4));
    assert_eq!(onions(&ring, NOW + 32 * MINUTE).len(), 2);
}

#[test]
fn a_restart_keeps_the_prekeys_and_makes_a_new_onion_key() {
    let mut ring = ring();
    live(&mut ring, NOW, NOW + 5 * HOUR);
    let before = published(&ring);
    let bytes = postcard::to_stdvec(&ring.stored()).expect("encodes");
    let shows = |part: &[u8]| bytes.windows(part.len()).any(|w| w == part);
    assert!(shows(&ring.secret_of(before.short.id, NOW + 5 * HOUR).expect("there")));
    let stored: Stored = postcard::from_bytes(&bytes).expect("our own");
    assert_eq!(stored, ring.stored());
    let again = KeyRing::restore(stored, NOW + 5 * HOUR + MINUTE, &seed(77));
    let after = published(&again);
    assert_eq!((after.short, after.long), (before.short, before.long));
    assert_ne!(after.onion, before.onion);
    assert_eq!(onions(&again, NOW + 5 * HOUR + MINUTE), [after.onion]);
}

#[test]
fn a_node_that_comes_back_after_weeks_reads_what_waits_for_it() {
    let before = published(&ring());
    let back = NOW + 20 * DAY;
    let mut again = KeyRing::restore(ring().stored(), back, &seed(1));
    let after = published(&again);
    assert!(after.short != before.short && after.long != before.long);
    assert!(opens(&again, before.long, back));
    live(&mut again, back, back + 7 * DAY + HOUR - 1);
    assert!(opens(&again, before.long, back + 7 * DAY));
    live(&mut again, back + 7 * DAY + HOUR - 1, back + 7 * DAY + 2 * HOUR);
    assert!(!opens(&again, before.long, back + 7 * DAY + 2 * HOUR));
}

/// All prekeys that the ring has and that still open at `now`.
fn open_ids(ring: &KeyRing, now: u64) -> Vec<u32> {
    let stored = postcard::to_stdvec(&ring.stored()).expect("encodes");
    let id = |window: &[u8]| {
        let secret: [u8; 32] = window.try_into().expect("32 bytes");
        let hash = Sha256::digest(PublicKey::from(&StaticSecret::from(secret)));
        u32::from_be_bytes(*hash.first_chunk().expect("4 of 32 bytes"))
    };
    stored.windows(32).map(id).filter(|id| ring.secret_of(*id, now).is_some()).collect()
}

#[test]
fn a_clock_set_wrong_for_a_moment_loses_no_key() {
    for jump in [3 * HOUR, 30 * DAY, 20 * 365 * DAY] {
        let mut ring = ring();
        live(&mut ring, NOW, NOW + 3 * DAY + 20 * MINUTE);
        let now = NOW + 3 * DAY + 20 * MINUTE;
        let before = open_ids(&ring, now);
        assert_eq!(before.len(), 3 + 4, "hours and days");
        let still =
            |ring: &KeyRing, now| before.iter().all(|id| ring.secret_of(*id, now).is_some());
        // Nobody noticed yet; it was noticed; time goes on; the clock is right again.
        assert!(still(&ring, now + jump));
        ring.rotate(now + jump, &seed(2));
        assert!(still(&ring, now + jump) && still(&ring, now + jump + 9 * MINUTE));
        ring.rotate(now + 9 * MINUTE, &seed(3));
        assert!(still(&ring, now + 9 * MINUTE));
        let keys = published(&ring);
        let newest = [keys.onion_made_s, keys.short_made_s, keys.long_made_s];
        assert!(newest.iter().all(|made| *made <= (now + 9 * MINUTE) / 1000), "none of the future");
        // They go when their time is over.
        live(&mut ring, now + 9 * MINUTE, now + 9 * DAY);
        assert!(before.iter().all(|id| ring.secret_of(*id, now + 9 * DAY).is_none()));
    }
}

#[test]
fn a_clock_that_stays_ahead_is_believed_after_ten_minutes() {
    let mut ring = ring();
    live(&mut ring, NOW, NOW + 3 * DAY);
    let before = open_ids(&ring, NOW + 3 * DAY);
    let then = NOW + 30 * DAY;
    ring.rotate(then, &seed(1));
    assert_eq!(ring.next_rotation_ms(), then + 10 * MINUTE);
    assert!(ring.rotate(then + 10 * MINUTE, &seed(2)), "dropped, so to be stored");
    let left = before.iter().filter(|id| ring.secret_of(**id, then + 10 * MINUTE).is_some());
    assert_eq!(left.count(), 2, "the two that were the newest");
}

#[test]
fn a_clock_set_back_makes_new_keys_and_keeps_none_for_ever() {
    let mut ring = ring();
    live(&mut ring, NOW, NOW + 3 * DAY);
    let before = published(&ring);
    let now = NOW - 100 * DAY;
    assert!(ring.rotate(now, &seed(1)));
    let after = published(&ring);
    assert_eq!([after.onion_made_s, after.short_made_s, after.long_made_s], [now / 1000; 3]);
    assert!(opens(&ring, before.long, now) && opens(&ring, before.short, now));
    assert!(ring.next_rotation_ms() <= now + HOUR);
    live(&mut ring, now, now + 8 * DAY);
    assert!(!opens(&ring, before.long, now + 8 * DAY));
    // A few minutes back are nothing.
    let before = published(&ring);
    ring.rotate(now + 8 * DAY - 5 * MINUTE, &seed(2));
    assert_eq!(published(&ring), before);
}

#[test]
fn others_use_a_key_only_while_it_opens() {
    let keys = published(&ring());
    assert!(keys.usable_onion(NOW) && keys.usable_onion(NOW + 6 * HOUR + 30 * MINUTE - 1));
    assert!(!keys.usable_onion(NOW + 6 * HOUR + 30 * MINUTE));
    assert!(keys.usable_onion(NOW - 10 * MINUTE) && !keys.usable_onion(NOW - 10 * MINUTE - 1));
    assert_eq!(keys.prekey(NOW, false), Some(&keys.short));
    assert_eq!(keys.prekey(NOW, true), Some(&keys.long));
    assert_eq!(keys.prekey(NOW + 2 * HOUR - 1, false), Some(&keys.short));
    assert_eq!(keys.prekey(NOW + 2 * HOUR, false), Some(&keys.long));
    assert_eq!(keys.prekey(NOW + 8 * DAY - 1, true), Some(&keys.long));
    assert_eq!((keys.prekey(NOW + 8 * DAY, true), keys.prekey(NOW + 8 * DAY, false)), (None, None));
    assert_eq!(keys.prekey(NOW - 11 * MINUTE, false), None);

    // Sealed at the last moment, there is an hour left to arrive.
    let mut ring = ring();
    live(&mut ring, NOW, NOW + 3 * HOUR - 1);
    assert!(opens(&ring, keys.short, NOW + 3 * HOUR - 1));
    live(&mut ring, NOW + 3 * HOUR - 1, NOW + 8 * DAY + HOUR - 1);
    assert!(opens(&ring, keys.long, NOW + 8 * DAY + HOUR - 1));
}

#[test]
fn nothing_secret_is_shown() {
    let ring = ring();
    assert_eq!(format!("{ring:?} {:?}", ring.stored()), "KeyRing Stored(1 short, 1 long)");
}

proptest! {
    #[test]
    fn no_clock_panics_or_fills_the_store(times in prop::collection::vec(any::<u64>(), 1..20), early: bool) {
        let mut ring = KeyRing::new(times[0], &seed(0));
        for (n, now) in times.iter().enumerate() {
            ring.rotate(*now, &seed(n as u64 + 1));
            if early {
                ring.rotate_onion(*now, &seed(n as u64 + 1_000));
            }
            let keys = published(&ring);
            prop_assert!(opens(&ring, keys.short, *now) && opens(&ring, keys.long, *now));
            prop_assert_eq!(onions(&ring, *now)[0], keys.onion);
            prop_assert!(onions(&ring, *now).len() <= 3);
            let _ = (ring.next_rotation_ms(), keys.usable_onion(*now), keys.prekey(*now, early));
            let bytes = postcard::to_stdvec(&ring.stored()).expect("encodes");
            let stored = postcard::from_bytes::<Stored>(&bytes).expect("bounded");
            prop_assert_eq!(published(&KeyRing::restore(stored, *now, &seed(5))).long, keys.long);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = MailKeys::decode(&bytes);
        let _ = MailKeys::decode(&[&[1], bytes.as_slice()].concat());
        if let Ok(stored) = postcard::from_bytes::<Stored>(&bytes) {
            let _ = KeyRing::restore(stored, NOW, &seed(0));
        }
    }
}
