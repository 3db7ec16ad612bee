use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::*;
use crate::mesh::book::{Book, Entry};
use crate::mesh::graph::NodeChange;
use crate::mesh::peers::{Bye, Command, Down, Effect, Ended, Event, Home, Peers, Policy};
use crate::mesh::trust::Rules;
use crate::mesh::view::State;
use crate::mesh::{ConnId, Core, Time};

pub(super) fn policy() -> Policy {
    Policy {
        rules: Rules::default(),
        incoming_max: 3,
        pending_max: 4,
        per_address_max: 16,
        dialing_max: 16,
        dials_per_second: 64,
        attempts_max: 4,
        delay: (Duration::from_millis(250), Duration::from_secs(30)),
        book_max: 100,
        plan: FULL,
        banned_max: 10,
    }
}

pub(super) fn registry(n: u8, seeds: &[u8], book: Book) -> Peers {
    let seeds = seeds.iter().map(|s| addr(*s)).collect();
    let home = Home { me: id(n), start_ms: 0, listen: addr(n), advertise: Vec::new(), seeds };
    Peers::new(home, policy(), book, u64::from(n))
}

pub(super) fn tell(peers: &mut Peers, now: Time, event: Event) -> Vec<Effect> {
    let mut out = Vec::new();
    peers.handle(now, event, &mut out);
    out
}

/// Somebody dials us and gets as far as a decision.
pub(super) fn comes_in(peers: &mut Peers, now: Time, who: Record) -> Vec<Effect> {
    let conn = peers.name_conn();
    let from = SocketAddr::from(([10, 9, 9, 9], 1));
    let mut out = tell(peers, now, Event::Arrived { conn, from });
    let local = addr(0);
    out.extend(tell(peers, now, Event::Handshaken { conn, card: who, rtt_us: 0, local }));
    out
}

pub(super) fn closed_with(effects: &[Effect]) -> Option<Bye> {
    effects.iter().find_map(|e| match e {
        Effect::Close { bye, .. } => Some(*bye),
        _ => None,
    })
}

pub(super) fn dialled(effects: &[Effect]) -> Vec<(ConnId, SocketAddr)> {
    let dial = |e: &Effect| match e {
        Effect::Dial { conn, addr, .. } => Some((*conn, *addr)),
        _ => None,
    };
    effects.iter().filter_map(dial).collect()
}

// --- Two nodes that dial one another at the same time, in every order things can arrive.

enum Wire {
    Arrive,
    Greeting,
    Ready,
    Bye(Bye),
}

struct Duel {
    nodes: [Peers; 2],
    /// For each pipe (dialled by node 0, by node 1): the conn at each node, and the two lanes.
    conns: [[Option<ConnId>; 2]; 2],
    /// lanes[pipe][to]
    lanes: [[VecDeque<Wire>; 2]; 2],
    links: [Option<ConnId>; 2],
    now: Time,
}

impl Duel {
    fn new() -> Duel {
        let nodes = [registry(1, &[], Book::default()), registry(2, &[], Book::default())];
        let mut duel = Duel {
            nodes,
            conns: [[None; 2]; 2],
            lanes: Default::default(),
            links: [None; 2],
            now: Time::from_ms(100),
        };
        for side in 0..2u8 {
            let other = addr(2 - side);
            let command = Command::Connect { addr: other, ticket: 1 };
            let out = tell(&mut duel.nodes[usize::from(side)], duel.now, Event::Command(command));
            let [(conn, _)] = dialled(&out)[..] else { panic!("{out:?}") };
            duel.conns[usize::from(side)][usize::from(side)] = Some(conn);
            duel.lanes[usize::from(side)][usize::from(1 - side)].push_back(Wire::Arrive);
        }
        duel
    }

