//! What is being shared and got.

use ratatui::text::{Line, Span};
use ratatui::widgets::Row;

use super::words::{bar, foreign, or_dash, right};
use super::{Model, Place, Theme, rest};
use crate::api::shapes::{Kind, Phase, Transfer};
use crate::cli::table::{eta, percent, rate};
use crate::text::size;

/// Columns of each part; those of the name and of the reason follow from the width.
const NUMBER: usize = 3;
const PHASE: usize = 9;
const PERCENT: usize = 5;
const SIZE: usize = 8;
const RATE: usize = 10;
const ETA: usize = 7;
/// The bar on a narrow and on a wide screen, and from how many columns of the panel on it is that.
const BAR: usize = 8;
const LONG_BAR: usize = 20;
const WIDE: usize = 110;

/// Draws the panel.
pub fn draw(place: &mut Place, model: &Model) {
    // Newest first: what was begun last is what somebody waits for.
    let all = model.transfers.values().rev();
    let fit: Vec<&Transfer> = all.filter(|t| shows(place, t)).collect();
    let seen = place.window(fit.len());
    let running = model.transfers.values().filter(|t| !t.phase.is_over()).count();
    let note = if running > 0 { format!("{running} under way") } else { String::new() };
    let inner = place.titled(&note, &seen, fit.len(), model.transfers.len());
    let columns = Columns::of(place.columns());
    let theme = place.theme;
    let rows = fit.get(seen).unwrap_or_default().iter().map(|t| columns.row(t, theme)).collect();
    let empty =
        "nothing is being shared or got; node share PATH prints a ticket, node get TICKET uses it";
    place.table(inner, &columns.names(), rows, empty);
}

fn shows(place: &Place, t: &Transfer) -> bool {
    let number = t.transfer.to_string();
    let says = [number.as_str(), &t.name, &t.path, word(t), t.bottleneck.as_deref().unwrap_or("")];
    place.screen.shows(says)
}

fn word(t: &Transfer) -> &'static str {
    match (t.kind, t.phase) {
        (Kind::Share, Phase::Done) => "shared",
        (_, phase) => phase.as_str(),
    }
}

struct Columns {
    name: usize,
    bar: usize,
    /// Whether there is room for how large it is.
    size: bool,
    why: usize,
}

impl Columns {
    fn of(columns: usize) -> Columns {
        let wide = columns >= WIDE;
        let bar = if wide { LONG_BAR } else { BAR };
        let mut taken = vec![NUMBER, PHASE, bar, PERCENT, RATE, ETA];
        taken.extend(wide.then_some(SIZE));
        // The name, and a space behind it.
        let left = rest(columns, &taken).saturating_sub(1);
        let name = left * 9 / 20;
        Columns { name, bar, size: wide, why: left - name }
    }

    fn names(&self) -> Vec<(&'static str, usize)> {
        let mut names = vec![
            (" NR", NUMBER),
            ("NAME", self.name),
            ("PHASE", PHASE),
            ("DONE", self.bar),
            ("", PERCENT),
        ];
        names.extend(self.size.then_some(("    SIZE", SIZE)));
        names.extend([("      RATE", RATE), ("    ETA", ETA), ("LIMITED BY", self.why)]);
        names
    }

    fn row(&self, t: &Transfer, theme: Theme) -> Row<'static> {
        let style = match t.phase {
            Phase::Done => theme.good(),
            Phase::Failed | Phase::Full => theme.bad(),
            Phase::Stopped => theme.quiet(),
            _ => theme.busy(),
        };
        let moving = !t.phase.is_over() && t.bytes_per_second > 0;
        let rate = if moving { rate(t.bytes_per_second) } else { "-".into() };
        let (why, why_style) = match (&t.problem, &t.bottleneck) {
            (Some(problem), _) => (problem.as_str(), theme.bad()),
            (None, Some(bottleneck)) => (bottleneck.as_str(), theme.quiet()),
            (None, None) => ("-", theme.quiet()),
        };
        let mut cells = vec![
            Line::raw(right(&t.transfer.to_string(), NUMBER)),
            Line::raw(or_dash(&t.name, self.name)),
            Line::styled(word(t), style),
            Line::from(bar(t.bytes_done, t.bytes, self.bar, theme)),
            Line::raw(right(&format!("{} %", percent(t)), PERCENT)),
        ];
        cells.extend(self.size.then(|| Line::raw(right(&size(t.bytes), SIZE))));
        cells.extend([
            Line::raw(right(&rate, RATE)),
            Line::raw(right(&t.eta_s.map_or("-".into(), eta), ETA)),
            Line::from(Span::styled(foreign(why, self.why), why_style)),
        ]);
        Row::new(cells)
    }
}
