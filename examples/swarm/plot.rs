//! Convergence over time as an SVG: the share of the nodes that know the truth, phase after phase.

use std::fmt::Write;

use crate::measure::Point;
use crate::report::{PhaseReport, Report, RunReport};
use crate::table::time;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 80.0;
const BOTTOM: f64 = 50.0;
/// A phase is drawn at least that wide.
const NARROWEST: f64 = 70.0;
const MEMBERS: &str = "#0b6e99";
const LINKS: &str = "#c4541a";

/// Draws the first of the runs. Within a phase the time is even; long phases are drawn narrower than they are
/// long (by the root of their length), or ten quiet minutes would hide the second in which all is decided.
pub fn svg(report: &Report) -> String {
    let title = format!(
        "{}: {} nodes, {} % lost",
        escaped(&report.scenario),
        report.nodes,
        report.loss_percent
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let Some(run) = report.runs.first() else { return svg + "</svg>\n" };
    text(&mut svg, LEFT, 22.0, "start", "#222", &format!("{title}, seed {}", run.seed));
    for (x, color, name) in [
        (LEFT, MEMBERS, "show exactly who is there"),
        (LEFT + 230.0, LINKS, "have had every link since the last change"),
    ] {
        line(&mut svg, (x, 40.0), (x + 24.0, 40.0), color, "2");
        text(&mut svg, x + 30.0, 44.0, "start", "#222", name);
    }
    for percent in [0, 25, 50, 75, 100] {
        let y = height(f64::from(percent) / 100.0);
        line(&mut svg, (LEFT, y), (WIDTH - RIGHT, y), "#ddd", "1");
        text(&mut svg, LEFT - 8.0, y + 4.0, "end", "#444", &format!("{percent} %"));
    }
    draw(&mut svg, run);
    svg + "</svg>\n"
}

fn draw(svg: &mut String, run: &RunReport) {
    let drawn: Vec<&PhaseReport> = run.phases.iter().filter(|phase| phase.took_s > 0.0).collect();
    let roots: f64 = drawn.iter().map(|phase| phase.took_s.sqrt()).sum();
    let room = WIDTH - LEFT - RIGHT;
    let narrowest = NARROWEST.min(room / drawn.len().max(1) as f64);
    let spare = room - narrowest * drawn.len() as f64;
    let mut left = LEFT;
    let (mut members, mut links) = (Vec::new(), Vec::new());
    for phase in drawn {
        let width = narrowest + spare * phase.took_s.sqrt() / roots;
        line(svg, (left, TOP - 14.0), (left, HEIGHT - BOTTOM), "#888", "1");
        text(svg, left + 4.0, TOP - 6.0, "start", "#222", &escaped(&phase.name));
        text(svg, left + 2.0, HEIGHT - BOTTOM + 16.0, "start", "#444", "0");
        let took = time((phase.took_s * 1000.0) as u64);
        text(svg, left + width - 4.0, HEIGHT - BOTTOM + 30.0, "end", "#444", &took);
        for Point { at_s, members: shown, links: exact } in &phase.curve {
            let x = left + width * ((at_s - phase.began_s) / phase.took_s).clamp(0.0, 1.0);
            members.push((x, height(*shown)));
            links.push((x, height(*exact)));
        }
        left += width;
    }
    line(svg, (left, TOP - 14.0), (left, HEIGHT - BOTTOM), "#888", "1");
    path(svg, &links, LINKS);
    path(svg, &members, MEMBERS);
    if run.broken.is_some() {
        text(svg, left - 4.0, TOP + 20.0, "end", "#b00020", "a law was broken here");
    }
}

/// Where a share is drawn.
fn height(share: f64) -> f64 {
    HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), color: &str, width: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\" \
         stroke-width=\"{width}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, color: &str, words: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\">{words}</text>"
    );
}

fn path(svg: &mut String, points: &[(f64, f64)], color: &str) {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
        points.join(" ")
    );
}

/// Text that cannot be taken for markup.
fn escaped(words: &str) -> String {
    let safe = kith::text::escape(words);
    safe.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
