//! What the daemon logs.

use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::super::news::{Level, LogLine};
use super::words::{escaped, time_of_day};
use super::{Model, Place, Theme};

/// Columns of the word for how bad it is.
const LEVEL: usize = 5;
/// Most columns of which part says it.
const TARGET_COLUMNS_MAX: usize = 24;

/// Draws the panel: the newest line is at the bottom.
pub fn draw(place: &mut Place, model: &Model) {
    // The lines that fit, each with its place among all there ever were.
    let oldest = model.logged.saturating_sub(model.log.len() as u64) + 1;
    let numbered = (oldest..).zip(&model.log);
    let fit: Vec<(u64, &LogLine)> = numbered.filter(|(_, line)| shows(place, line)).collect();
    let page = place.page(0);
    let newer = |than: u64| fit.len() - fit.partition_point(|(number, _)| *number <= than);
    let seen = place.screen.log_window(fit.len(), page, model.logged, newer);
    let inner = place.titled("times are UTC", &seen, fit.len(), model.log.len());
    let seen = fit.get(seen).unwrap_or_default();
    if seen.is_empty() {
        return place.say(inner, "nothing was logged yet");
    }
    let (columns, theme) = (place.columns(), place.theme);
    let lines: Vec<Line> = seen.iter().map(|(_, line)| row(line, columns, theme)).collect();
    place.frame.render_widget(Paragraph::new(lines), inner);
}

fn shows(place: &Place, line: &LogLine) -> bool {
    place.screen.shows([line.level.as_str(), &line.target, &line.text])
}

fn row(line: &LogLine, columns: usize, theme: Theme) -> Line<'static> {
    let style = match line.level {
        Level::Error => theme.bad(),
        Level::Warn => theme.warn(),
        Level::Info => theme.good(),
        Level::Debug | Level::Trace => theme.quiet(),
    };
    let time = time_of_day(line.at_ms);
    let target = format!("{}:", escaped(&line.target, TARGET_COLUMNS_MAX));
    let room = columns.saturating_sub(time.width() + LEVEL + target.width() + 3);
    Line::from(vec![
        Span::styled(time, theme.quiet()),
        Span::styled(format!(" {:LEVEL$} ", line.level.as_str()), style),
        Span::styled(target, theme.quiet()),
        Span::raw(format!(" {}", escaped(&line.text, room))),
    ])
}
