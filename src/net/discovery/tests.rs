use std::net::UdpSocket;

use super::instance::{read, tag, txt};
use super::*;

fn id(n: u8) -> NodeId {
    NodeId::of_key(&[n; 32])
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// An announcement called `name`, with these words and addresses.
fn announced(name: &str, words: &[(&str, &str)], ips: &[&str], port: u16) -> ServiceEvent {
    let info = ServiceInfo::new(SERVICE, name, "x.local.", ips, port, words).expect("fits DNS");
    ServiceEvent::ServiceResolved(Box::new(info.as_resolved_service()))
}

fn of_ours(name: &str, who: u8, ips: &[&str]) -> ServiceEvent {
    let words = txt(id(who), "home");
    let words: Vec<(&str, &str)> = words.iter().map(|(key, text)| (*key, text.as_str())).collect();
    announced(name, &words, ips, 8100)
}

fn places() -> Places {
    Places::new(id(1), "home".into())
}

#[test]
fn a_node_of_this_network_is_found_by_what_another_one_tells() {
    let told = Told::of(id(2), "home", addr("[::]:8100"), &[]).expect("others can dial it");
    let info = announcement(&told).expect("fits DNS");
    assert!(info.get_fullname().starts_with(&id(2).short()), "{}", info.get_fullname());
    let told: String = format!("{info:?}");
    assert!(!told.contains("home"), "the network's name is not told: {told}");
    let sighted = places().heard(of_ours("b", 2, &["10.0.0.2", "fd00::2"]));
    let addrs = vec![addr("10.0.0.2:8100"), addr("[fd00::2]:8100")];
    assert_eq!(sighted, Some(Sighting::Here { place: 0, peer: id(2), addrs }));
}

#[test]
fn other_networks_and_ourselves_are_left_out() {
    let mut places = places();
    assert_eq!(places.heard(of_ours("me", 1, &["10.0.0.1"])), None);
    let theirs = [("v", "1"), ("id", &id(2).to_string()), ("n", &tag(id(2), "office"))];
    assert_eq!(places.heard(announced("b", &theirs, &["10.0.0.2"], 8100)), None);
    // Copied from an announcement of this network, for another id.
    let copied = [("v", "1"), ("id", &id(3).to_string()), ("n", &tag(id(2), "home"))];
    assert_eq!(places.heard(announced("c", &copied, &["10.0.0.3"], 8100)), None);
}

#[test]
fn what_makes_no_sense_is_dropped() {
    let (good, mine) = (id(2).to_string(), tag(id(2), "home"));
    let long = "f".repeat(200);
    for (words, port) in [
        (vec![], 8100),
        (vec![("v", "1"), ("id", &good)], 8100),
        (vec![("v", "2"), ("id", &good), ("n", &mine)], 8100),
        (vec![("v", "1"), ("id", "ddcef26c"), ("n", &mine)], 8100),
        (vec![("v", "1"), ("id", &long), ("n", &mine)], 8100),
        (vec![("v", "1"), ("id", "\x1b[2J\u{202e}\0"), ("n", &mine)], 8100),
        (vec![("v", "1"), ("id", &good), ("n", "")], 8100),
        (vec![("v", "1"), ("id", &good), ("n", &mine)], 0),
    ] {
        assert_eq!(places().heard(announced("b", &words, &["10.0.0.2"], port)), None, "{words:?}");
    }
    for ips in [&["127.0.0.1", "::1"][..], &["0.0.0.0"], &["224.0.0.251", "ff02::fb"]] {
        assert_eq!(places().heard(of_ours("b", 2, ips)), None, "{ips:?}");
    }
    // A name as long as DNS allows, full of what acts on a terminal.
    let name = "\x1b[2J\u{202e}é".repeat(6);
    assert!(matches!(
        places().heard(of_ours(&name, 2, &["10.0.0.2"])),
        Some(Sighting::Here { .. })
    ));
    let beyond = "x".repeat(300);
    assert_eq!(places().heard(of_ours(&beyond, 2, &["10.0.0.2"])), None);
}

#[test]
fn no_more_than_eight_addresses_and_those_of_an_interface_last() {
    let many: Vec<String> = (1..20).map(|n| format!("10.0.0.{n}")).collect();
    let many: Vec<&str> =
        many.iter().map(String::as_str).chain(["fe80::1", "169.254.3.4"]).collect();
    let ServiceEvent::ServiceResolved(service) = of_ours("b", 2, &many) else { panic!() };
    let (_, addrs) = read(&service, "home").expect("it is one of ours");
    assert_eq!((addrs.len(), addrs[0]), (8, addr("10.0.0.1:8100")));
    let ServiceEvent::ServiceResolved(service) = of_ours("b", 2, &["169.254.3.4", "fd00::2"])
    else {
        panic!()
    };
    let (_, addrs) = read(&service, "home").expect("it is one of ours");
    assert_eq!(addrs, [addr("[fd00::2]:8100"), addr("169.254.3.4:8100")]);
}

#[test]
fn whoever_goes_leaves_its_place_and_a_crowd_has_no_more_than_64() {
    let mut places = places();
    let heard = |places: &mut Places, name: &str, who| match places.heard(of_ours(
        name,
        who,
        &["10.0.0.9"],
    )) {
        Some(Sighting::Here { place, .. }) => place,
        other => panic!("{other:?}"),
    };
    assert_eq!(heard(&mut places, "a", 2), 0);
    assert_eq!(heard(&mut places, "b", 3), 1);
    assert_eq!(heard(&mut places, "a", 2), 0, "the same one again");
    let full = |name: &str| format!("{name}.{SERVICE}");
    let removed = |name: &str| ServiceEvent::ServiceRemoved(SERVICE.into(), full(name));
    assert_eq!(places.heard(removed("a")), Some(Sighting::Away { place: 0 }));
    assert_eq!(places.heard(removed("a")), None);
    assert_eq!(heard(&mut places, "c", 4), 0);
    let taken: std::collections::BTreeSet<usize> =
        (0..1000).map(|n| heard(&mut places, &format!("x{n}"), 5)).collect();
    assert_eq!((taken.len(), taken.last()), (64, Some(&63)));
    // One of ours that says now that it is of another network is none of ours any more.
    let other = [("v", "1"), ("id", &id(5).to_string()), ("n", &tag(id(5), "office"))];
    let gone = places.heard(announced("x999", &other, &["10.0.0.9"], 8100));
    assert!(matches!(gone, Some(Sighting::Away { .. })), "{gone:?}");
}

#[test]
fn what_is_told_follows_where_the_mesh_listens() {
    let told = |listen: &str, advertise: &[&str]| {
        let advertise: Vec<SocketAddr> = advertise.iter().map(|text| addr(text)).collect();
        Told::of(id(1), "home", addr(listen), &advertise).map(|told| (told.port, told.at))
    };
    assert_eq!(told("[::]:8100", &[]), Ok((8100, At::Every)));
    assert_eq!(told("0.0.0.0:8100", &[]), Ok((8100, At::EveryV4)));
    let ip = |text: &str| addr(text).ip();
    assert_eq!(told("10.0.0.1:8100", &[]), Ok((8100, At::These(vec![ip("10.0.0.1:1")]))));
    assert_eq!(
        told("[::]:8100", &["10.0.0.7:9000", "10.0.0.8:9000", "10.0.0.9:9001"]),
        Ok((9000, At::These(vec![ip("10.0.0.7:1"), ip("10.0.0.8:1")])))
    );
    for listen in ["127.0.0.1:8100", "[::1]:8100", "[::ffff:127.0.0.1]:8100"] {
        let useless = told(listen, &[]).expect_err("no other machine can dial it");
        assert!(useless.to_string().contains("listen.addr"), "{useless}");
    }
}

#[test]
fn a_port_that_somebody_keeps_is_told() {
    let holder = UdpSocket::bind("[::]:0").expect("a free port");
    let port = holder.local_addr().expect("bound").port();
    let refused = try_port(port).expect_err("it is taken");
    assert!(matches!(refused, DiscoveryError::Taken(_)), "{refused}");
    assert!(refused.to_string().contains("5353"), "{refused}");
    drop(holder);
    try_port(port).expect("it is free again");
}

/// The value that docs/protocol.md gives.
#[test]
fn the_hash_of_a_networks_name_is_as_documented() {
    let documented = tag(NodeId([7; 32]), "kith");
    let text = include_str!("../../../docs/protocol.md");
    assert!(text.contains(&format!("`n` is `{documented}`")), "{documented}");
}