    /// Delivers the next message of the `pick`th lane that has one; how many there were to choose from.
    fn step(&mut self, pick: usize) -> usize {
        let open: Vec<(usize, usize)> = (0..4)
            .map(|i| (i / 2, i % 2))
            .filter(|(pipe, to)| !self.lanes[*pipe][*to].is_empty())
            .collect();
        if open.is_empty() {
            return 0;
        }
        let (pipe, to) = open[pick];
        let wire = self.lanes[pipe][to].pop_front().expect("not empty");
        self.now = self.now + Duration::from_millis(1);
        let now = self.now;
        let peer = if to == 0 { 2 } else { 1 };
        let greeted = |conn| Event::Handshaken {
            conn,
            card: card(peer, 1),
            rtt_us: 1,
            local: addr(3 - peer),
        };
        let event = match wire {
            Wire::Arrive => {
                let conn = self.nodes[to].name_conn();
                self.conns[pipe][to] = Some(conn);
                Some(Event::Arrived { conn, from: addr(peer) })
            }
            Wire::Greeting | Wire::Ready => self.conns[pipe][to].map(greeted),
            Wire::Bye(bye) => self.conns[pipe][to]
                .take()
                .map(|conn| Event::Closed { conn, how: Ended::Said(bye, Vec::new()) }),
        };
        if let Some(event) = event {
            let out = tell(&mut self.nodes[to], now, event);
            self.perform(to, out);
        }
        open.len()
    }

    fn pipe_of(&self, node: usize, conn: ConnId) -> Option<usize> {
        (0..2).find(|pipe| self.conns[*pipe][node] == Some(conn))
    }

    fn perform(&mut self, node: usize, out: Vec<Effect>) {
        for effect in out {
            match effect {
                Effect::Admit(conn) => {
                    let pipe = self.pipe_of(node, conn).expect("it arrived");
                    self.lanes[pipe][1 - node].push_back(Wire::Greeting);
                }
                Effect::Keep(conn) => {
                    let pipe = self.pipe_of(node, conn).expect("it is open");
                    if pipe == node {
                        self.lanes[pipe][1 - node].push_back(Wire::Ready);
                    }
                }
                Effect::Close { conn, bye } => {
                    let pipe = self.pipe_of(node, conn).expect("it is open");
                    self.conns[pipe][node] = None;
                    self.lanes[pipe][1 - node].push_back(Wire::Bye(bye));
                }
                Effect::Up { conn, .. } => self.links[node] = Some(conn),
                Effect::Down { .. } => self.links[node] = None,
                Effect::Dial { .. } => panic!("a third dial"),
                _ => {}
            }
        }
    }
}

#[test]
fn two_that_dial_one_another_end_with_the_same_one_link_in_every_order() {
    // An odometer over all choices of which lane delivers next.
    let mut choices: Vec<(usize, usize)> = Vec::new();
    let mut orders = 0;
    loop {
        let mut duel = Duel::new();
        let mut depth = 0;
        loop {
            let pick = choices.get(depth).map_or(0, |(pick, _)| *pick);
            let of = duel.step(pick);
            if of == 0 {
                break;
            }
            if depth == choices.len() {
                choices.push((0, of));
            }
            depth += 1;
        }
        orders += 1;
        let at = |node: usize| duel.links[node].and_then(|conn| duel.pipe_of(node, conn));
        let smaller = usize::from(id(2) < id(1));
        assert_eq!(at(0), Some(smaller), "order {choices:?}");
        assert_eq!(at(1), Some(smaller), "order {choices:?}");
        for node in &duel.nodes {
            assert_eq!(node.counts(), (1, 0), "order {choices:?}");
        }
        while choices.last().is_some_and(|(pick, of)| pick + 1 == *of) {
            choices.pop();
        }
        match choices.last_mut() {
            Some((pick, _)) => *pick += 1,
            None => break,
        }
    }
    assert!(orders > 40, "only {orders} orders");
}

// --- Whom we let in.

