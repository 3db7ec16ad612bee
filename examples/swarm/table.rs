//! The report for people.

use std::time::Duration;

use kith::text::{escape, escape_to, size};

use crate::measure::Spread;
use crate::report::{PhaseReport, Report, RunReport, Three};

/// Most columns of a sentence.
const SENTENCE_COLUMNS_MAX: usize = 400;

/// What a run cost on this machine. Not in the JSON: no two runs cost the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Time on the wall.
    pub wall: Duration,
    /// Most memory this process has held, bytes; none where the system does not tell.
    pub peak_bytes: Option<u64>,
    /// Entries of all graphs together, as many as the last run could have had.
    pub entries: u64,
}

/// The whole report as text.
pub fn whole(report: &Report, cost: &Cost) -> String {
    let [low, high] = report.delay_ms;
    let mut text = format!(
        "{}: {} nodes, {low} to {high} ms from one to the other, {} % lost\n{}\n",
        escape(&report.scenario),
        report.nodes,
        report.loss_percent,
        escape_to(&report.about, SENTENCE_COLUMNS_MAX)
    );
    match &report.runs[..] {
        [run] => text += &one(run),
        runs => {
            let seeds = runs.iter().map(|run| run.seed);
            let (first, last) = (seeds.clone().min(), seeds.max());
            text += &format!(
                "\n{} seeds, {} to {}\n",
                runs.len(),
                first.unwrap_or(0),
                last.unwrap_or(0)
            );
            text += &over_seeds(report);
        }
    }
    text += &format!("\n{}\n", costs(cost));
    for (seed, law) in report.broken() {
        text += &format!("seed {seed}: {}\n", escape_to(law, SENTENCE_COLUMNS_MAX));
    }
    text
}

fn costs(cost: &Cost) -> String {
    let seconds = cost.wall.as_secs_f64();
    let Some(peak) = cost.peak_bytes else { return format!("took {seconds:.1} s") };
    format!(
        "took {seconds:.1} s and at most {}, {} bytes for each node that a node knows",
        size(peak),
        peak / cost.entries.max(1)
    )
}

/// The report of one seed.
fn one(run: &RunReport) -> String {
    let mut text = format!("\nseed {}\n", run.seed);
    let mut rows = vec![
        words(&[
            "", "", "", "who is", "there", "", "every", "link", "", "", "links", "of a", "node",
        ]),
        words(&[
            "PHASE", "TOOK", "NODES", "p50", "p99", "max", "p50", "p99", "max", "PARTS", "min",
            "mean", "max",
        ]),
    ];
    for phase in &run.phases {
        rows.push(phase_row(phase));
    }
    text += &aligned(&rows);
    text += "\nsent by one node\n";
    text += &aligned(&traffic_rows(&run.phases));
    let rows = tree_rows(&run.phases);
    if rows.len() > 1 {
        text += "\nnews over the tree\n";
        text += &aligned(&rows);
    }
    text += "\nnodes by their number of links, 0 and up\n";
    let degrees = run.phases.iter().map(|phase| {
        let counts = phase.degrees.iter().map(ToString::to_string);
        std::iter::once(escape(&phase.name)).chain(counts).collect()
    });
    text += &aligned(&degrees.collect::<Vec<_>>());
    text
}

fn phase_row(phase: &PhaseReport) -> Vec<String> {
    let mut row =
        vec![escape(&phase.name), time((phase.took_s * 1000.0) as u64), phase.nodes.to_string()];
    for spread in [phase.members_ms, phase.links_ms] {
        row.extend(spread_cells(spread));
    }
    let (fewest, most) = phase.degree_bounds();
    row.push(phase.components.to_string());
    row.push(fewest.to_string());
    row.push(format!("{:.1}", phase.degree_mean()));
    row.push(most.to_string());
    row
}

fn spread_cells(spread: Option<Spread>) -> [String; 3] {
    match spread {
        Some(spread) => [spread.p50, spread.p99, spread.max].map(time),
        None => ["-"; 3].map(String::from),
    }
}

/// One row for each phase, with messages and bytes of each kind.
fn traffic_rows(phases: &[PhaseReport]) -> Vec<Vec<String>> {
    let kinds = phases.first().map_or(&[][..], |phase| &phase.traffic);
    let mut head = words(&["PHASE", "messages", "bytes", "bytes/s", "dials", "told"]);
    head.extend(kinds.iter().map(|said| said.kind.to_owned()));
    let mut rows = vec![head];
    for phase in phases {
        let mut row = vec![
            escape(&phase.name),
            format!("{:.0}", phase.messages_per_node),
            size(phase.bytes_per_node as u64),
            size(phase.bytes_per_node_second as u64),
            format!("{:.1}", phase.dials_per_node),
            format!("{:.1}", phase.announcements_per_node),
        ];
        row.extend(phase.traffic.iter().map(|said| size(said.bytes_per_node as u64)));
        rows.push(row);
    }
    rows
}

/// One row for each phase in which something was pushed.
fn tree_rows(phases: &[PhaseReport]) -> Vec<Vec<String>> {
    let head = [
        "PHASE",
        "redundancy",
        "hops",
        "grafts/node",
        "shout heard: p50",
        "p99",
        "max",
        "last hop",
    ];
    let mut rows = vec![words(&head)];
    for phase in phases {
        let (Some(redundancy), Some(hops)) = (phase.redundancy, phase.hops_mean) else { continue };
        let mut row = vec![
            escape(&phase.name),
            format!("{redundancy:.2}"),
            format!("{hops:.1}"),
            format!("{:.1}", phase.grafts_per_node),
        ];
        row.extend(spread_cells(phase.shouts.as_ref().map(|shouts| shouts.heard_ms)));
        let last = phase.shouts.as_ref().map(|shouts| shouts.last_hop.to_string());
        row.push(last.unwrap_or_else(|| "-".into()));
        rows.push(row);
    }
    rows
}

/// How the seeds differ.
fn over_seeds(report: &Report) -> String {
    let mut rows = vec![words(&[
        "PHASE",
        "RUNS",
        "who is there: min",
        "p50",
        "max",
        "every link: min",
        "p50",
        "max",
        "PARTS max",
        "links: min",
        "max",
    ])];
    for spread in &report.over_seeds {
        let mut row = vec![escape(&spread.name), spread.runs.to_string()];
        for three in [spread.members_max_ms, spread.links_max_ms] {
            let cells = |three: Three| [three.min, three.p50, three.max].map(time);
            row.extend(three.map_or(["-"; 3].map(String::from), cells));
        }
        row.push(spread.components.max.to_string());
        row.push(spread.degree_min.min.to_string());
        row.push(spread.degree_max.max.to_string());
        rows.push(row);
    }
    aligned(&rows)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Milliseconds for people.
pub fn time(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..100_000 => format!("{:.2} s", ms as f64 / 1000.0),
        _ => format!("{:.0} s", ms as f64 / 1000.0),
    }
}

/// Columns under one another: the first to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, width))| match i {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}
