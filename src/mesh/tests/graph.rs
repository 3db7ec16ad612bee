use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::mesh::Time;
use crate::mesh::graph::{GRACE, Graph, Inserted, Limits, SUSPECT, TOMBSTONE};
use crate::mesh::record::{Body, LinkState, Record};
use crate::mesh::view::{State, View};

const LIMITS: Limits = Limits { nodes_max: 64, forget_after: Duration::from_secs(86_400) };
/// Unix milliseconds of time 0: late enough for a goodbye to be old.
const START_MS: u64 = 1_000_000_000;

fn graph() -> Graph {
    Graph::new(id(0), START_MS, LIMITS)
}

/// Takes everything at once and looks a minute later.
fn merged(records: impl IntoIterator<Item = Record>) -> (Graph, View) {
    let mut graph = graph();
    for record in records {
        graph.insert(Time(0), record);
    }
    graph.derive(Time::from_ms(1));
    let view = graph.view();
    (graph, view)
}

fn state(view: &View, n: u8) -> Option<State> {
    view.node(&id(n)).map(|n| n.state)
}

fn any_record() -> impl Strategy<Value = Record> {
    let peers = prop::collection::vec(0..8u8, 0..8);
    (0..8u8, 1..4u64, prop::option::of(peers)).prop_map(|(n, seq, peers)| match peers {
        // One version has one content: the peers depend on who and when.
        Some(_) => {
            let peers: Vec<u8> =
                (0..8).filter(|p| (u64::from(*p + n) * seq) % 3 != 0 || *p == n + 1).collect();
            links(n, seq, &peers)
        }
        None => card(n, seq),
    })
}

proptest! {
    #[test]
    fn merging_is_commutative_and_idempotent(
        records in prop::collection::vec(any_record(), 0..40),
        seed: u64,
    ) {
        let mut shuffled = records.clone();
        shuffled.extend(records.iter().take(10).cloned());
        crate::mesh::dice::Dice::new(seed).shuffle(&mut shuffled);
        let ((a, seen_a), (b, seen_b)) = (merged(records), merged(shuffled));
        prop_assert_eq!(a.digest(), b.digest());
        prop_assert_eq!(a.root(), b.root());
        prop_assert_eq!(&seen_a.links, &seen_b.links);
        // Whether a reachable node was ever dropped by somebody is known only to who heard it happen.
        let alive = |v: &View| v.alive().map(|n| n.id).collect::<Vec<_>>();
        prop_assert_eq!(alive(&seen_a), alive(&seen_b));
    }
}

#[test]
fn only_what_both_ends_list_makes_alive() {
    let (_, view) = merged([links(0, 1, &[1]), links(1, 1, &[0, 2]), links(2, 1, &[])]);
    assert_eq!(state(&view, 1), Some(State::Alive));
    assert_eq!(state(&view, 2), None, "half-open: never met, never shown");
    let (_, view) = merged([links(0, 1, &[1]), links(1, 1, &[0, 2]), links(2, 1, &[1])]);
    assert_eq!(state(&view, 2), Some(State::Alive));
    assert!(view.links.iter().all(|l| l.confirmed));
}

#[test]
fn a_liar_cannot_attach_itself() {
    let liar = 7;
    let (graph, view) =
        merged([links(0, 1, &[1]), links(1, 1, &[0]), links(liar, 9, &[0, 1]), card(liar, 9)]);
    assert_eq!(state(&view, liar), None);
    assert!(!graph.is_alive(&id(liar)));
    assert!(view.links.iter().all(|l| l.from != id(liar) && l.to != id(liar)));
}

#[test]
fn of_two_records_of_one_version_the_first_is_kept() {
    let mut graph = graph();
    let first = links(1, 5, &[2]);
    assert!(matches!(graph.insert(Time(0), first.clone()), Inserted::New { .. }));
    assert_eq!(graph.insert(Time(0), links(1, 5, &[3])), Inserted::Conflict);
    assert_eq!(graph.insert(Time(0), first.clone()), Inserted::Stale);
    assert_eq!(graph.link_state(&id(1)), Some(&first));
}

