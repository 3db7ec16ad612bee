//! The unit, the package, the image and the examples in `dist/`: they fit together, and those they are for read them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Done, run, skipped};

const UNIT: &str = "dist/systemd/kith.service";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Runs a program; `None`, and a word about it, if it is not installed.
fn done(program: &str, args: &[&str]) -> Option<Done> {
    match Command::new(program).args(args).env("SYSTEMD_COLORS", "0").output() {
        Ok(output) => Some(Done::of(output)),
        Err(_) => {
            skipped(&format!("{program} is not installed"));
            None
        }
    }
}

/// The last value of a key of the unit.
fn unit(key: &str) -> String {
    let text = read(UNIT);
    let line = text.lines().rev().find_map(|line| line.strip_prefix(&format!("{key}=")));
    line.unwrap_or_else(|| panic!("no {key} in {UNIT}")).to_owned()
}

fn deb() -> toml::Table {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    manifest["package"]["metadata"]["deb"].as_table().expect("a table").clone()
}

/// What is put where.
fn assets() -> Vec<(String, String)> {
    let text = |value: &toml::Value| value.as_str().expect("a text").to_owned();
    let deb = deb();
    let rows = deb["assets"].as_array().expect("a list").iter();
    rows.map(|row| (text(&row[0]), text(&row[1]))).collect()
}

#[test]
fn the_unit_is_one() {
    let text = read(UNIT);
    let mut section = "";
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[') {
            Some(name) => section = name.trim_end_matches(']'),
            None => {
                assert!(line.split_once('=').is_some_and(|(key, _)| !key.contains(' ')), "{line}")
            }
        }
        assert!(["Unit", "Service", "Install"].contains(&section), "{section}");
    }
    for (key, value) in [
        ("Type", "notify"),
        ("User", "kith"),
        ("Restart", "on-failure"),
        // As the program ends when its settings are wrong.
        ("RestartPreventExitStatus", "2"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ] {
        assert_eq!(unit(key), value, "{key}");
    }
    for key in ["WatchdogSec", "TimeoutStopSec", "LimitNOFILE"] {
        assert!(!unit(key).is_empty(), "{key}");
    }
}

#[test]
fn systemd_takes_the_unit_and_finds_it_well_walled() {
    let home = home();
    let file = home.path().join("kith.service");
    // Where it is verified, it is not installed.
    let here = read(UNIT).replace("/usr/bin/kith", env!("CARGO_BIN_EXE_node"));
    fs::write(&file, here).expect("ours");
    let file = file.to_string_lossy();
    let Some(verified) = done("systemd-analyze", &["verify", "--man=no", &file]) else { return };
    // It also reads units that this machine has beside it, and may have something to say of those.
    let ours: Vec<&str> = verified.stderr.lines().filter(|line| line.contains("kith")).collect();
    assert_eq!(ours, Vec::<&str>::new(), "{verified:?}");
    let args = ["security", "--offline=true", "--no-pager", "--threshold=15", &file];
    let security = done("systemd-analyze", &args).expect("it is installed");
    assert_eq!(security.code, Some(0), "above 1.5: {}", security.stdout);
    assert!(security.stdout.contains("exposure level"), "{security:?}");
}

/// The unit, the package's settings, the verbs and the maintainer's scripts name the same places.
#[test]
fn everybody_means_the_same_places() {
    let to = |from: &str| {
        let row = assets().into_iter().find(|(source, _)| source == from);
        format!("/{}", row.unwrap_or_else(|| panic!("{from} is not packaged")).1)
    };
    assert_eq!(unit("ExecStart"), format!("{} -c /etc/kith", to("target/release/node")));
    assert_eq!(to("dist/debian/default.toml"), "/etc/kith/network/default.toml");
    assert_eq!(unit("EnvironmentFile"), "-/etc/kith/environment");
    let state = format!("/var/lib/{}", unit("StateDirectory"));
    assert_eq!(unit("WorkingDirectory"), state);
    let settings: toml::Table = read("dist/debian/default.toml").parse().expect("TOML");
    assert_eq!(settings["state"]["dir"].as_str(), Some(state.as_str()));
    for (file, says) in [
        ("dist/debian/postinst", "/etc/kith/environment"),
        ("dist/debian/postinst", state.as_str()),
        ("dist/debian/postrm", "/etc/kith/environment"),
        ("dist/debian/postrm", state.as_str()),
        ("src/cli/daemon.rs", state.as_str()),
        ("src/cli/manual.rs", state.as_str()),
        ("dist/container/Containerfile", state.as_str()),
    ] {
        assert!(read(file).contains(says), "{file} does not name {says}");
    }
}

