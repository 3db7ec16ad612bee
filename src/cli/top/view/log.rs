//! What the daemon logs.

use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::words::{broken, escaped, time_of_day};
use super::{Model, Place, Theme};
use crate::api::shapes::{Level, LogLine};

/// Columns of the time and of the word for how bad it is.
const TIME: usize = 8;
const LEVEL: usize = 5;
/// Most columns of which part says it.
const TARGET_COLUMNS_MAX: usize = 24;
/// Rows that one line may take where there is room for that.
const ROWS_MAX: usize = 8;

/// Draws the panel: the newest line is at the bottom.
pub fn draw(place: &mut Place, model: &Model) {
    // The lines that fit, each with its place among all there ever were.
    let oldest = model.logged.saturating_sub(model.log.len() as u64) + 1;
    let numbered = (oldest..).zip(&model.log);
    let fit: Vec<(u64, &LogLine)> = numbered.filter(|(_, line)| shows(place, line)).collect();
    let (columns, theme) = (place.columns(), place.theme);
    // With the screen for itself, nothing of a line is left out.
    let most = if place.screen.alone { ROWS_MAX } else { 1 };
    let row = |(number, line): &(u64, &LogLine)| {
        let number = *number;
        rows(line, columns, most, theme).into_iter().map(move |row| (number, row))
    };
    let all: Vec<(u64, Line)> = fit.iter().flat_map(row).collect();
    let page = place.page(0);
    let newer = |than: u64| all.len() - all.partition_point(|(number, _)| *number <= than);
    let seen = place.screen.log_window(all.len(), page, model.logged, newer);
    let rows: Vec<Line> =
        all.get(seen.clone()).unwrap_or_default().iter().map(|(_, row)| row.clone()).collect();
    let note = if all.len() > fit.len() {
        "times are UTC; long lines go on below"
    } else {
        "times are UTC"
    };
    let inner = place.titled(note, &seen, fit.len(), model.log.len());
    if rows.is_empty() {
        return place.say(inner, "nothing was logged yet");
    }
    place.frame.render_widget(Paragraph::new(rows), inner);
}

fn shows(place: &Place, line: &LogLine) -> bool {
    place.screen.shows([line.level.as_str(), &line.target, &line.text])
}

/// A line of the log in as many rows as it takes, `most` of them.
fn rows(line: &LogLine, columns: usize, most: usize, theme: Theme) -> Vec<Line<'static>> {
    let style = match line.level {
        Level::Error => theme.bad(),
        Level::Warn => theme.warn(),
        Level::Info => theme.good(),
        Level::Debug | Level::Trace => theme.quiet(),
    };
    // The last part of kith::actors::registry says enough.
    let target = line.target.rsplit("::").next().unwrap_or_default();
    let target = format!("{}:", escaped(target, TARGET_COLUMNS_MAX));
    let indent = TIME + LEVEL + target.width() + 3;
    let room = columns.saturating_sub(indent);
    let mut pieces =
        broken(&escaped(&line.text, room.saturating_mul(most)), room, most).into_iter();
    let mut rows = vec![Line::from(vec![
        Span::styled(time_of_day(line.at_ms), theme.quiet()),
        Span::styled(format!(" {:LEVEL$} ", line.level.as_str()), style),
        Span::styled(target, theme.quiet()),
        Span::raw(format!(" {}", pieces.next().unwrap_or_default())),
    ])];
    rows.extend(pieces.map(|piece| Line::raw(format!("{:indent$}{piece}", ""))));
    rows
}
