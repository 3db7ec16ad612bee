use proptest::prelude::*;
use proptest::sample::subsequence;

use super::sha256;
use crate::mail::shards::*;
use crate::mail::{onion, seal};

const CONTEXT: &[u8] = b"letter 7 of node 3";

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).expect("below 256")).collect()
}

#[test]
fn a_fragment_of_the_longest_piece_fits_a_sealed_letter_with_room() {
    let split = split(&body(PIECE_BYTES_MAX - 16), 1, 1, CONTEXT, &[1; 32]).expect("fits");
    let bytes = split[0].encode().expect("our own");
    assert_eq!(split[0].bytes.len(), PIECE_BYTES_MAX);
    assert!(bytes.len() <= PIECE_BYTES_MAX + OVERHEAD_MAX);
    let sealed = PIECE_BYTES_MAX + OVERHEAD_MAX + seal::OVERHEAD_MAX;
    assert!(sealed + 700 <= onion::Size::Large.room());
}

#[test]
fn the_longest_body_goes_through_when_a_fifth_of_it_is_lost() {
    let body = body(BODY_BYTES_MAX);
    let k = fewest(body.len()).expect("not too long");
    assert_eq!(k, 69);
    let n = k + k.div_ceil(4);
    assert!(n <= FRAGMENTS_MAX);
    let all = split(&body, k, n, CONTEXT, &[1; 32]).expect("fits");
    assert_eq!(all.len(), usize::from(n));
    for fragment in &all {
        let bytes = fragment.encode().expect("our own");
        assert!(bytes.len() <= PIECE_BYTES_MAX + OVERHEAD_MAX);
        assert_eq!(Fragment::decode(&bytes).as_ref(), Ok(fragment));
    }
    assert_eq!(join(&all[usize::from(n - k)..], CONTEXT).as_ref(), Ok(&body));
    assert_eq!(join(&all, CONTEXT), Ok(body));
}

#[test]
fn the_bounds_are_kept() {
    let split = |len, k, n| split(&body(len), k, n, CONTEXT, &[1; 32]).map(|f| f.len());
    assert_eq!(split(10, 0, 3), Err(SplitError::Numbers { k: 0, n: 3 }));
    assert_eq!(split(10, 4, 3), Err(SplitError::Numbers { k: 4, n: 3 }));
    assert_eq!(split(10, 3, 129), Err(SplitError::Numbers { k: 3, n: 129 }));
    assert_eq!(split(BODY_BYTES_MAX + 1, 128, 128), Err(SplitError::TooLong(BODY_BYTES_MAX + 1)));
    assert_eq!(split(PIECE_BYTES_MAX, 1, 2), Err(SplitError::TooFew(2)));
    assert_eq!((split(0, 1, 1), split(0, 128, 128), split(0, 1, 128)), (Ok(1), Ok(128), Ok(128)));
    assert_eq!(
        (fewest(0), fewest(PIECE_BYTES_MAX), fewest(BODY_BYTES_MAX + 1)),
        (Some(1), Some(2), None)
    );
    assert_eq!(fewest(usize::MAX - 100), None);
}

#[test]
fn fragments_of_two_bodies_do_not_join() {
    let of =
        |text: &[u8], seed, context: &[u8]| split(text, 2, 3, context, &[seed; 32]).expect("short");
    let (one, two) = (of(b"one", 1, CONTEXT), of(b"two", 2, CONTEXT));
    let mixed = |a: &Fragment, b: &Fragment| join(&[a.clone(), b.clone()], CONTEXT);
    assert_eq!(mixed(&one[0], &two[1]), Err(JoinError::Altered));
    assert_eq!(mixed(&one[0], &two[0]), Err(JoinError::Mixed));
    let longer = of(b"longer", 1, CONTEXT);
    assert_eq!(mixed(&one[0], &longer[1]), Err(JoinError::Mixed));
    let of_three = split(b"one", 3, 3, CONTEXT, &[1; 32]).expect("short");
    assert_eq!(mixed(&one[0], &of_three[1]), Err(JoinError::Mixed));
    assert_eq!(join(&one, b"another letter"), Err(JoinError::Altered));
    assert_eq!(join(&[], CONTEXT), Err(JoinError::TooFew { have: 0, need: 0 }));
    // The same twice is one.
    assert_eq!(mixed(&one[0], &one[0]), Err(JoinError::TooFew { have: 1, need: 2 }));
    assert_eq!(
        join(&[one[0].clone(), one[0].clone(), one[2].clone()], CONTEXT),
        Ok(b"one".to_vec())
    );
}

