use super::*;
use crate::actors::messages::{self, LinkPhase, PeerRow};
use crate::api::asks::Ping;
use crate::api::path::cheapest;
use crate::api::samples::{self, id, linked, view};
use crate::api::shapes::{Evidence, Path};

const NOW_MS: u64 = 1_700_000_065_000;

fn us() -> Status {
    let counters = [("frames_dropped", 3), ("dials_begun", 9), ("handshakes_failed", 0)];
    Status { counters: counters.map(|(name, n)| (name.into(), n)).into(), ..samples::status() }
}

fn them() -> Peers {
    let bob = PeerRow { since_ms: NOW_MS - 3_000_000, ..linked() };
    let new = PeerRow {
        id: None,
        label: String::new(),
        link: LinkPhase::Connecting,
        direction: None,
        rtt_us: None,
        addr: Some("[::1]:8095".parse().unwrap()),
        since_ms: NOW_MS,
        pinned: false,
        problem: Some("key changed behind label \"x\x1b\"".into()),
        ..bob.clone()
    };
    Peers::merge(&[bob, new], &view())
}

#[test]
fn status_begins_with_ourselves() {
    insta::assert_snapshot!(status(&us(), Look::default()), @r#"
    alice (11111111) is ok
    version         0.1.0
    up              5 min
    listens         127.0.0.1:9001
    state           profiles/alice
    network         6 nodes alive, 1 link
    frames_dropped  3
    "#);
    let mut sick = us();
    sick.health = Health::Degraded;
    sick.problems = vec!["no link\nyet".into()];
    sick.state_dir = None;
    sick.listen.clear();
    sick.counters.clear();
    insta::assert_snapshot!(status(&sick, Look::default()), @r#"
    alice (11111111) is degraded
      ! no link\nyet
    version  0.1.0
    up       5 min
    listens  nowhere
    state    in memory only
    network  6 nodes alive, 1 link
    "#);
}

#[test]
fn peers_are_one_a_line() {
    insta::assert_snapshot!(peers(&us(), &them(), NOW_MS, Look::default()), @r#"
    alice (11111111) is ok
    6 nodes alive, 1 link, up 5 min

    LABEL  ID        STATE    LINK        DIR  RTT ms  ADDRESS         SINCE
    -      -         unknown  connecting  -         -  [::1]:8095      0 s     key changed behind label "x\u{1b}"
    -      77777777  alive    down        -         -  -               65 s
    bob    22222222  alive    up          out    0.32  127.0.0.1:9002  50 min  pinned
    carol  33333333  suspect  down        -         -  127.0.0.1:9003  65 s
    dave   44444444  failed   down        -         -  127.0.0.1:9004  65 s
    twin   55555555  alive    down        -         -  127.0.0.1:9005  65 s
    twin   66666666  alive    down        -         -  127.0.0.1:9006  65 s
    "#);
    let alone = peers(&us(), &Peers { peers: vec![] }, NOW_MS, Look::default());
    insta::assert_snapshot!(alone, @r#"
    alice (11111111) is ok
    6 nodes alive, 1 link, up 5 min

    no other node is known; node connect IP:PORT joins one
    "#);
}

#[test]
fn the_graph_is_its_nodes_and_its_links() {
    let mut graph_shape = Graph::from(&view());
    insta::assert_snapshot!(graph(&graph_shape, NOW_MS, Look::default()), @r#"
    LABEL  ID        STATE    ADDRESS         SINCE
    alice  11111111  alive    127.0.0.1:9001  65 s   self
    bob    22222222  alive    127.0.0.1:9002  65 s
    carol  33333333  suspect  127.0.0.1:9003  65 s
    dave   44444444  failed   127.0.0.1:9004  65 s
    twin   55555555  alive    127.0.0.1:9005  65 s
    twin   66666666  alive    127.0.0.1:9006  65 s
    -      77777777  alive    -               65 s

    FROM              TO                RTT ms  LINK
    alice (11111111)  bob (22222222)      0.32  confirmed
    bob (22222222)    carol (33333333)   45.00  confirmed
    carol (33333333)  twin (55555555)        -  half-open
    "#);
    graph_shape.links.clear();
    assert!(graph(&graph_shape, NOW_MS, Look::default()).ends_with("\nno links\n"));
}

#[test]
fn a_path_shows_what_was_measured_beside_what_the_graph_says() {
    let mut view = view();
    let graph = Graph::from(&view);
    let shown = |way: &Path| path(way, &graph, Look::default());
    let mut way = cheapest(&view, id(3)).unwrap();
    insta::assert_snapshot!(shown(&way), @r#"
    alice (11111111) -> bob (22222222) -> carol (33333333)
    2 hops, 45.32 ms
    "#);
    way.walk = Some(Ok(samples::walk()).into());
    insta::assert_snapshot!(shown(&way), @r#"
    alice (11111111) -> bob (22222222) -> carol (33333333)
    2 hops, 45.43 ms measured, 45.32 ms by the graph

    TO                RTT ms  GRAPH ms
    bob (22222222)      0.33      0.32
    carol (33333333)   45.10     45.00
    "#);
    let silent = messages::Refused { why: "nobody answered in time".into() };
    way.walk = Some(Err(silent).into());
    insta::assert_snapshot!(shown(&way), @r#"
    alice (11111111) -> bob (22222222) -> carol (33333333)
    2 hops, 45.32 ms by the graph; no message got there and back: nobody answered in time

    TO                RTT ms  GRAPH ms
    bob (22222222)         -      0.32
    carol (33333333)       -     45.00
    "#);
    // The probe took another way than the graph would have.
    view.links.push(samples::link(1, 3, 90));
    let mut way = cheapest(&view, id(3)).unwrap();
    way.walk = Some(Ok(samples::walk()).into());
    insta::assert_snapshot!(shown(&way), @r#"
    alice (11111111) -> bob (22222222) -> carol (33333333)
    2 hops, 45.43 ms measured
    by the graph: alice (11111111) -> carol (33333333), 0.09 ms

    TO                RTT ms  GRAPH ms
    bob (22222222)      0.33      0.32
    carol (33333333)   45.10     45.00
    "#);
    insta::assert_snapshot!(shown(&cheapest(&view, id(1)).unwrap()), @r#"
    alice (11111111)
    that is this node itself
    "#);
}

#[test]
fn why_shows_its_evidence() {
    let text = "its socket was closed without a goodbye".into();
    let mut dave = Why {
        id: HexId(id(4)),
        label: "dave".into(),
        state: NodeState::Failed,
        evidence: vec![Evidence { at_ms: NOW_MS - 5000, text }],
    };
    insta::assert_snapshot!(why(&dave, NOW_MS, Look::default()), @r#"
    dave (44444444) is failed

    SEEN     WHAT
    5 s ago  its socket was closed without a goodbye
    "#);
    dave.evidence.clear();
    insta::assert_snapshot!(why(&dave, NOW_MS, Look::default()), @r#"
    dave (44444444) is failed
    nothing was seen of it here
    "#);
}

#[test]
fn a_ping_is_one_line() {
    let mut answer = Ping { id: HexId(id(2)), rtt_us: 1_239, hops: 1 };
    assert_eq!(ping("bob", &answer), "bob (22222222) answered in 1.23 ms\n");
    answer.hops = 3;
    assert_eq!(ping("bob", &answer), "bob (22222222) answered in 1.23 ms over 3 hops\n");
}

#[test]
fn hostile_labels_never_reach_the_terminal() {
    let evil = "\x1b[2J\u{202e}\n\u{9b}31m";
    let mut graph_shape = Graph::from(&view());
    let mut they = them();
    graph_shape.nodes.iter_mut().for_each(|n| n.label = evil.into());
    they.peers.iter_mut().for_each(|p| {
        p.label = evil.into();
        p.problem = Some(evil.into());
    });
    let us = Status { label: evil.into(), problems: vec![evil.into()], ..us() };
    let mut way = cheapest(&view(), id(3)).unwrap();
    way.walk = Some(Err(messages::Refused { why: evil.into() }).into());
    let mut about = Why {
        id: HexId(id(4)),
        label: evil.into(),
        state: NodeState::Failed,
        evidence: vec![Evidence { at_ms: 1, text: evil.into() }],
    };
    about.label = evil.into();
    for text in [
        status(&us, Look::default()),
        peers(&us, &they, NOW_MS, Look::default()),
        graph(&graph_shape, NOW_MS, Look::default()),
        path(&way, &graph_shape, Look::default()),
        why(&about, NOW_MS, Look::default()),
        ping(evil, &Ping { id: HexId(id(2)), rtt_us: 1, hops: 2 }),
    ] {
        let hostile = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(hostile), "{text:?}");
        assert!(text.contains("\\u{1b}"));
    }
}

/// Letters of two columns, of none, and far too many of them must not move what stands behind them.
#[test]
fn columns_stay_below_their_names_whatever_the_labels() {
    let labels = ["電腦", "e\u{301}", "x\u{200b}y", "שלום", "🦀🦀", "", "\u{1b}[31m"];
    let mut they = them();
    let mut seen = Graph::from(&view());
    for (at, label) in labels.iter().enumerate() {
        they.peers[at].label = (*label).into();
        seen.nodes[at].label = label.repeat(if at == 0 { 90 } else { 1 });
    }
    let column = |line: &str, word: &str| {
        use unicode_width::UnicodeWidthStr;
        line.find(word).map(|at| line[..at].width())
    };
    for text in [
        peers(&us(), &they, NOW_MS, Look::default()),
        graph(&seen, NOW_MS, Look::default()),
        transfers(&[(&crate::api::samples::fetching(1)).into()], Look::default()),
    ] {
        let header = text.lines().position(|line| line.contains("  ")).expect("a table");
        let lines: Vec<&str> = text.lines().skip(header).take_while(|l| !l.is_empty()).collect();
        let (names, rows) = lines.split_first().expect("a header");
        for (name, words) in [
            ("ID", &["2222", "3333", "4444", "5555", "6666", "7777"][..]),
            ("STATE", &["alive", "suspect", "failed", "unknown"]),
            ("PHASE", &["fetching"]),
        ] {
            let Some(wanted) = column(names, name) else { continue };
            for row in rows {
                let found = words.iter().find_map(|word| column(row, word));
                assert!(found.is_none_or(|found| found == wanted), "{name} in {row:?}\n{text}");
            }
            let here = |row: &&&str| words.iter().any(|word| row.contains(word));
            assert!(rows.iter().filter(here).count() > 0, "{name}\n{text}");
        }
    }
}

#[test]
fn colours_are_there_only_when_wanted() {
    let colour = Look { terminal: true, colour: true };
    assert!(peers(&us(), &them(), NOW_MS, colour).contains("\x1b["));
    let plain = Look { terminal: true, colour: false };
    assert!(!peers(&us(), &them(), NOW_MS, plain).contains('\x1b'));
}

#[test]
fn ages_are_in_their_largest_unit() {
    for (ms, shown) in [
        (0, "0 s"),
        (119_999, "119 s"),
        (120_000, "2 min"),
        (7_200_000, "2 h"),
        (172_800_000, "2 d"),
    ] {
        assert_eq!(age(ms), shown);
    }
    assert_eq!(ago(0, NOW_MS), "-");
    assert_eq!(ago(NOW_MS + 5, NOW_MS), "0 s", "another clock may be ahead");
}
