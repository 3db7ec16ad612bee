//! The lab with few nodes: real ones, in this process.

#[path = "../examples/lab/args.rs"]
mod args;
#[path = "../examples/lab/host.rs"]
mod host;
#[path = "../examples/lab/look.rs"]
mod look;
#[path = "../examples/lab/machine.rs"]
mod machine;
#[path = "../examples/lab/program.rs"]
mod program;
#[path = "../examples/lab/report.rs"]
mod report;
#[path = "../examples/lab/run.rs"]
mod run;
#[path = "../examples/lab/table.rs"]
mod table;

use clap::Parser;

use args::Args;

/// Runs the program; its status, what it printed, and what it complained about.
fn lab(flags: &[&str]) -> (u8, String, String) {
    let args = Args::try_parse_from(["lab"].iter().chain(flags)).expect("good flags");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = program::go(&args, &mut out, &mut err);
    (status, String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"))
}

#[test]
fn a_dozen_real_nodes_agree_about_who_is_there_who_joined_and_who_crashed() {
    let dir = tempfile::tempdir().expect("a directory");
    let json = dir.path().join("lab.json");
    let json = json.to_str().expect("a plain name");
    let flags = ["--nodes", "12", "--over", "0", "--seconds", "1", "--trials", "1", "--json", json];
    let (status, out, err) = lab(&flags);
    assert_eq!(status, 0, "{out}{err}");
    let report = std::fs::read_to_string(json).expect("written");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["cold_start"]["links"], 12 * 11 / 2, "so few link with everyone: {report}");
    assert_eq!(report["cold_start"]["degrees"][11], 12);
    assert_eq!(report["links_most"], 12, "one more came: {report}");
    for trial in ["joins", "crashes"] {
        assert!(report[trial][0]["equal_ms"].as_u64() > Some(0), "{report}");
    }
    let sent = report["idle"]["sent_bytes_per_s_mean"].as_f64().expect("a number");
    assert!(sent > 11.0, "heartbeats at least: {report}");
    assert!(out.contains("all graphs equal after") && out.contains("crash, known by all"), "{out}");
}

#[test]
fn links_stay_few_where_not_everyone_may_be_linked_with_everyone() {
    let flags =
        ["--nodes", "24", "--over", "1", "--mode", "partial", "--seconds", "1", "--trials", "0"];
    let (status, out, err) = lab(&flags);
    assert_eq!(status, 0, "{out}{err}");
    assert!(!out.contains("23: 24"), "everyone has a link with everyone: {out}");
}

#[test]
fn graphs_that_are_not_equal_in_time_are_told() {
    let (status, out, err) = lab(&["--nodes", "12", "--over", "0", "--within", "0"]);
    assert_eq!(status, 1, "{out}{err}");
    assert!(out.contains("never"), "{out}");
    assert!(err.contains("lab: cold start: after ") && err.contains("of 12 nodes"), "{err}");
}

#[test]
fn flags_are_read_strictly_and_too_many_nodes_are_told_of() {
    for flags in [["--nodes", "1"], ["--nodes", "4001"], ["--seconds", "0"], ["--mode", "ring"]] {
        assert!(Args::try_parse_from(["lab"].iter().chain(&flags)).is_err(), "{flags:?}");
    }
    let why = machine::enough_descriptors(1_000_000_000).expect_err("nobody has so many");
    assert!(why.contains("file descriptors") && why.contains("--nodes"), "{why}");
}
