//! Tests of the whole loader: which layer wins, how the seeds' commands work, what must stay the same.

mod bad;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;
use toml::Value;

use super::*;

/// A configuration directory with these files below `network/`.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("network")).unwrap();
    for (name, text) in files {
        fs::write(dir.path().join("network").join(name), text).unwrap();
    }
    dir
}

fn with_sets(sets: &[&str]) -> Sources {
    Sources { sets: sets.iter().map(ToString::to_string).collect(), ..Sources::default() }
}

fn with_profile(dir: &TempDir, profile: &str) -> Sources {
    let config_dir = Some(dir.path().to_path_buf());
    Sources { config_dir, profile: Some(profile.into()), ..Sources::default() }
}

fn with_env(name: &str, text: &str) -> Sources {
    Sources { env: vec![(name.into(), text.into())], ..Sources::default() }
}

fn with_flag(flag: &str, key: &str, value: Value) -> Sources {
    Sources { flags: vec![(flag.into(), key.into(), value)], ..Sources::default() }
}

/// The messages of settings that must not load.
fn wrong(sources: &Sources) -> Vec<String> {
    load(sources).unwrap_err().0.iter().map(Problem::to_string).collect()
}

#[test]
fn later_layers_win() {
    let dir = directory(&[
        ("default.toml", "[network.controller.listen]\nport = 1\n"),
        ("bob.toml", "[network.controller.listen]\nport = 2\n"),
    ]);
    let port = "network.controller.listen.port";
    let mut sources = Sources::default();
    let check = |sources: &Sources, expected: u16, layer: &str| {
        let loaded = load(sources).unwrap();
        assert_eq!(loaded.settings.network.controller.listen.port, expected);
        assert!(loaded.origin(port).unwrap().ends_with(layer), "{:?}", loaded.origin(port));
    };
    check(&sources, 8100, "default");
    sources.config_dir = Some(dir.path().to_path_buf());
    check(&sources, 1, "network/default.toml:2");
    sources.profile = Some("bob".into());
    check(&sources, 2, "network/bob.toml:2");
    sources.env.push(("KITH__NETWORK__CONTROLLER__LISTEN__PORT".into(), "3".into()));
    check(&sources, 3, "KITH__NETWORK__CONTROLLER__LISTEN__PORT");
    sources.flags.push(("--port".into(), port.into(), 4.into()));
    check(&sources, 4, "--port");
    sources.sets.push(format!("{port}=5"));
    check(&sources, 5, "-s");
    sources.sets.push(format!("\"{port}\"=6"));
    check(&sources, 6, "-s");
}

#[test]
fn a_directory_of_area_net_is_complete() {
    let dir = directory(&[("testing.toml", "[network.controller.listen]\nport = 8901\n")]);
    let mut sources = with_profile(&dir, "testing");
    sources.sets.push("\"network.controller.d2\"=false".into());
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.settings.network.controller.listen.port, 8901);
    assert!(!loaded.settings.network.controller.d2);
    assert_eq!(loaded.settings.label, "testing");
    assert_eq!(loaded.origin("label"), Some("-p"));
    assert_eq!(loaded.state_dir.as_deref(), Some(Path::new("profiles/testing")));
    assert_eq!(loaded.files, [dir.path().join("network/testing.toml")]);
}

#[test]
fn lists_and_older_spellings_reach_the_shape() {
    let id = "ab".repeat(32);
    let mut sources = with_env("KITH__NETWORK__ALLOW", &format!("[\"{id}\"]"));
    let connect = Value::from(vec!["a.example:1", "127.0.0.1:2", "a.example:1"]);
    let key = "network.controller.target.connect".to_string();
    sources.flags.push(("--connect".into(), key, connect));
    sources.sets.push("network.controller.target.file=profiles/bob.json".into());
    sources.sets.push("network.period=2".into());
    let loaded = load(&sources).unwrap();
    let network = &loaded.settings.network;
    assert_eq!(network.allow, [id.parse().unwrap()]);
    assert_eq!(network.period.fixed(), Some(std::time::Duration::from_secs(2)));
    assert_eq!(loaded.targets, ["[::1]:8090", "[::1]:8085", "a.example:1", "127.0.0.1:2"]);
    assert_eq!(loaded.state_dir, None);
}