#[test]
fn a_label_pinned_to_another_id_is_refused_aloud() {
    let mut peers = registry(0, &[], Book::default());
    let now = Time::from_ms(1);
    assert_eq!(closed_with(&comes_in(&mut peers, now, card(1, 1))), None);
    let thief = Card { label: Text::new("node1").expect("short"), ..plain_card(2, Ver::default()) };
    let out = comes_in(&mut peers, now, Record::sign(Body::Card(thief), &node(2)));
    assert_eq!(closed_with(&out), Some(Bye::LabelTaken));
    assert!(
        out.iter().any(|e| matches!(e, Effect::Notice(text) if text.contains("identity changed")))
    );
    assert!(!peers.is_up(&id(2)));
    // It stands in the table, whether or not the thief was heard of before.
    let rows = peers.rows();
    let thief = rows.iter().find(|row| row.id == Some(id(2))).expect("shown");
    assert!(thief.problem.as_ref().is_some_and(|p| p.contains("identity changed")), "{thief:?}");
}

#[test]
fn a_label_taken_after_the_door_is_refused_too() {
    let mut peers = registry(0, &[], Book::default());
    let now = Time::from_ms(1);
    comes_in(&mut peers, now, card(1, 1));
    comes_in(&mut peers, now, card(2, 1));
    let seen = |n: u8, label: &str| {
        let label = Text::new(label).expect("short");
        let card = Card { label, ..plain_card(n, Ver { epoch: 1, seq: 2 }) };
        let card = Some(Record::sign(Body::Card(card), &node(n)));
        NodeChange { id: id(n), state: State::Alive, card }
    };
    let graph = |second: &str| Event::Graph(vec![seen(1, "node1"), seen(2, second)]);
    assert_eq!(closed_with(&tell(&mut peers, now, graph("renamed"))), None, "nobody else's");
    let out = tell(&mut peers, now, graph("node1"));
    assert_eq!(closed_with(&out), Some(Bye::LabelTaken));
    assert!(out.iter().any(|e| matches!(e, Effect::Notice(t) if t.contains("identity changed"))));
    assert!(peers.is_up(&id(1)) && !peers.is_up(&id(2)));
}

#[test]
fn who_leaves_seeks_nobody_it_met_and_keeps_its_pins() {
    let mut peers = registry(0, &[], Book::default());
    comes_in(&mut peers, Time::from_ms(1), card(1, 1));
    tell(&mut peers, Time::from_ms(2), Event::Leave { forget: false });
    assert!(peers.book().entries[&id(1)].anchor, "whoever only stops comes back to its links");
    tell(&mut peers, Time::from_ms(3), Event::Leave { forget: true });
    assert!(peers.book().entries.is_empty());
    assert_eq!(peers.book().label_pins.get("node1"), Some(&id(1)));
}

#[test]
fn a_ban_closes_and_keeps_out_until_it_is_lifted() {
    let mut peers = registry(0, &[], Book::default());
    let now = Time::from_ms(1);
    comes_in(&mut peers, now, card(1, 1));
    let out = tell(&mut peers, now, Event::Command(Command::Ban(id(1))));
    assert_eq!(closed_with(&out), Some(Bye::Banned));
    assert_eq!(closed_with(&comes_in(&mut peers, now, card(1, 1))), Some(Bye::Banned));
    tell(&mut peers, now, Event::Command(Command::Unban(id(1))));
    assert_eq!(closed_with(&comes_in(&mut peers, now, card(1, 1))), None);
}

#[test]
fn beyond_incoming_max_the_answer_is_full_but_a_linked_peer_may_replace_its_link() {
    let mut peers = registry(0, &[], Book::default());
    let now = Time::from_ms(1);
    for n in 1..=3 {
        assert_eq!(closed_with(&comes_in(&mut peers, now, card(n, 1))), None);
    }
    assert_eq!(closed_with(&comes_in(&mut peers, now, card(4, 1))), Some(Bye::Full));
    let out = comes_in(&mut peers, now, card(2, 1));
    assert!(out.iter().any(|e| matches!(e, Effect::Up { .. })));
    assert_eq!(peers.counts(), (3, 0));
}