#[test]
fn a_goodbye_is_shown_and_an_old_one_not_taken_up_again() {
    let goodbye = |leaving_ms| {
        let ver = Ver { epoch: 1, seq: 9 };
        let said = Card { leaving_ms: Some(leaving_ms), ..plain_card(1, ver) };
        Record::sign(Body::Card(said), &node(1))
    };
    let tombstone_ms = u64::try_from(TOMBSTONE.as_millis()).expect("an hour");
    let mut graph = graph();
    assert_eq!(graph.insert(Time(0), goodbye(START_MS - tombstone_ms - 1)), Inserted::Stale);
    for record in [links(0, 1, &[1]), links(1, 1, &[0]), card(1, 1)] {
        graph.insert(Time(0), record);
    }
    graph.derive(Time(0));
    assert!(graph.is_alive(&id(1)));
    graph.insert(Time(0), goodbye(START_MS));
    graph.insert(Time(0), links(0, 2, &[]));
    graph.derive(Time(0));
    assert_eq!(state(&graph.view(), 1), Some(State::Left));
}

#[test]
fn who_loses_a_link_is_suspect_and_who_has_one_closed_is_not() {
    let one_end_tells = |lost: &[u8]| {
        let mut graph = graph();
        for record in [links(0, 1, &[1, 2]), links(1, 1, &[0, 2]), links(2, 1, &[0, 1])] {
            graph.insert(Time(0), record);
        }
        graph.derive(Time(0));
        let lost = List::first_of(lost.iter().map(|n| id(*n)));
        let said = LinkState { lost, ..link_state(1, 2, &[0]) };
        let told = graph.insert(Time(0), Record::sign(Body::Links(said), &node(1)));
        let derived = graph.derive(Time(0));
        (told, state(&graph.view(), 2), derived.next, graph)
    };
    let (told, seen, ..) = one_end_tells(&[]);
    assert_eq!((told, seen), (Inserted::New { lost: vec![] }, Some(State::Alive)));
    // Of a link that it never had it cannot tell anything.
    let (told, seen, ..) = one_end_tells(&[3]);
    assert_eq!((told, seen), (Inserted::New { lost: vec![] }, Some(State::Alive)));
    let (told, seen, until, mut graph) = one_end_tells(&[2]);
    assert_eq!((told, seen), (Inserted::New { lost: vec![id(2)] }, Some(State::Suspect)));
    assert_eq!(until, Some(Time(0) + SUSPECT));
    graph.derive(Time(0) + SUSPECT);
    assert_eq!(state(&graph.view(), 2), Some(State::Alive));
}

#[test]
fn who_was_called_failed_and_is_reached_again_is_not_accused_of_what_was_before() {
    let mut graph = graph();
    for record in [links(0, 1, &[1, 2]), links(1, 1, &[0, 2]), links(2, 1, &[0, 1])] {
        graph.insert(Time(0), record);
    }
    graph.derive(Time(0));
    let lost = List::first_of([id(2)]);
    let said = LinkState { lost, ..link_state(1, 2, &[0]) };
    graph.insert(Time(0), Record::sign(Body::Links(said), &node(1)));
    graph.insert(Time(0), links(0, 2, &[1]));
    graph.derive(Time(0));
    graph.derive(Time(0) + GRACE);
    assert_eq!(state(&graph.view(), 2), Some(State::Failed));
    graph.insert(Time(0) + GRACE, links(0, 3, &[1, 2]));
    graph.derive(Time(0) + GRACE);
    assert_eq!(state(&graph.view(), 2), Some(State::Alive));
}