#[test]
fn the_five_profiles_load_with_their_edges() {
    for (name, port, targets) in [
        ("alice", 8090, vec![]),
        ("bob", 8095, vec!["[::1]:8090", "[::1]:8085"]),
        ("carol", 8085, vec!["[::1]:8105"]),
        ("dave", 8100, vec!["[::1]:8090"]),
        ("erin", 8105, vec!["[::1]:8100"]),
    ] {
        let profile = Some(name.to_string());
        let loaded =
            load(&Sources { config_dir: Some("config".into()), profile, ..Sources::default() });
        let loaded = loaded.unwrap();
        let listen = &loaded.settings.network.controller.listen;
        assert_eq!((listen.addr.to_string(), listen.port), ("::1".to_string(), port));
        assert_eq!(loaded.settings.label, name);
        assert_eq!(loaded.targets, targets);
    }
}

/// The dotted keys of every leaf.
fn leaves(prefix: &str, table: &toml::Table, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => leaves(&key, inner, keys),
            _ => keys.push(key),
        }
    }
}

#[test]
fn default_toml_the_table_and_the_shape_hold_the_same_keys() {
    let keys = |table: &toml::Table| {
        let mut keys = Vec::new();
        leaves("", table, &mut keys);
        keys.sort();
        keys
    };
    let in_file = keys(&toml::from_str(layer::DEFAULT_TOML).unwrap());
    let in_shape = keys(&toml::Table::try_from(Settings::default()).unwrap());
    let mut in_table: Vec<_> = table::ROWS.iter().map(|row| row.key.to_string()).collect();
    in_table.sort();
    assert_eq!(in_file, in_table);
    assert_eq!(in_shape, in_table);
    assert_eq!(load(&Sources::default()).unwrap().describe(false).len(), in_table.len());
}

#[test]
fn default_toml_tells_every_range() {
    for row in table::ROWS {
        let name = row.key.rsplit('.').next().unwrap();
        let line = format!("\n{name} = ");
        assert!(layer::DEFAULT_TOML.contains(&line), "{name}");
        let numbers = match row.kind {
            check::Kind::Whole { least, most } => vec![least.to_string(), most.to_string()],
            check::Kind::Seconds { least, most } => vec![least.to_string(), most.to_string()],
            _ => continue,
        };
        let told = layer::DEFAULT_TOML.split("\n\n").any(|part| {
            part.contains(&line[1..]) && numbers.iter().all(|number| part.contains(number))
        });
        assert!(told, "{} does not tell its range {numbers:?}", row.key);
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC*", key in 0..table::ROWS.len(), name in "\\PC*") {
        let _ = load(&with_sets(&[&text]));
        let _ = load(&with_sets(&[&format!("{}={text}", table::ROWS[key].key)]));
        let _ = load(&with_env(&format!("KITH__{name}"), &text));
        let _ = layer::from_toml(&text, Path::new("f.toml"));
    }

    #[test]
    fn no_toml_makes_the_reader_panic(text in "[\\[\\]{}a-c.=,\"'\n# 0-9é_-]{0,60}") {
        let _ = layer::from_toml(&text, Path::new("f.toml"));
        let _ = layer::from_toml(&format!("[network]\n{text}"), Path::new("f.toml"));
    }

    #[test]
    fn no_bytes_in_a_value_make_the_loader_panic(text in any::<String>(), key in 0..table::ROWS.len()) {
        let key = table::ROWS[key].key;
        let _ = load(&with_sets(&[&format!("{key}={text}")]));
        if let Err(problems) = load(&with_sets(&[&text])) {
            prop_assert!(!problems.to_string().chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
