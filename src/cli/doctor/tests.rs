//! Facts of a node that is well, and one trouble after another.

use serde_json::{from_value, json};

use super::facts::*;
use super::*;

const NOW_MS: u64 = 1_800_000_000_000;

/// A daemon that runs, is linked, and has nothing wrong with it.
fn well() -> Facts {
    let id = |digit: &str| digit.repeat(64);
    let status = json!({
        "id": id("1"), "label": "alice", "version": "0.1.0", "uptime_s": 60, "listen": ["[::]:8100"],
        "state_dir": "profiles/alice", "nodes_alive": 3, "links": 2, "joined": true, "health": "ok",
        "problems": [],
    });
    let peer = |digit: &str, label: &str| {
        json!({
            "id": id(digit), "label": label, "state": "alive", "link": "up", "direction": "out",
            "rtt_us": 321, "addr": "192.0.2.7:8100", "since_ms": NOW_MS,
        })
    };
    let peers = json!({ "peers": [peer("2", "bob"), peer("3", "carol")] });
    let node = Holder { pid: 77, name: "node".into() };
    let listener = |addr: &str| Listener {
        addr: addr.parse().expect("an address"),
        holder: Some(node.clone()),
    };
    let space = Space { free: 40 << 30, total: 250 << 30 };
    Facts {
        program: "0.1.0".into(),
        now_ms: NOW_MS,
        settings: Ok(Read { count: 67, files: vec!["config/network/alice.toml".into()] }),
        values: Values { secret: true, ..Values::of(&[]) },
        state: Some(State {
            dir: "profiles/alice".into(),
            there: There::Directory { mode: 0o700, ours: true, writable: true },
            key: Some(("profiles/alice/identity.key".into(), 0o600)),
            certificate: true,
            token: Some(0o600),
            addr: Some("127.0.0.1:4000".into()),
            held_by: Some(77),
            space: Some(space),
            newest_ms: Some(NOW_MS - 1000),
        }),
        daemon: Daemon::Answers(Box::new(Answers {
            addr: "127.0.0.1:4000".parse().expect("an address"),
            pid: Some(77),
            status: from_value(status).expect("a status"),
            peers: from_value(peers).expect("peers"),
        })),
        listeners: Some(vec![listener("127.0.0.1:4000"), listener("[::]:8100")]),
        mdns: Vec::new(),
        seeds: vec![Seed { target: "192.0.2.7:8100".into(), end: Dialled::Answered }],
        seeds_untried: 0,
        machine: Machine {
            synchronised: Some(true),
            files: Some((1024, 524_288)),
            files_open: Some(37),
            memory_limit: None,
            memory_kills: Some(0),
            memory: Some(16 << 30),
            downloads: Some(("profiles/alice/received".into(), space)),
            ipv6: Some(true),
            unit: None,
        },
    }
}

/// The same, and no daemon runs.
fn stopped() -> Facts {
    let mut facts = well();
    facts.daemon = Daemon::Silent {
        exit: Exit::NoDaemon,
        why: "there is no control.addr in profiles/alice".into(),
        remedy: "start it with: node -c config -p alice".into(),
    };
    facts.listeners = Some(Vec::new());
    let state = facts.state.as_mut().expect("there is one");
    (state.held_by, state.addr) = (None, None);
    facts
}

fn answers(facts: &mut Facts) -> &mut Answers {
    match &mut facts.daemon {
        Daemon::Answers(answers) => answers,
        Daemon::Silent { .. } => panic!("it answers"),
    }
}

fn state(facts: &mut Facts) -> &mut State {
    facts.state.as_mut().expect("there is one")
}

/// What is not well, as it is printed.
fn wrong(facts: &Facts) -> String {
    let mut all = checks::all(facts);
    all.retain(|check| check.result != Outcome::Ok);
    let text = shown(&all, Look::default());
    text.rsplit_once("\n\n").map_or_else(String::new, |(lines, _)| lines.to_owned())
}