#[test]
fn a_crash_is_failed_after_the_grace_and_a_split_is_unreachable() {
    let mut graph = graph();
    let all =
        [links(0, 1, &[1, 2, 3]), links(1, 1, &[0]), links(2, 1, &[0, 3]), links(3, 1, &[0, 2])];
    for record in all {
        graph.insert(Time(0), record);
    }
    graph.derive(Time(0));
    graph.insert(Time::from_ms(10), links(0, 2, &[]));
    let wake = graph.derive(Time::from_ms(10)).next.expect("the grace ends");
    let view = graph.view();
    assert_eq!(state(&view, 1), Some(State::Suspect));
    graph.derive(wake);
    let view = graph.view();
    assert_eq!(state(&view, 1), Some(State::Failed));
    assert_eq!(state(&view, 2), Some(State::Unreachable));
    assert_eq!(state(&view, 3), Some(State::Unreachable));
}

#[test]
fn strangers_never_take_more_room_than_there_is_nor_the_place_of_the_living() {
    let mut graph = graph();
    graph.insert(Time(0), links(0, 1, &[1]));
    graph.insert(Time(0), links(1, 1, &[0]));
    graph.derive(Time(0));
    for n in 2..=255 {
        graph.insert(Time(0), card(n, 1));
    }
    graph.derive(Time(0));
    let held = (0..=255).filter(|n| {
        let versions = graph.versions_of(&id(*n));
        versions.card != Ver::default() || versions.links != Ver::default()
    });
    assert!(held.count() <= LIMITS.nodes_max);
    assert!(graph.is_alive(&id(1)));
}

/// Node 0 has lost its links with 1 to 50 and knows nobody else.
fn all_lost(nodes_max: usize) -> Graph {
    let mut graph = Graph::new(id(0), START_MS, Limits { nodes_max, ..LIMITS });
    let others: Vec<u8> = (1..=50).collect();
    graph.insert(Time(0), links(0, 1, &others));
    for n in others {
        graph.insert(Time(0), links(n, 1, &[0]));
        graph.insert(Time(0), card(n, 1));
    }
    graph.derive(Time(0));
    graph.insert(Time(0), links(0, 2, &[]));
    graph.derive(Time(0));
    graph.derive(Time(0) + GRACE);
    graph
}

/// Graphs with little room and with much of it.
#[test]
fn strangers_do_not_push_out_who_was_lost() {
    for (nodes_max, strangers) in [(64, 250), (4096, 3000)] {
        let mut graph = all_lost(nodes_max);
        for n in 0..strangers {
            graph.insert(Time::from_ms(200), card_of_many(n));
            graph.derive(Time::from_ms(200));
        }
        graph.derive(Time::from_ms(500));
        let lost = (1..=50).filter(|n| graph.state_of(&id(*n)) == Some(State::Failed));
        let lost = lost.filter(|n| graph.card(&id(*n)).is_some()).count();
        assert!(
            lost >= 42,
            "{lost} of 50 can still be dialled, where there is room for {nodes_max}"
        );
    }
}

#[test]
fn where_there_is_room_only_for_the_living_all_that_come_together_stay() {
    let mut graph = all_lost(51);
    let now = Time::from_ms(500);
    for n in 100..105 {
        let before = if n == 100 { 0 } else { n - 1 };
        let after = if n == 104 { vec![before] } else { vec![before, n + 1] };
        for record in [card(n, 1), links(n, 1, &after)] {
            assert!(matches!(graph.insert(now, record), Inserted::New { .. }));
        }
    }
    graph.insert(now, links(0, 3, &[100]));
    graph.derive(now);
    assert!((100..105).all(|n| graph.is_alive(&id(n)) && graph.card(&id(n)).is_some()));
}