#[test]
fn all_that_is_packaged_is_there_or_made() {
    let makes = read("scripts/package.sh");
    for (source, _) in assets() {
        if let Some(made) = source.strip_prefix("target/package/") {
            assert!(makes.contains(&format!("$made/{made}\"")), "nobody makes {source}");
        } else if let Some((dir, pattern)) = source.rsplit_once("/*.") {
            let mut names = fs::read_dir(root().join(dir)).expect(dir).flatten();
            let fits = |name: &str| name.ends_with(&format!(".{pattern}"));
            assert!(names.any(|entry| entry.file_name().to_str().is_some_and(fits)), "{source}");
        } else if source != "target/release/node" {
            assert!(root().join(&source).is_file(), "{source} is not there");
        }
    }
    let deb = deb();
    for path in [deb["changelog"].as_str(), deb["license-file"][0].as_str()] {
        assert!(root().join(path.expect("a text")).is_file(), "{path:?}");
    }
    let version = format!("kith ({}-", env!("CARGO_PKG_VERSION"));
    assert!(read("dist/debian/changelog").starts_with(&version), "{version}");
    let scripts = deb["maintainer-scripts"].as_str().expect("a text");
    for name in ["postinst", "prerm", "postrm"] {
        let path = root().join(scripts).join(name);
        let parsed = done("sh", &["-n", &path.to_string_lossy()]).expect("sh is always there");
        assert_eq!((parsed.code, parsed.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(read(&format!("{scripts}/{name}")).contains("\n#DEBHELPER#\n"), "{name}");
    }
}

#[test]
fn the_settings_that_are_packaged_are_good() {
    let home = home();
    let network = home.path().join("etc/network");
    fs::create_dir_all(&network).expect("ours");
    fs::copy(root().join("dist/debian/default.toml"), network.join("default.toml")).expect("ours");
    let checked = run(home.path(), &["-c", "etc", "check"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    // What is only suggested is good, too.
    let text = read("dist/debian/default.toml");
    let suggested = |line: &str| {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let key = bare.split(" = ").next().unwrap_or_default();
        let is_one =
            bare.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if is_one { bare.to_owned() } else { line.to_owned() }
    };
    let all: Vec<String> = text.lines().map(suggested).collect();
    assert!(all.iter().any(|line| line.starts_with("connect = ")), "{all:?}");
    fs::write(network.join("default.toml"), all.join("\n")).expect("ours");
    let checked = run(home.path(), &["-c", "etc", "check"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

const DEPLOYED: [&str; 5] = [
    "dist/container/Containerfile",
    "dist/container/compose.yaml",
    "dist/kubernetes/kith.yaml",
    "dist/debian/postinst",
    UNIT,
];

/// A wrong one would end the node with exit status 2 on somebody else's machine.
#[test]
fn settings_in_the_environment_are_settings() {
    let config = run(home().path(), &["config", "--json"]);
    let config: Value = serde_json::from_str(&config.stdout).expect("JSON");
    let rows = config["settings"].as_array().expect("a list").iter();
    let keys: BTreeSet<&str> = rows.map(|row| row["key"].as_str().expect("a text")).collect();
    let mut named = 0;
    for file in DEPLOYED {
        let text = read(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("KITH__")) {
            let key = name.trim_start_matches("KITH__").to_lowercase().replace("__", ".");
            assert!(keys.contains(key.as_str()), "{file}: {name} is no setting");
            named += 1;
        }
    }
    assert!(named > 10, "{named}");
}

#[test]
fn the_port_is_the_same_everywhere() {
    let settings: toml::Table = read("config/network/default.toml").parse().expect("TOML");
    let port = settings["network"]["controller"]["listen"]["port"].as_integer().expect("a number");
    for (file, says) in [
        ("dist/container/Containerfile", format!("EXPOSE {port}/tcp")),
        ("dist/container/compose.yaml", format!("[\"seed:{port}\"]")),
        ("dist/kubernetes/kith.yaml", format!("containerPort: {port}")),
        ("dist/kubernetes/kith.yaml", format!("kith-0.kith:{port}")),
        ("dist/debian/default.toml", format!("# port = {port}")),
    ] {
        assert!(read(file).contains(&says), "{file} does not say {says}");
    }
}

#[test]
fn the_examples_are_yaml() {
    let files = ["dist/container/compose.yaml", "dist/kubernetes/kith.yaml"];
    let parse =
        "import sys, yaml\nfor f in sys.argv[1:]:\n    assert all(yaml.safe_load_all(open(f)))";
    let paths: Vec<String> =
        files.iter().map(|file| root().join(file).to_string_lossy().into_owned()).collect();
    let args: Vec<&str> =
        ["-c", parse].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let has_yaml = |python: &&str| {
        let asked = Command::new(python).args(["-c", "import yaml"]).output();
        asked.is_ok_and(|output| output.status.success())
    };
    // The first on the PATH may be another than Debian's, whose yaml is a package.
    let mut pythons = ["python3", "/usr/bin/python3"].into_iter();
    if let Some(python) = pythons.find(has_yaml) {
        let parsed = done(python, &args).expect("it was there");
        assert_eq!((parsed.code, parsed.stderr.as_str()), (Some(0), ""));
    } else {
        skipped("no python3 has yaml");
    }
    for file in files {
        assert!(!read(file).contains('\t'), "{file}: a tab is no indentation");
    }
    let compose = ["compose", "-f", &paths[0], "config", "--quiet"];
    let mut docker = Command::new("docker");
    match docker.args(compose).env("KITH_SECRET", "x").output() {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("unknown") => {
            assert!(output.status.success(), "{:?}", Done::of(output));
        }
        // Not with `skipped`: no package of Debian's brings it, so a complete run may be without.
        _ => eprintln!("SKIPPED: docker has no compose"),
    }
}
