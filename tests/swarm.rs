//! The simulator as a program: one seed gives one report, and a broken law is told.

#[path = "../examples/swarm/args.rs"]
mod args;
#[path = "sim/engine/mod.rs"]
#[allow(dead_code, reason = "the tests of tests/sim use more of it")]
mod engine;
#[path = "../examples/swarm/measure.rs"]
mod measure;
#[path = "../examples/swarm/plot.rs"]
mod plot;
#[path = "../examples/swarm/program.rs"]
mod program;
#[path = "../examples/swarm/progress.rs"]
mod progress;
#[path = "../examples/swarm/report.rs"]
mod report;
#[path = "../examples/swarm/run.rs"]
mod run;
#[path = "../examples/swarm/scenario.rs"]
mod scenario;
#[path = "../examples/swarm/table.rs"]
mod table;

use std::fs;
use std::path::Path;

use clap::Parser;

use args::Args;
use scenario::{KNOWN, Scenario, Share, Span};

/// A little of everything, in a network of a dozen.
const SMALL: &str = r#"
about = "A little of everything."
nodes = 12

[network]
delay = ["1ms", "10ms"]
jitter = "30%"
loss = "1%"

[[phase]]
do = "clock-skew"
share = "50%"
off = "1h"
drift_ppm = 500

[[phase]]
do = "cold-start"
over = "500ms"
seeds = 2
within = "20s"

[[phase]]
do = "join"
nodes = 1
over = "0ms"
within = "20s"

[[phase]]
do = "churn"
share = "20%"
every = "500ms"
lasting = "5s"
within = "30s"

[[phase]]
do = "split"
share = "30%"
within = "30s"
lasting = "20s"

[[phase]]
do = "heal"
within = "60s"

[[phase]]
name = "a third killed"
do = "mass-failure"
share = "33%"
within = "30s"
"#;

/// Runs the program with a scenario in a file; its status, what it printed, and what it complained about.
fn swarm(dir: &Path, scenario: &str, flags: &[&str]) -> (u8, String, String) {
    let file = dir.join("scenario.toml");
    fs::write(&file, scenario).expect("a fresh directory");
    let file = file.to_str().expect("a plain name");
    let flags = ["swarm", "--scenario", file].into_iter().chain(flags.iter().copied());
    let args = Args::try_parse_from(flags).expect("good flags");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = program::go(&args, &mut out, &mut err);
    (status, String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"))
}

#[test]
fn two_runs_of_one_seed_give_the_same_report_and_another_seed_another_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = |seed: &str, name: &str| {
        let (json, svg) = (dir.path().join(format!("{name}.json")), dir.path().join("plot.svg"));
        let (json, svg) = (json.to_str().expect("plain"), svg.to_str().expect("plain"));
        let flags = ["--seed", seed, "--json", json, "--svg", svg];
        let (status, out, err) = swarm(dir.path(), SMALL, &flags);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("a third killed") && out.contains("took"), "{out}");
        (fs::read_to_string(json).expect("written"), fs::read_to_string(svg).expect("written"))
    };
    let first = run("7", "first");
    assert!(first == run("7", "second"), "the same seed, another report");
    assert!(first != run("8", "third"), "another seed, the same report");
    let report: serde_json::Value = serde_json::from_str(&first.0).expect("JSON");
    let phases = report["runs"][0]["phases"].as_array().expect("phases");
    assert_eq!(phases.len(), 7);
    for phase in phases {
        let parts = if phase["name"] == "split" { 2 } else { 1 };
        if phase["name"] != "clock-skew" {
            assert_eq!(phase["components"], parts, "{phase}");
        }
    }
    assert_eq!(phases[6]["nodes"], 13 - 4);
    assert!(phases[2]["members_ms"]["max"].as_u64() > Some(0), "nobody noticed the one who joined");
    assert!(first.1.starts_with("<svg") && first.1.matches("<polyline").count() == 2);
}

#[test]
fn a_broken_law_is_told_with_its_seed_and_how_to_see_it_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let hasty = SMALL.replace("within = \"20s\"", "within = \"1ms\"");
    let json = dir.path().join("report.json");
    let flags = ["--seeds", "3..4", "--json", json.to_str().expect("plain"), "--loss", "0%"];
    let (status, out, err) = swarm(dir.path(), &hasty, &flags);
    assert_eq!(status, 1, "{out}");
    assert!(err.contains("swarm: seed 3: law broken at ") && err.contains("seed 4: law"), "{err}");
    let again = "--nodes 12 --seed 3 --loss 0.0%";
    assert!(err.contains(again) && err.contains("scenario.toml"), "{err}");
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(json).expect("written")).expect("JSON");
    assert!(report["runs"][1]["broken"].as_str().expect("told").contains("not known by all"));
}

