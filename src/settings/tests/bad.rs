//! What bad settings say.

use toml::Value;

use super::*;

#[test]
fn bad_values_say_key_value_layer_and_a_way_out() {
    let port = "network.controller.listen.port";
    for (set, message) in [
        (
            "network.controller.listen.prt=1",
            "network.controller.listen.prt = 1 (from -s): there is no such setting; did you mean network.controller.listen.port?",
        ),
        (
            "port=1",
            "port = 1 (from -s): there is no such setting; did you mean network.controller.listen.port?",
        ),
        ("colour=red", "colour (from -s): there is no such setting"),
        (
            "network.controller.listen=1",
            "network.controller.listen (from -s): this is a section; in it are addr, port, advertise",
        ),
        (
            "network.controller.listen.port=99999",
            "network.controller.listen.port = 99999 (from -s): expected a whole number from 0 to 65535",
        ),
        (
            "network.controller.listen.port=-1",
            "network.controller.listen.port = -1 (from -s): expected a whole number from 0 to 65535",
        ),
        (
            "network.controller.listen.port=http",
            "network.controller.listen.port = \"http\" (from -s): expected a whole number from 0 to 65535",
        ),
        (
            "network.controller.listen.port=80.5",
            "network.controller.listen.port = 80.5 (from -s): expected a whole number from 0 to 65535",
        ),
        (
            "network.controller.listen.addr=localhost",
            "network.controller.listen.addr = \"localhost\" (from -s): expected an IP address such as \"::\" or \"127.0.0.1\"",
        ),
        (
            "network.controller.listen.advertise=[\"0.0.0.0:1\"]",
            "expected a list of at most 8 addresses such as [\"192.0.2.1:8100\"]; \"0.0.0.0:1\" is none",
        ),
        ("network.controller.target.connect=[\"localhost\"]", "; \"localhost\" is none"),
        (
            "network.period=0",
            "network.period = 0 (from -s): expected \"auto\" or seconds from 0.05 to 3600",
        ),
        (
            "network.period=soon",
            "network.period = \"soon\" (from -s): expected \"auto\" or seconds",
        ),
        (
            "network.trust=opne",
            "network.trust = \"opne\" (from -s): expected \"open\" or \"pinned-only\"; did you mean \"open\"?",
        ),
        ("network.name=", "network.name = \"\" (from -s): expected a text of 1 to 64 bytes"),
        (
            "label=\"a\\nb\"",
            "label = \"a\\nb\" (from -s): expected a text of 0 to 64 bytes without control characters",
        ),
        (
            "network.deny=[\"abc\"]",
            "expected a list of at most 4096 node ids of 64 hex digits; \"abc\" is none",
        ),
        ("network.controller.incoming.max_conn_count=0", "expected a whole number from 1 to 1024"),
        (
            "network.controller.d2=yes",
            "network.controller.d2 = \"yes\" (from -s): expected true or false",
        ),
        ("network.controller.peers.heartbeat_period=0.01", "expected seconds from 0.05 to 60"),
        ("network.controller.peers.heartbeat_period=nan", "expected seconds from 0.05 to 60"),
        (
            "network.controller.peers.heartbeat_timeout=1.5",
            "network.controller.peers.heartbeat_timeout = 1.5 (from -s): expected at least 2 x network.controller.peers.heartbeat_period, which is 1.0 (from default)",
        ),
        (
            "network.controller.peers.conn_attempt_delay=31",
            "network.controller.peers.conn_attempt_delay_max = 30.0 (from default): expected at least 1 x",
        ),
        ("network.link.normal_bytes_max=1000", "expected a whole number from 65600 to 67108864"),
        (
            "network.cert=a.pem",
            "expected no certificate without its network.key, which is \"\" (from default)",
        ),
        (
            "control.listen=0.0.0.0:80",
            "control.listen = \"0.0.0.0:80\" (from -s): expected a loopback address and port such as \"127.0.0.1:0\"",
        ),
        ("log.format=yaml", "log.format = \"yaml\" (from -s): expected \"text\" or \"json\""),
        (
            "network.topology.mode=star",
            "network.topology.mode = \"star\" (from -s): expected \"auto\" or \"full\" or \"partial\"",
        ),
        ("label", "-s label: expected key=value, such as"),
    ] {
        let messages = wrong(&with_sets(&[set]));
        assert_eq!(messages.len(), 1, "{set}: {messages:?}");
        assert!(messages[0].contains(message), "{set}: {messages:?}");
    }
    for (sources, message) in [
        (
            with_env("KITH__NETWORK__CONTROLLER__LISTEN__PORT", "x"),
            "network.controller.listen.port = \"x\" (from KITH__NETWORK__CONTROLLER__LISTEN__PORT): expected",
        ),
        (
            with_env("KITH__LABLE", "x"),
            "lable (from KITH__LABLE): there is no such setting; did you mean label?",
        ),
        (
            with_flag("--period", "network.period", 0.into()),
            "network.period = 0 (from --period): expected \"auto\" or seconds from 0.05",
        ),
        (
            with_flag("--port", port, 70_000.into()),
            "network.controller.listen.port = 70000 (from --port): expected",
        ),
        (
            Sources { profile: Some("../x".into()), ..Sources::default() },
            "-p ../x: a profile's name is",
        ),
    ] {
        let messages = wrong(&sources);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].contains(message), "{messages:?}");
    }
}