#[test]
fn a_node_that_is_well() {
    insta::assert_snapshot!(shown(&checks::all(&well()), Look::default()), @r#"
    ok       settings    67 settings, all good (config/network/alice.toml)
    ok       state       profiles/alice (0700)
    ok       key         profiles/alice/identity.key (0600)
    ok       disk        40 GiB of 250 GiB free
    ok       daemon      alice (11111111) answers on 127.0.0.1:4000, pid 77
    ok       version     kith 0.1.0
    ok       health      the daemon sees no problem
    ok       peers       2 others are there, 2 linked directly
    ok       port        the daemon listens on [::]:8100
    ok       reach       at every address of this machine that a firewall lets through
    ok       trust       whoever knows the network's secret may link
    ok       seeds       the address to dial first answers
    ok       IPv6        this machine has addresses of IPv6 and IPv4
    ok       mDNS        off: nodes are found by their addresses (network.discovery.mdns)
    ok       clock       kept right by a time server
    ok       files       1024 open files are allowed, 37 are open
    ok       memory      no limit but the machine's 16 GiB

    17 checks: 17 ok, 0 warnings, 0 failed
    "#);
}

#[test]
fn a_daemon_that_does_not_run() {
    insta::assert_snapshot!(shown(&checks::all(&stopped()), Look::default()), @r#"
    ok       settings    67 settings, all good (config/network/alice.toml)
    ok       state       profiles/alice (0700)
    ok       key         profiles/alice/identity.key (0600)
    ok       disk        40 GiB of 250 GiB free
    warning  daemon      none runs: there is no control.addr in profiles/alice
                         try: start it with: node -c config -p alice
    ok       port        [::]:8100 is free
    ok       reach       at every address of this machine that a firewall lets through
    ok       trust       whoever knows the network's secret may link
    ok       seeds       the address to dial first answers
    ok       IPv6        this machine has addresses of IPv6 and IPv4
    ok       mDNS        off: nodes are found by their addresses (network.discovery.mdns)
    ok       clock       kept right by a time server
    ok       files       1024 open files are allowed, 37 are open
    ok       memory      no limit but the machine's 16 GiB

    14 checks: 13 ok, 1 warning, 0 failed
    "#);
}

#[test]
fn colours_only_where_they_are_wanted() {
    let look = Look { terminal: true, colour: true };
    let text = shown(&checks::all(&stopped()), look);
    assert!(text.contains("\x1b[32mok\x1b[0m       settings    "), "{text}");
    assert!(text.contains("\x1b[33mwarning\x1b[0m  daemon      "), "{text}");
}

#[test]
fn programs_get_the_same_in_json() {
    let value = report(&checks::all(&stopped())[..1]);
    let expected = json!({
        "schema": 1,
        "checks": [{
            "name": "settings", "result": "ok",
            "what": "67 settings, all good (config/network/alice.toml)", "try": "",
        }],
    });
    assert_eq!(value, expected);
}

#[test]
fn settings_that_are_wrong() {
    let mut facts = stopped();
    facts.settings = Err((0..10).map(|n| format!("key{n} = 0: expected more")).collect());
    insta::assert_snapshot!(wrong(&facts), @r#"
    failed   settings    key0 = 0: expected more
    failed   settings    key1 = 0: expected more
    failed   settings    key2 = 0: expected more
    failed   settings    key3 = 0: expected more
    failed   settings    key4 = 0: expected more
    failed   settings    key5 = 0: expected more
    failed   settings    key6 = 0: expected more
    failed   settings    key7 = 0: expected more
    failed   settings    2 more problems: node check
                         try: config/network/default.toml explains every setting
    warning  daemon      none runs: there is no control.addr in profiles/alice
                         try: start it with: node -c config -p alice
    "#);
}

#[test]
fn a_state_directory_in_trouble() {
    let mut told = Vec::new();
    let directory = |mode, ours, writable| There::Directory { mode, ours, writable };
    for there in [
        directory(0o755, true, true),
        directory(0o770, true, true),
        directory(0o700, true, false),
        directory(0o700, false, false),
        directory(0o700, false, true),
        There::Nothing { can_be_made: false },
        There::Else,
        There::Unseen("Permission denied".into()),
    ] {
        let mut facts = well();
        state(&mut facts).there = there;
        told.push(wrong(&facts));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    warning  state       others can look into profiles/alice (0755)
                         try: chmod 700 profiles/alice
    failed   state       profiles/alice can be changed by others (0770)
                         try: chmod 700 profiles/alice
    failed   state       profiles/alice cannot be written to
                         try: run this as its owner, or change its owner or the disk
    failed   state       profiles/alice cannot be written to: it belongs to another user
                         try: run this as its owner, or change its owner or the disk
    warning  state       profiles/alice belongs to another user
                         try: run this as its owner to see everything
    failed   state       profiles/alice is not there and cannot be made
                         try: choose another: -s state.dir=DIR
    failed   state       profiles/alice is not a directory
                         try: move that file away, or choose another: -s state.dir=DIR
    failed   state       profiles/alice cannot be looked at: Permission denied
                         try: run this as its owner
    "#);
}

#[test]
fn a_key_and_a_token_in_trouble() {
    let mut told = Vec::new();
    let mut facts = well();
    state(&mut facts).key = Some(("profiles/alice/identity.key".into(), 0o644));
    state(&mut facts).token = Some(0o640);
    told.push(wrong(&facts));
    state(&mut facts).key = None;
    state(&mut facts).token = None;
    told.push(wrong(&facts));
    facts.values.key = Some("keys/alice.pem".into());
    told.push(wrong(&facts));
    insta::assert_snapshot!(told.join("\n"), @r#"
    failed   key         profiles/alice/identity.key is open to others (0644): the daemon does not start with it
                         try: chmod 600 profiles/alice/identity.key
    failed   token       profiles/alice/control.token can be read by others (0640): they can steer this node
                         try: chmod 600 profiles/alice/control.token, then restart: a new one is made
    failed   key         the certificate is there and its key is not: the daemon does not start
                         try: restore profiles/alice/identity.key, or remove profiles/alice/identity.crt to begin as a new node
    failed   key         keys/alice.pem is not there
                         try: correct network.key, or leave it out and a key is made
    "#);
}

#[test]
fn disks_that_are_full() {
    let mut facts = well();
    state(&mut facts).space = Some(Space { free: 200 << 20, total: 250 << 30 });
    facts.machine.downloads = Some(("/srv/films".into(), Space { free: 3 << 20, total: 1 << 40 }));
    let nearly = wrong(&facts);
    state(&mut facts).space = Some(Space { free: 0, total: 8 << 20 });
    facts.machine.downloads = Some(("/srv/films".into(), Space { free: 3 << 40, total: 9 << 40 }));
    insta::assert_snapshot!(format!("{nearly}\n{}", wrong(&facts)), @r#"
    warning  disk        200 MiB of 250 GiB free
                         try: free some, or choose a state directory on another disk: -s state.dir=DIR
    warning  downloads   3.0 MiB free for downloads in /srv/films
                         try: free some, or choose another place: get --out PATH, or pieces.dir
    failed   disk        0 B of 8.0 MiB free
                         try: free some, or choose a state directory on another disk: -s state.dir=DIR
    "#);
}

#[test]
fn a_daemon_in_trouble() {
    let mut told = Vec::new();
    let silent = |facts: &mut Facts, exit, why: &str, remedy: &str| {
        facts.daemon = Daemon::Silent { exit, why: why.into(), remedy: remedy.into() };
    };
    // Its address is left over.
    let mut facts = stopped();
    state(&mut facts).addr = Some("127.0.0.1:4000".into());
    told.push(wrong(&facts));
    // It has the lock and does not answer.
    let mut facts = well();
    silent(
        &mut facts,
        Exit::TimedOut,
        "127.0.0.1:4000 did not answer within 6 seconds",
        "ask again",
    );
    told.push(wrong(&facts));
    // The token is that of another.
    let mut facts = stopped();
    silent(&mut facts, Exit::Failed, "the token is wrong", "name the right daemon with -c and -p");
    told.push(wrong(&facts));
    let mut facts = stopped();
    silent(
        &mut facts,
        Exit::Usage,
        "2 run here: profiles/alice, profiles/bob",
        "name one by -c and -p",
    );
    told.push(wrong(&facts));
    // An older one, that sees problems; one of them is that of a peer, too.
    let mut facts = well();
    let shown = answers(&mut facts);
    shown.status.version = "0.0.9".into();
    shown.status.problems =
        vec!["no link to any of the configured peers yet".into(), "odd\x1b[2J".into()];
    shown.status.links = 0;
    shown.peers.peers[0].problem = Some("odd\x1b[2J".into());
    shown.peers.peers[1].problem = Some("no answer in time".into());
    told.push(wrong(&facts));
    insta::assert_snapshot!(told.join("\n"), @r#"
    warning  daemon      none runs: nobody answers on 127.0.0.1:4000, where the last one did
                         try: start it with: node -c config -p alice
    failed   daemon      process 77 has the state directory, and cannot be asked: 127.0.0.1:4000 did not answer within 6 seconds
                         try: look at its log; kill 77 ends it, then start it again
    failed   daemon      the token is wrong
                         try: name the right daemon with -c and -p
    warning  daemon      2 run here: profiles/alice, profiles/bob
                         try: name one by -c and -p
    warning  version     the daemon is kith 0.0.9, this program is 0.1.0
                         try: restart the daemon: node stop, then start it
    warning  health      no link to any of the configured peers yet
    warning  health      odd\u{1b}[2J
    warning  peers       2 others are there, and no link leads there
                         try: node peers says why
    warning  peers       carol (33333333): no answer in time
                         try: node why 33333333
    "#);
}

#[test]
fn a_port_in_trouble() {
    let mut told = Vec::new();
    let nginx = Some(Holder { pid: 12, name: "nginx".into() });
    let listener = |addr: &str, holder: &Option<Holder>| Listener {
        addr: addr.parse().expect("an address"),
        holder: holder.clone(),
    };
    let mut facts = stopped();
    for (addr, holder) in
        [("[::]:8100", &nginx), ("0.0.0.0:8100", &None), ("127.0.0.1:8100", &nginx)]
    {
        facts.listeners = Some(vec![listener("[::]:9", &None), listener(addr, holder)]);
        told.push(wrong(&facts));
    }
    // An address beside the one that is taken is free; so is a port when nobody can be asked.
    facts.values.listen = "10.0.0.1:8100".parse().expect("an address");
    assert!(!wrong(&facts).contains("taken"));
    facts.listeners = None;
    assert!(!wrong(&facts).contains("taken"));
    facts.values.listen.set_port(0);
    assert!(!wrong(&facts).contains("taken"));
    // The daemon says so and nothing does.
    let mut facts = well();
    facts.listeners = Some(vec![listener("[::]:8101", &nginx)]);
    told.push(wrong(&facts));
    insta::assert_snapshot!(told.join("\n"), @r#"
    warning  daemon      none runs: there is no control.addr in profiles/alice
                         try: start it with: node -c config -p alice
    failed   port        [::]:8100 is taken by nginx (pid 12)
                         try: stop that, or -s network.controller.listen.port=8101
    warning  daemon      none runs: there is no control.addr in profiles/alice
                         try: start it with: node -c config -p alice
    failed   port        [::]:8100 is taken by a program of another user
                         try: stop that, or -s network.controller.listen.port=8101
    warning  daemon      none runs: there is no control.addr in profiles/alice
                         try: start it with: node -c config -p alice
    failed   port        [::]:8100 is taken by nginx (pid 12)
                         try: stop that, or -s network.controller.listen.port=8101
    failed   port        the daemon says that it listens on [::]:8100, and nothing does
                         try: look at its log; restart it
    "#);
}

#[test]
fn who_can_reach_it_and_who_may() {
    let mut told = Vec::new();
    let mut facts = well();
    facts.values.secret = false;
    facts.values.mdns = true;
    told.push(wrong(&facts));
    facts.values.listen = "127.0.0.1:8100".parse().expect("an address");
    told.push(wrong(&facts));
    facts.values.advertise = vec!["[::1]:8100".parse().expect("an address")];
    told.push(wrong(&facts));
    let mut facts = well();
    facts.values.listen = "[2001:db8::1]:8100".parse().expect("an address");
    facts.machine.ipv6 = Some(false);
    told.push(wrong(&facts));
    insta::assert_snapshot!(told.join("\n"), @r#"
    warning  trust       anyone who can reach the port and knows the network's name may link
                         try: give all nodes the same network.secret, or set network.trust = "pinned-only"
    warning  mDNS        on, and the daemon does not listen on UDP port 5353
                         try: its log says why; another program may keep that port for itself
    warning  reach       127.0.0.1 is the loopback: no other machine can dial this node
                         try: -s network.controller.listen.addr=::, unless all nodes are on this machine
    warning  mDNS        on and of no use: the mesh listens on the loopback only
                         try: -s network.controller.listen.addr=::, or network.discovery.mdns = false
    failed   reach       [::1]:8100 is told to others, and is no address they can dial
                         try: correct network.controller.listen.advertise
    warning  mDNS        on and of no use: the mesh listens on the loopback only
                         try: -s network.controller.listen.addr=::, or network.discovery.mdns = false
    failed   IPv6        this machine has no IPv6, and 2001:db8::1 is to be listened on
                         try: -s network.controller.listen.addr=:: takes what there is
    "#);
    for (open, allowed) in [(false, 0), (true, 2)] {
        let mut facts = well();
        (facts.values.secret, facts.values.open, facts.values.allowed) = (false, open, allowed);
        assert_eq!(wrong(&facts), "");
    }
    let mut facts = well();
    facts.values.mdns = true;
    facts.mdns = vec![Some(Holder { pid: 77, name: "node".into() })];
    assert!(!wrong(&facts).contains("mDNS"));
    facts.mdns = vec![None];
    assert!(!wrong(&facts).contains("mDNS"), "what is not to be seen is no trouble");
}

#[test]
fn seeds_in_trouble() {
    let seed = |target: &str, end| Seed { target: target.into(), end };
    let gone = || seed("192.0.2.7:8100", Dialled::Failed("nobody listens there".into()));
    let unknown = || seed("no\x1bsuch:1", Dialled::Unknown("Name or service not known".into()));
    let mut told = Vec::new();
    let mut facts = stopped();
    facts.seeds = vec![gone(), unknown(), seed("127.0.0.1:8100", Dialled::Myself)];
    facts.seeds_untried = 3;
    told.push(wrong(&facts));
    // Linked all the same: it is no failure.
    let mut facts = well();
    facts.seeds = vec![gone()];
    told.push(wrong(&facts));
    insta::assert_snapshot!(told.join("\n"), @r#"
    warning  daemon      none runs: there is no control.addr in profiles/alice
                         try: start it with: node -c config -p alice
    failed   seeds       none of 2 addresses to dial first answers (3 more were not tried)
                         try: see that it runs, that the address is right, and that no firewall is between
    warning  seeds       192.0.2.7:8100: nobody listens there
    warning  seeds       no\u{1b}such:1 cannot be looked up: Name or service not known
    warning  seeds       192.0.2.7:8100: nobody listens there
    "#);
}

#[test]
fn a_machine_in_trouble() {
    let mut told = Vec::new();
    let mut facts = well();
    facts.machine.synchronised = Some(false);
    facts.machine.files = Some((256, 524_288));
    facts.machine.memory_limit = Some(64 << 20);
    facts.machine.memory_kills = Some(2);
    facts.machine.unit =
        Some(Unit { name: "kith@alice.service".into(), of_user: false, restarts: Some(3) });
    told.push(wrong(&facts));
    // Set back by three hours, and 64 open files.
    state(&mut facts).newest_ms = Some(NOW_MS + 3 * 3_600_000);
    facts.machine = Machine { files: Some((64, 64)), ..Machine::default() };
    told.push(wrong(&facts));
    facts.now_ms = 86_400_000;
    told.push(wrong(&facts));
    insta::assert_snapshot!(told.join("\n"), @r#"
    warning  clock       no time server keeps it right
                         try: timedatectl set-ntp true
    warning  files       256 open files are allowed, 37 are open; all that the settings allow may need 624
                         try: ulimit -n 624 before the start, or LimitNOFILE=624 in its unit
    warning  memory      the system has ended something here 2 times for want of memory
                         try: raise the limit (MemoryMax= of its unit), or lower pieces.buffer_bytes_max
    warning  memory      64 MiB are allowed; downloads and all else may need 88 MiB
                         try: raise the limit (MemoryMax= of its unit), or lower pieces.buffer_bytes_max
    warning  systemd     kith@alice.service was started again 3 times after it had failed
                         try: journalctl -u kith@alice.service
    failed   clock       is 3 h behind the newest file in the state directory: it was set back
                         try: set it right; timedatectl set-ntp true keeps it so
    failed   files       64 open files are allowed: too few for more than a handful of links
                         try: LimitNOFILE=624 in its unit, or raise the hard limit of 64 first
    failed   clock       says a time before 2026: letters and keys end by the clock, and would not
                         try: set it right; timedatectl set-ntp true keeps it so
    failed   files       64 open files are allowed: too few for more than a handful of links
                         try: LimitNOFILE=624 in its unit, or raise the hard limit of 64 first
    "#);
    let mut facts = well();
    facts.machine.unit =
        Some(Unit { name: "kith.service".into(), of_user: true, restarts: Some(0) });
    let all = shown(&checks::all(&facts), Look::default());
    assert!(
        all.contains(
            "ok       systemd     kith.service; its log: journalctl --user -u kith.service\n"
        ),
        "{all}"
    );
}

#[test]
fn nothing_a_peer_wrote_acts_on_the_terminal_or_fills_it() {
    let mut facts = well();
    let shown_by = answers(&mut facts);
    shown_by.status.label = "\x1b[2J\u{202e}".repeat(20);
    shown_by.status.problems = vec!["x".repeat(5000); 50];
    let text = shown(&checks::all(&facts), Look::default());
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
    assert!(
        text.lines().count() < 40 && text.lines().all(|line| line.chars().count() < 340),
        "{text}"
    );
    assert!(text.contains("42 more problems"), "{text}");
}