#[test]
fn every_changed_bit_is_noticed() {
    let all = split(b"a short text", 2, 3, CONTEXT, &[1; 32]).expect("short");
    for which in 0..3 {
        let bytes = all[which].encode().expect("our own");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let Ok(fragment) = Fragment::decode(&changed) else { continue };
                let with = all[(which + 1) % 3].clone();
                let joined = join(&[fragment, with], CONTEXT);
                // The padding behind the sealed body is not looked at; all else is.
                assert!(joined.is_err() || joined == Ok(b"a short text".to_vec()), "byte {at}");
                let padding = which == 1 && at == bytes.len() - 1;
                assert!(joined.is_err() || padding, "fragment {which}, byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn hostile_numbers_are_refused() {
    let good = split(&body(100), 2, 3, CONTEXT, &[1; 32]).expect("short").swap_remove(0);
    let refused = |change: &dyn Fn(&mut Fragment)| {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(bad.encode(), Err(BadFragment));
        assert_eq!(join(&[bad.clone(), bad], CONTEXT), Err(JoinError::Mixed));
    };
    refused(&|f| f.k = 0);
    refused(&|f| f.n = 1);
    refused(&|f| f.n = 129);
    refused(&|f| f.index = 3);
    refused(&|f| f.len = 15);
    refused(&|f| f.len = u32::MAX);
    refused(&|f| f.len += 2);
    refused(&|f| f.bytes.push(0));
    refused(&|f| f.bytes.clear());
    refused(&|f| (f.k, f.bytes) = (1, vec![0; PIECE_BYTES_MAX + 2]));
    let bytes = good.encode().expect("our own");
    assert_eq!(Fragment::decode(&[bytes.as_slice(), &[0]].concat()), Err(BadFragment));
    for len in 0..bytes.len() {
        assert_eq!(Fragment::decode(&bytes[..len]), Err(BadFragment));
    }
    // A piece of 2^28 bytes is announced, none follows.
    let lie = [&bytes[..36], &[0xff, 0xff, 0xff, 0x7f]].concat();
    assert_eq!(Fragment::decode(&lie), Err(BadFragment));
}

#[test]
fn a_share_says_nothing_of_the_text_nor_do_equal_texts_look_alike() {
    let of = |seed| split(&[0; 1_000], 2, 3, CONTEXT, &[seed; 32]).expect("short");
    for (one, two) in of(1).iter().zip(&of(2)) {
        assert_ne!(one.share, two.share);
        assert!(one.bytes.windows(4).zip(two.bytes.windows(4)).all(|(a, b)| a != b));
    }
}

/// What one release cut must be joined by the next; an upgrade that changes a byte fails here.
#[test]
fn fragments_are_the_same_as_ever() {
    let all = split(b"a letter of long ago", 2, 3, CONTEXT, &[42; 32]).expect("short");
    let bytes: Vec<u8> = all.iter().flat_map(|f| f.encode().expect("our own")).collect();
    assert_eq!(sha256(&bytes), "5d87924155d2dca8220215f8c510a36abbab491f6c391f6a504dfa4110503d18");
}

fn numbers() -> impl Strategy<Value = (u8, u8, Vec<u8>)> {
    let order = |(k, n): (u8, u8)| {
        let some = subsequence((0..n).collect::<Vec<_>>(), usize::from(k)).prop_shuffle();
        (Just(k), Just(n), some)
    };
    (1..=40_u8).prop_flat_map(|n| (1..=n, Just(n))).prop_flat_map(order)
}

proptest! {
    #[test]
    fn any_k_of_n_in_any_order_give_the_body((k, n, some) in numbers(), len in 0..2_000_usize, seed: u8) {
        let body = body(len);
        let all = split(&body, k, n, CONTEXT, &[seed; 32]).expect("short");
        let some: Vec<Fragment> = some.iter().map(|i| all[usize::from(*i)].clone()).collect();
        prop_assert_eq!(join(&some, CONTEXT), Ok(body));
        let fewer = join(&some[1..], CONTEXT);
        let need = if k == 1 { 0 } else { k };
        prop_assert_eq!(fewer, Err(JoinError::TooFew { have: k - 1, need }));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), k in 1..5_u8, n in 0..6_u8, len in 16..90_u32) {
        let _ = Fragment::decode(&bytes);
        // With numbers that may agree.
        let head = [0, k, n, u8::try_from(len).expect("below 128")];
        let piece = usize::try_from(len.div_ceil(k.into())).expect("small").next_multiple_of(2);
        let fragment = |index: u8| {
            let mut bytes = [head.as_slice(), &[7; 32], &[u8::try_from(piece).expect("small")], &vec![index; piece]].concat();
            bytes[0] = index;
            Fragment::decode(&bytes)
        };
        let some: Vec<Fragment> = (0..n).filter_map(|i| fragment(i).ok()).collect();
        prop_assert!(join(&some, CONTEXT).is_err());
    }
}