#[test]
fn bad_files_say_where() {
    let dir = directory(&[
        ("default.toml", "[network]\nperiod = 0\n"),
        ("bob.toml", "label = 7\n\n[network.controler.listen]\nport = 1\n"),
        ("twice.toml", "[network.controller.target]\nfile = \"\"\npath = \"\"\n"),
        ("broken.toml", "label = \"x\"\nlabel = = 1\n"),
    ]);
    let network = dir.path().join("network");
    let place = |file: &str| network.join(file).display().to_string();
    let period = format!(
        "network.period = 0 (from {}:2): expected \"auto\" or seconds from 0.05 to 3600",
        place("default.toml")
    );
    assert_eq!(
        wrong(&with_profile(&dir, "bob")),
        [
            period.clone(),
            format!(
                "label = 7 (from {}:1): expected a text of 0 to 64 bytes without control characters",
                place("bob.toml")
            ),
            format!(
                "network.controler.listen.port = 1 (from {}:4): there is no such setting; did you mean network.controller.listen.port?",
                place("bob.toml")
            ),
        ]
    );
    let messages = wrong(&with_profile(&dir, "twice"));
    assert!(messages[0].ends_with("twice.toml:2; keep one of them"), "{messages:?}");
    let messages = wrong(&with_profile(&dir, "broken"));
    assert!(messages[0].starts_with(&format!("{}:2:", place("broken.toml"))), "{messages:?}");
    assert_eq!(messages[0].lines().count(), 1);
    assert_eq!(messages[1], period);
}

#[test]
fn a_wrong_profile_lists_those_there_are() {
    let dir = directory(&[("bob.toml", ""), ("alice.toml", ""), ("default.toml", ""), ("x", "")]);
    let message = &wrong(&with_profile(&dir, "allice"))[0];
    let network = dir.path().join("network").display().to_string();
    assert_eq!(
        message,
        &format!(
            "there is no profile allice in {network}; there are alice, bob; did you mean alice?"
        )
    );
    let empty = directory(&[]);
    assert!(wrong(&with_profile(&empty, "bob"))[0].ends_with("; there are none"));
    let missing = Sources { config_dir: Some("no/such".into()), ..Sources::default() };
    assert!(wrong(&missing)[0].starts_with("there is no directory no/such"));
}

#[test]
fn all_problems_are_told_at_once() {
    let sources =
        with_sets(&["a=1", "network.period=0", "network.controller.target.path=none.json"]);
    let problems = load(&sources).unwrap_err();
    assert_eq!(problems.0.len(), 3);
    let text = problems.to_string();
    assert!(text.starts_with("3 problems in the settings\n  a = 1 (from -s)"), "{text}");
    assert!(text.contains("none.json (network.controller.target.path, from -s)"), "{text}");
}

#[test]
fn a_file_that_is_not_toml_shows_nothing_of_its_text() {
    for text in ["secret = hunter2", "secret = \"hunter2", "[network]\nsecret 'hunter2'"] {
        let dir = directory(&[("bob.toml", text)]);
        let messages = wrong(&with_profile(&dir, "bob"));
        assert!(!messages.concat().contains("hunter2"), "{messages:?}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let long = "hunter2".repeat(100);
    for set in [
        format!("network.secret={long}"),
        "network.secret.x=hunter2".into(),
        "network.sercet=hunter2".into(),
        "network.sercet=7777777".into(),
        "secret = 7777777".into(),
        "network.secret hunter2".into(),
        "network={secret='hunter2'}".into(),
    ] {
        let text = format!("{:?}", load(&with_sets(&[&set])).unwrap_err());
        assert!(!text.contains("hunter2") && !text.contains("7777777"), "{text}");
    }
    let loaded = load(&with_sets(&["network.secret=hunter2"])).unwrap();
    assert_eq!(loaded.settings.network.secret.expose(), "hunter2");
    let secret = loaded.describe(true).into_iter().find(|l| l.key == "network.secret").unwrap();
    assert_eq!(secret.value, Value::from("(secret)"));
    assert_eq!(secret.origin.as_deref(), Some("-s"));
    let shown = format!("{loaded:?}") + &serde_json::to_string(&loaded.describe(true)).unwrap();
    assert!(!shown.contains("hunter2"));
}