#[test]
fn of_too_many_pending_handshakes_chance_picks_who_goes_and_a_crowd_does_not_stop_all() {
    let mut peers = registry(0, &[], Book::default());
    let from = SocketAddr::from(([10, 9, 9, 9], 1));
    // Who came when, and who had to go when.
    let (mut came, mut went) = (Vec::new(), BTreeMap::new());
    for at in 0..400 {
        let conn = peers.name_conn();
        let out = tell(&mut peers, Time::from_ms(at), Event::Arrived { conn, from });
        assert!(out.iter().any(|e| matches!(e, Effect::Admit(c) if *c == conn)));
        came.push((at, conn));
        went.extend(out.iter().filter_map(|e| match e {
            Effect::Close { conn, bye: Bye::Full } => Some((*conn, at)),
            _ => None,
        }));
    }
    assert_eq!((peers.counts(), went.len()), ((0, 4), 396));
    // Twice as many as there is room for come while one shakes hands: three quarters to the eighth last.
    let lasted = came.iter().filter(|(at, conn)| went.get(conn).is_none_or(|gone| *gone > at + 8));
    assert!((10..100).contains(&lasted.count()));
}

#[test]
fn one_address_gets_no_more_than_its_share() {
    let mut peers = registry(0, &[], Book::default());
    let mut limited = policy();
    (limited.per_address_max, limited.pending_max) = (3, 100);
    tell(&mut peers, Time(0), Event::Configure(limited));
    let mut arrive = |ip: [u8; 4]| {
        let conn = peers.name_conn();
        let from = SocketAddr::from((ip, 1));
        closed_with(&tell(&mut peers, Time(0), Event::Arrived { conn, from }))
    };
    assert!((0..3).all(|_| arrive([10, 9, 9, 9]).is_none()));
    assert_eq!(arrive([10, 9, 9, 9]), Some(Bye::Full));
    assert_eq!(arrive([10, 9, 9, 8]), None);
    assert!((0..20).all(|_| arrive([127, 0, 0, 1]).is_none()), "loopback is exempt");
}

#[test]
fn cards_of_a_goodbye_count_only_from_one_we_dialled_and_greeted() {
    let learned = |out: &[Effect]| out.iter().any(|e| matches!(e, Effect::Learned(_)));
    let full = || Ended::Said(Bye::Full, vec![card(9, 1)]);
    let mut peers = registry(0, &[1], Book::default());
    let conn = peers.name_conn();
    tell(&mut peers, Time(0), Event::Arrived { conn, from: addr(7) });
    assert!(!learned(&tell(&mut peers, Time(1), Event::Closed { conn, how: full() })));

    let mut dial = |now: Time, greeted: bool| {
        let command = Command::Connect { addr: addr(2), ticket: 1 };
        let out = tell(&mut peers, now, Event::Command(command));
        let conn = dialled(&out).into_iter().find(|(_, to)| *to == addr(2)).expect("dialled").0;
        if greeted {
            let up = Event::Handshaken { conn, card: card(2, 1), rtt_us: 1, local: addr(0) };
            tell(&mut peers, now, up);
        }
        learned(&tell(&mut peers, now, Event::Closed { conn, how: full() }))
    };
    assert!(!dial(Time::from_ms(1), false));
    assert!(dial(Time::from_ms(2), true));
}

#[test]
fn rules_that_change_say_why_they_close_a_link() {
    let mut peers = registry(0, &[], Book::default());
    comes_in(&mut peers, Time(0), card(1, 1));
    let mut strict = policy();
    strict.rules.pinned_only = true;
    let out = tell(&mut peers, Time(1), Event::Configure(strict));
    assert_eq!(closed_with(&out), Some(Bye::NotNamed));
}

// --- Whom we dial, and when.