#[test]
fn many_links_are_listed_only_while_there_is_room_for_them() {
    let entry = |n: u32| LinkEntry {
        peer: NodeId::of_key(&one_of_many(n).0),
        dir: Direction::Out,
        rtt_us: 1,
        since_s: 0,
    };
    let mut all: Vec<LinkEntry> = (0..1024).map(entry).collect();
    all.sort_by_key(|l| l.peer);
    let limits = Limits { nodes_max: 1030, ..LIMITS };
    let mut graph = Graph::new(id(0), START_MS, limits);
    let mut said = |n: u32, seq: u64, count: usize| {
        let key = one_of_many(n);
        let links = List::first_of(all[..count].iter().copied());
        let ver = Ver { epoch: 1, seq };
        let state = LinkState { id: NodeId::of_key(&key.0), ver, links, ..link_state(0, 1, &[]) };
        graph.insert(Time(0), Record::sign(Body::Links(state), &key))
    };
    let new = Inserted::New { lost: Vec::new() };
    assert!((0..1024).all(|n| said(n, 1, 1024) == new), "a full mesh of so many fits");
    assert_eq!(said(2000, 1, 257), Inserted::Full);
    assert_eq!(said(2000, 1, 256), new, "its share it has whatever others say");
    assert_eq!(said(1, 2, 1000), new, "fewer than before are always taken");
    assert_eq!(said(1, 3, 1024), Inserted::Full);
}

/// One end of a link, or both, says otherwise than before; or a node says goodbye, or is back.
#[derive(Clone, Debug)]
enum Turn {
    Link { a: u8, b: u8, both: bool },
    Card { n: u8, leaving: bool },
    Derive,
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let link = (0..10u8, 0..10u8, prop::bool::weighted(0.8)).prop_map(|(a, b, both)| Turn::Link {
        a,
        b,
        both,
    });
    let card = (1..10u8, any::<bool>()).prop_map(|(n, leaving)| Turn::Card { n, leaving });
    prop_oneof![12 => link, 1 => card, 6 => Just(Turn::Derive)]
}

/// What everyone says, worked out from nothing.
fn reached(lists: &[BTreeSet<u8>], left: &BTreeSet<u8>) -> BTreeSet<u8> {
    let (mut reached, mut queue) = (BTreeSet::from([0]), vec![0u8]);
    while let Some(n) = queue.pop() {
        for peer in &lists[usize::from(n)] {
            let confirmed = lists[usize::from(*peer)].contains(&n);
            if confirmed && !left.contains(peer) && reached.insert(*peer) {
                queue.push(*peer);
            }
        }
    }
    reached
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Following each change comes to what working out everything anew does.
    #[test]
    fn who_is_reached_is_right_after_any_changes(turns in prop::collection::vec(any_turn(), 1..120)) {
        let mut graph = graph();
        let mut lists = vec![BTreeSet::new(); 10];
        let mut left = BTreeSet::new();
        let mut now = Time(0);
        graph.insert(now, links(0, 1, &[]));
        for (turn, seq) in turns.into_iter().chain([Turn::Derive]).zip(2..) {
            now = now + Duration::from_millis(1);
            let mut say = |n: u8, lists: &[BTreeSet<u8>]| {
                let peers: Vec<u8> = lists[usize::from(n)].iter().copied().collect();
                graph.insert(now, links(n, seq, &peers));
            };
            match turn {
                Turn::Link { a, b, .. } if a == b => {}
                Turn::Link { a, b, both } => {
                    let on = lists[usize::from(a)].insert(b);
                    if !on {
                        lists[usize::from(a)].remove(&b);
                    }
                    say(a, &lists);
                    if both {
                        match on {
                            true => lists[usize::from(b)].insert(a),
                            false => lists[usize::from(b)].remove(&a),
                        };
                        say(b, &lists);
                    }
                }
                Turn::Card { n, leaving } => {
                    let ver = Ver { epoch: 1, seq };
                    let leaving_ms = leaving.then_some(START_MS);
                    let body = Body::Card(Card { leaving_ms, ..plain_card(n, ver) });
                    graph.insert(now, Record::sign(body, &node(n)));
                    if leaving { left.insert(n) } else { left.remove(&n) };
                }
                Turn::Derive => {
                    graph.derive(now);
                    // Whose path has broken is suspect until the grace time is over.
                    now = now + GRACE;
                    graph.derive(now);
                    let found: BTreeSet<u8> = (0..10).filter(|n| graph.is_alive(&id(*n))).collect();
                    prop_assert_eq!(found, reached(&lists, &left));
                }
            }
        }
    }
}
