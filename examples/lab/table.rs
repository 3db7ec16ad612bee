//! The report for people.

use kith::text::size;

use crate::report::{Report, Trial, percentile};

/// The report as text.
pub fn whole(report: &Report) -> String {
    let Report { nodes, mode, cores, cold_start: cold, .. } = report;
    let mut rows = vec![
        ("nodes".into(), format!("{nodes}, mode {mode}, {cores} processors")),
        ("all started after".into(), format!("{:.1} s", cold.started_s)),
        ("all graphs equal after".into(), since(cold.equal_s)),
        ("  after the last start".into(), since(cold.equal_after_last_start_s)),
        ("  last change in them after".into(), since(cold.last_change_s)),
        ("  processor time".into(), format!("{:.1} s", cold.cpu_s)),
        ("links, all confirmed".into(), cold.links.to_string()),
        ("nodes by number of links".into(), degrees(&cold.degrees)),
        (
            "most links of a node ever".into(),
            format!(
                "{}; {} are allowed at first, {} in the end",
                report.links_most, report.links_max[0], report.links_max[1]
            ),
        ),
    ];
    if let Some(idle) = &report.idle {
        rows.extend([
            (
                format!("idle for {:.0} s, a node sends", idle.seconds),
                bytes(idle.sent_bytes_per_s_mean),
            ),
            ("  the one that sends most".into(), bytes(idle.sent_bytes_per_s_max)),
            ("  processors, all nodes".into(), format!("{:.2}", idle.cpu_s_per_s)),
            ("  links given up or lost".into(), idle.links_lost.to_string()),
        ]);
    }
    for (what, trials) in [("join", &report.joins), ("crash", &report.crashes)] {
        if !trials.is_empty() {
            rows.push((format!("{what}, known by all"), spread(trials, |trial| trial.known_ms)));
            rows.push(("  all graphs equal again".into(), spread(trials, |trial| trial.equal_ms)));
        }
    }
    if let Some(memory) = &report.memory {
        rows.extend([
            ("memory of the process".into(), size(memory.process_bytes)),
            ("  for each node".into(), size(memory.per_node_bytes)),
            (
                "  for each node a node knows".into(),
                format!("{} bytes", memory.per_known_member_bytes),
            ),
        ]);
    }
    rows.push(("took".into(), format!("{:.1} s", report.wall_s)));
    rows.push(("  processor time".into(), format!("{:.1} s", report.cpu_s)));
    rows.iter().map(|(what, value): &(String, String)| format!("{what:<32}  {value}\n")).collect()
}

fn since(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "never".into(), |seconds| format!("{seconds:.1} s"))
}

fn bytes(per_second: f64) -> String {
    format!("{per_second:.0} bytes/s")
}

/// `8: 12, 9: 88`.
fn degrees(counts: &[usize]) -> String {
    let some = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let shown: Vec<String> = some.map(|(links, count)| format!("{links}: {count}")).collect();
    if shown.is_empty() { "-".into() } else { shown.join(", ") }
}

fn spread(trials: &[Trial], time: fn(&Trial) -> Option<u64>) -> String {
    let at = |percent| percentile(trials.iter().map(time), percent);
    match (at(50), at(100)) {
        (Some(median), Some(most)) => {
            format!("{median} ms, at most {most} ms ({} times)", trials.len())
        }
        _ => "not each time".into(),
    }
}