/// Runs until then; every dial ends as `how` says. When each began.
fn dials_until(peers: &mut Peers, ms: u64, how: impl Fn() -> Ended) -> Vec<Time> {
    let mut times = Vec::new();
    let mut out = tell(peers, Time(0), Event::Start);
    let mut now = Time(0);
    loop {
        for (conn, _) in dialled(&out) {
            times.push(now);
            let later = now + Duration::from_millis(1);
            let more = tell(peers, later, Event::Closed { conn, how: how() });
            assert!(dialled(&more).is_empty(), "a dial that failed is not begun again at once");
        }
        match peers.next_wake().filter(|at| at.as_ms() < ms) {
            Some(at) => now = at.max(now + Duration::from_micros(1)),
            None => return times,
        }
        out = Vec::new();
        peers.wake(now, &mut out);
    }
}

fn gaps(times: &[Time]) -> Vec<Duration> {
    times.windows(2).map(|w| w[1].since(w[0])).collect()
}

#[test]
fn a_seed_that_does_not_answer_is_dialled_for_ever_and_ever_more_rarely() {
    let mut peers = registry(0, &[1], Book::default());
    let times = dials_until(&mut peers, 3_600_000, || Ended::Refused);
    // Its first moments apart, in which a whole cluster may be starting beside it.
    let (eager, times): (Vec<Time>, Vec<Time>) = times.iter().partition(|at| at.as_ms() < 1600);
    assert!((5..=16).contains(&eager.len()), "{eager:?}");
    assert!(times[0].since(eager[eager.len() - 1]) <= Duration::from_millis(300), "{times:?}");
    let gaps = gaps(&times);
    assert!(gaps.iter().all(|g| *g >= Duration::from_millis(250)), "{gaps:?}");
    assert!(gaps.iter().all(|g| *g <= Duration::from_secs(31)), "{gaps:?}");
    assert!((110..1000).contains(&times.len()), "{} dials in an hour", times.len());
    assert!(times.last().is_some_and(|at| at.as_ms() > 3_560_000));
}

#[test]
fn a_member_of_the_last_run_is_sought_with_backoff_within_its_bounds() {
    let mut book = Book::default();
    let entry = Entry { label: "node1".into(), addrs: vec![addr(1)], seen_ms: 0, anchor: true };
    book.entries.insert(id(1), entry);
    let mut peers = registry(0, &[], book);
    let times = dials_until(&mut peers, 3_600_000, || Ended::TimedOut);
    assert_eq!(times[0], Time(0), "an anchor is dialled first");
    // Alone we are the healer of our component: every 2 s, besides the rarer and rarer retries.
    assert!((1700..2200).contains(&times.len()), "{} dials in an hour", times.len());
    assert!(gaps(&times).iter().all(|g| *g <= Duration::from_millis(2100)));
}

#[test]
fn a_node_first_heard_of_when_it_was_lost_is_sought_too() {
    let mut peers = registry(0, &[], Book::default());
    let lost = NodeChange { id: id(1), state: State::Unreachable, card: Some(card(1, 1)) };
    tell(&mut peers, Time(0), Event::Graph(vec![lost]));
    let times = dials_until(&mut peers, 60_000, || Ended::TimedOut);
    assert!(times.len() > 10, "{} dials in a minute", times.len());
}

