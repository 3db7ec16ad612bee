use std::net::UdpSocket;

use super::instance::{heard, read, tag, txt};
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

/// What node 1 of the network `home` makes of it.
fn sighting(event: ServiceEvent) -> Option<Sighting> {
    heard(event, id(1), "home")
}

fn full(name: &str) -> String {
    format!("{name}.{SERVICE}")
}

#[test]
fn a_node_of_this_network_is_found_by_what_another_one_tells() {
    let told = Told::of(id(2), "home", addr("[::]:8100"), &[]).expect("others can dial it");
    let info = announcement(&told).expect("fits DNS");
    assert!(info.get_fullname().starts_with(&id(2).short()), "{}", info.get_fullname());
    let told: String = format!("{info:?}");
    assert!(!told.contains("home"), "the network's name is not told: {told}");
    let sighted = sighting(of_ours("b", 2, &["10.0.0.2", "fd00::2"]));
    let addrs = vec![addr("10.0.0.2:8100"), addr("[fd00::2]:8100")];
    assert_eq!(sighted, Some(Sighting::Here { name: full("b"), peer: id(2), addrs }));
}

#[test]
fn other_networks_and_ourselves_are_left_out() {
    let away = |name: &str| Some(Sighting::Away { name: full(name) });
    assert_eq!(sighting(of_ours("me", 1, &["10.0.0.1"])), away("me"));
    let theirs = [("v", "1"), ("id", &id(2).to_string()), ("n", &tag(id(2), "office"))];
    assert_eq!(sighting(announced("b", &theirs, &["10.0.0.2"], 8100)), away("b"));
    // Copied from an announcement of this network, for another id.
    let copied = [("v", "1"), ("id", &id(3).to_string()), ("n", &tag(id(2), "home"))];
    assert_eq!(sighting(announced("c", &copied, &["10.0.0.3"], 8100)), away("c"));
    let removed = ServiceEvent::ServiceRemoved(SERVICE.into(), full("b"));
    assert_eq!(sighting(removed), away("b"));
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
        let nobody = Some(Sighting::Away { name: full("b") });
        assert_eq!(sighting(announced("b", &words, &["10.0.0.2"], port)), nobody, "{words:?}");
    }
    for ips in [&["127.0.0.1", "::1"][..], &["0.0.0.0"], &["224.0.0.251", "ff02::fb"]] {
        let nobody = Some(Sighting::Away { name: full("b") });
        assert_eq!(sighting(of_ours("b", 2, ips)), nobody, "{ips:?}");
    }
    // A name as long as DNS allows, full of what acts on a terminal.
    let name = "\x1b[2J\u{202e}é".repeat(6);
    assert!(matches!(sighting(of_ours(&name, 2, &["10.0.0.2"])), Some(Sighting::Here { .. })));
    let beyond = "x".repeat(300);
    assert_eq!(sighting(of_ours(&beyond, 2, &["10.0.0.2"])), None);
    assert_eq!(sighting(ServiceEvent::ServiceRemoved(SERVICE.into(), beyond)), None);
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

/// A watch of a library that uses no interface.
fn watch_of_nothing() -> (Discovery, Running) {
    let port = UdpSocket::bind("[::]:0").and_then(|socket| socket.local_addr());
    let library = ServiceDaemon::new_with_port(port.expect("a free port").port()).expect("starts");
    library.disable_interface(IfKind::All).expect("it has just begun");
    let news = library.monitor().expect("it has just begun");
    let seen = library.browse(SERVICE).expect("it has just begun");
    let ending = Arc::new(AtomicBool::new(false));
    let running = Running { library: library.clone(), ending: ending.clone() };
    let (me, network) = (id(1), "home".into());
    (Discovery { library, seen, anew: None, news, me, network, ending }, running)
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed().as_secs() < 10, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn looking_anew_goes_on_where_the_library_tells_all_once_more_and_is_no_overrun() {
    let (mut watch, running) = watch_of_nothing();
    let begins = |watch: &Discovery| match watch.seen.recv_timeout(Duration::from_secs(5)) {
        Ok(ServiceEvent::SearchStarted(_)) => {}
        other => panic!("{other:?}"),
    };
    begins(&watch);
    watch.look_anew();
    let anew = watch.anew.clone().expect("its queue has room");
    let thread = std::thread::spawn(move || watch.watch(|_| {}));
    // Nothing but the watch empties it: it has moved there.
    wait_until("it listens there", || anew.sender_count() > 0 && anew.is_empty());
    drop(running);
    assert_eq!(thread.join().expect("no panic"), Over::Stopped);
    // The library ends on a thread of its own.
    wait_until("the library has ended", || anew.is_disconnected());
}

/// Its queue was full when it was told to end.
#[test]
fn a_library_that_did_not_take_the_end_is_told_again_by_the_watch() {
    let (watch, running) = watch_of_nothing();
    let library = running.library.clone();
    running.ending.store(true, Ordering::Relaxed);
    assert_eq!(watch.watch(|_| {}), Over::Stopped);
    let begun = Instant::now();
    let runs = Ok(mdns_sd::DaemonStatus::Running);
    while library.status().is_ok_and(|s| s.recv_timeout(LOOK_EVERY) == runs) {
        assert!(begun.elapsed().as_secs() < 10, "it goes on announcing");
    }
}

#[test]
fn the_end_is_said_until_it_is_taken_but_not_for_ever() {
    let mut left = 3;
    let taken = end(Duration::from_secs(60), || {
        left -= 1;
        if left > 0 { Err(mdns_sd::Error::Again) } else { Ok(()) }
    });
    assert_eq!((taken, left), (true, 0));
    assert!(end(Duration::ZERO, || Err::<(), _>(mdns_sd::Error::DaemonShutdown)));
    let mut said = 0;
    let taken = end(END_EVERY * 3, || {
        said += 1;
        Err::<(), _>(mdns_sd::Error::Again)
    });
    assert!(!taken && (2..=4).contains(&said), "{taken} after {said}");
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