#[test]
fn several_seeds_are_told_side_by_side() {
    let dir = tempfile::tempdir().expect("a directory");
    let short = SMALL.split("[[phase]]\ndo = \"churn\"").next().expect("the first half");
    let (status, out, err) = swarm(dir.path(), short, &["--seeds", "1..3"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("3 seeds, 1 to 3") && out.contains("every link: min"), "{out}");
}

#[test]
fn every_scenario_that_comes_with_the_program_can_be_run() {
    for (name, text) in KNOWN {
        let scenario = Scenario::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
        scenario.check().unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(args::EXITS.contains(name), "--help does not name {name}");
    }
}

#[test]
fn what_is_wrong_with_a_scenario_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let wrong = |from: &str, to: &str, said: &str| {
        assert!(SMALL.contains(from), "{from}");
        let (status, _, err) = swarm(dir.path(), &SMALL.replacen(from, to, 1), &[]);
        assert_eq!(status, 2);
        assert!(err.contains(said), "{from} -> {to}: {err}");
    };
    wrong("nodes = 12", "nodes = 1", "2 are the fewest and 50000 the most");
    wrong("nodes = 12", "nodes = 12\ncolour = 3", "unknown field `colour`");
    wrong("off = \"1h\"", "off = \"1h\"\ncolour = 3", "unknown field `colour`");
    wrong("off = \"1h\"", "off = \"an hour\"", "write 250ms, 30s, 10m or 1h");
    wrong("share = \"50%\"", "share = \"half\"", "write 30% or 0.5%");
    wrong("do = \"clock-skew\"", "do = \"nothing\"", "unknown variant `nothing`");
    wrong("seeds = 2", "seeds = 0", "phase 2 (cold-start): seeds");
    wrong("do = \"heal\"", "do = \"mass-failure\"\nshare = \"100%\"", "less than 100%");
    wrong("[\"1ms\", \"10ms\"]", "[\"11ms\", \"10ms\"]", "the shorter one");
    let heal_first = SMALL.replacen("do = \"split\"\nshare = \"30%\"", "do = \"heal\"", 1);
    let heal_first = heal_first.replacen("lasting = \"20s\"\n", "", 1);
    let (status, _, err) = swarm(dir.path(), &heal_first, &[]);
    assert!(status == 2 && err.contains("nothing is split"), "{err}");
    let settled = |more: &str| {
        let text = format!(
            "about = \"x\"\n{more}\n[[phase]]\ndo = \"settled\"\nseeds = 1\nwithin = \"1s\"\n"
        );
        let (status, _, err) = swarm(dir.path(), &text, &[]);
        assert!(status == 2 && err.contains("for 64 nodes and more"), "{err}");
    };
    settled("nodes = 63");
    settled("nodes = 100\n[network]\nmode = \"full\"");
    let nowhere = Args::try_parse_from(["swarm", "--scenario", "nowhere"]).expect("good flags");
    let mut err = Vec::new();
    assert_eq!(program::go(&nowhere, &mut Vec::new(), &mut err), 2);
    let err = String::from_utf8(err).expect("text");
    assert!(err.contains("there are the scenarios cold-start, settled, ten-thousand"), "{err}");
}

#[test]
fn flags_are_read_strictly() {
    let wrong = |flags: &[&str]| {
        let all = ["swarm"].into_iter().chain(flags.iter().copied());
        assert!(Args::try_parse_from(all).is_err(), "{flags:?}");
    };
    for seeds in ["5", "5..1", "a..b", "1..", "1..20000", "-1..3"] {
        wrong(&["--seeds", seeds]);
    }
    for loss in ["1", "101%", "1.25%", "-1%", "%", ".5%", "1.%"] {
        wrong(&["--loss", loss]);
    }
    wrong(&["--seed", "1", "--seeds", "1..2"]);
    assert_eq!("0.5%".parse(), Ok(Share(5)));
    assert_eq!("100%".parse(), Ok(Share(1000)));
    assert_eq!("90m".parse(), Ok(Span(std::time::Duration::from_secs(5400))));
    for span in ["", "s", "5", "5d", "1.5s", "25h", "99999999999999999999h"] {
        assert!(span.parse::<Span>().is_err(), "{span}");
    }
}