#[test]
fn a_seed_that_lets_us_in_and_closes_is_no_reason_for_a_storm() {
    for bye in [Bye::Banned, Bye::Superseded, Bye::Full, Bye::LabelTaken, Bye::Duplicate] {
        let mut peers = registry(0, &[1], Book::default());
        let mut out = tell(&mut peers, Time(0), Event::Start);
        let (mut now, mut dials) = (Time(0), 0);
        while now.as_ms() < 600_000 {
            for (conn, _) in dialled(&std::mem::take(&mut out)) {
                dials += 1;
                now = now + Duration::from_millis(1);
                let local = addr(0);
                let up = Event::Handshaken { conn, card: card(1, 1), rtt_us: 1, local };
                out.extend(tell(&mut peers, now, up));
                now = now + Duration::from_millis(1);
                let how = Ended::Said(bye, Vec::new());
                out.extend(tell(&mut peers, now, Event::Closed { conn, how }));
            }
            if out.iter().all(|e| !matches!(e, Effect::Dial { .. })) {
                let Some(at) = peers.next_wake() else { panic!("never again") };
                now = at.max(now + Duration::from_micros(1));
                peers.wake(now, &mut out);
            }
        }
        assert!(dials < 400, "{dials} dials in 10 min to a seed that says {bye:?}");
        assert!(dials >= 10, "{dials} dials in 10 min to a seed that says {bye:?}");
    }
}

#[test]
fn a_seed_refused_here_is_no_reason_for_a_storm() {
    // The seed took another's label: we refuse it, again and again, but not 64 times a second.
    let mut book = Book::default();
    book.label_pins.insert("node1".into(), id(9));
    let mut peers = registry(0, &[1], book);
    let mut out = tell(&mut peers, Time(0), Event::Start);
    let (mut now, mut dials) = (Time(0), 0);
    while now.as_ms() < 600_000 {
        for (conn, _) in dialled(&std::mem::take(&mut out)) {
            dials += 1;
            let local = addr(0);
            let up = Event::Handshaken { conn, card: card(1, 1), rtt_us: 1, local };
            now = now + Duration::from_millis(1);
            out.extend(tell(&mut peers, now, up));
        }
        if dialled(&out).is_empty() {
            let Some(at) = peers.next_wake() else { panic!("never again") };
            now = at.max(now + Duration::from_micros(1));
            peers.wake(now, &mut out);
        }
    }
    assert!((10..200).contains(&dials), "{dials} dials in 10 min");
}

#[test]
fn we_dial_ourselves_once() {
    let mut peers = registry(1, &[1], Book::default());
    let out = tell(&mut peers, Time(0), Event::Start);
    let [(conn, _)] = dialled(&out)[..] else { panic!("{out:?}") };
    let me = Event::Handshaken { conn, card: card(1, 1), rtt_us: 1, local: addr(1) };
    let out = tell(&mut peers, Time::from_ms(5), me);
    assert_eq!(closed_with(&out), Some(Bye::Myself));
    assert!(dials_until(&mut peers, 3_600_000, || Ended::Refused).is_empty());
}

#[test]
fn a_broken_link_is_dialled_at_once_and_told_only_when_that_fails() {
    let mut peers = registry(0, &[], Book::default());
    let now = Time::from_ms(1000);
    let out = comes_in(&mut peers, now, card(1, 1));
    let Some(conn) = out.iter().find_map(|e| match e {
        Effect::Up { conn, .. } => Some(*conn),
        _ => None,
    }) else {
        panic!("{out:?}")
    };
    let out = tell(&mut peers, now, Event::Closed { conn, how: Ended::Lost });
    let [(conn, _)] = dialled(&out)[..] else { panic!("{out:?}") };
    assert!(!out.iter().any(|e| matches!(e, Effect::Down { .. })));
    let out = tell(&mut peers, now, Event::Closed { conn, how: Ended::Refused });
    let why = out.iter().find_map(|e| match e {
        Effect::Down { why, .. } => Some(*why),
        _ => None,
    });
    assert_eq!(why, Some(crate::mesh::peers::Down::Gone));
    let happened: Vec<_> = peers.counters().into_iter().filter(|(_, n)| *n > 0).collect();
    let wanted = [
        ("dials_begun", 1),
        ("dials_failed_refused", 1),
        ("links_broken", 1),
        ("links_down_gone", 1),
        ("links_up_in", 1),
    ];
    assert_eq!(happened, wanted);
}

#[test]
fn a_verdict_counts_by_who_else_hears_the_peer() {
    let mut peers = registry(0, &[], Book::default());
    let now = Time::from_ms(1000);
    for (n, vouched) in [(1, true), (2, false), (3, false)] {
        comes_in(&mut peers, now, card(n, 1));
        let silent = Event::Silent { peer: id(n), silent: Duration::from_secs(3), vouched };
        tell(&mut peers, now, silent.clone());
        // Of a link that is gone already nothing is counted twice.
        tell(&mut peers, now, silent);
    }
    let count = |name| peers.counters().into_iter().find(|(n, _)| *n == name).map(|(_, n)| n);
    assert_eq!((count("verdicts_vouched"), count("verdicts_silent")), (Some(1), Some(2)));
    assert_eq!((count("links_down_lost"), count("links_down_silent")), (Some(1), Some(2)));
}

#[test]
fn a_dying_process_that_still_accepts_is_asked_again_in_a_moment() {
    let mut peers = registry(1, &[], Book::default());
    let now = Time::from_ms(1000);
    comes_in(&mut peers, now, card(2, 1));
    let conn = 1;
    let [(redial, _)] =
        dialled(&tell(&mut peers, now, Event::Closed { conn, how: Ended::Lost }))[..]
    else {
        panic!("dialled at once")
    };
    // Its listening socket was still there and went while we greeted.
    let out = tell(&mut peers, now, Event::Closed { conn: redial, how: Ended::Lost });
    assert!(out.is_empty(), "nobody is told, nobody is dialled yet: {out:?}");
    let soon = now + Duration::from_millis(25);
    let mut out = Vec::new();
    peers.wake(soon, &mut out);
    let [(again, _)] = dialled(&out)[..] else { panic!("asked again: {out:?}") };
    let out = tell(&mut peers, soon, Event::Closed { conn: again, how: Ended::Refused });
    assert!(out.iter().any(|e| matches!(e, Effect::Down { why: Down::Gone, .. })), "{out:?}");
}

#[test]
fn a_seed_that_said_goodbye_is_sought_until_it_is_back() {
    let mut peers = registry(0, &[1], Book::default());
    let now = Time::from_ms(1);
    let [(conn, _)] = dialled(&tell(&mut peers, now, Event::Start))[..] else { panic!("dialled") };
    let local = addr(0);
    tell(&mut peers, now, Event::Handshaken { conn, card: card(1, 1), rtt_us: 1, local });
    assert!(peers.is_up(&id(1)));
    let now = Time::from_ms(5000);
    tell(&mut peers, now, Event::Closed { conn, how: Ended::Said(Bye::Leaving, Vec::new()) });
    let times = dials_until(&mut peers, 120_000, || Ended::Refused);
    assert!(!times.is_empty(), "it may come back remembering nobody");
    assert!(gaps(&times).iter().all(|gap| *gap <= Duration::from_secs(31)), "{times:?}");
}

#[test]
fn addresses_that_swallow_dials_leave_room_for_others() {
    let mut book = Book::default();
    for n in 10..60 {
        let entry = Entry { label: String::new(), addrs: vec![addr(n)], seen_ms: 0, anchor: true };
        book.entries.insert(id(n), entry);
    }
    let mut peers = registry(0, &[], book);
    let mut now = Time::from_ms(1);
    let mut under_way = dialled(&tell(&mut peers, now, Event::Start));
    // Everybody has swallowed a dial once.
    let mut failed = 0;
    while failed < 50 {
        let Some((conn, _)) = under_way.pop() else {
            panic!("{failed} dials ended, none is under way")
        };
        now = now + Duration::from_millis(100);
        under_way.extend(dialled(&tell(
            &mut peers,
            now,
            Event::Closed { conn, how: Ended::TimedOut },
        )));
        failed += 1;
    }
    now = now + Duration::from_secs(60);
    let mut out = Vec::new();
    peers.wake(now, &mut out);
    let repeats = under_way.len() + dialled(&out).len();
    assert!(repeats <= 12, "{repeats} of 16 places are taken by those that failed before");
}
