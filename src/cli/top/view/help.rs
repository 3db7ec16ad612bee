//! What keys do: one line at the bottom, and all of it on demand.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::super::super::called::hint;
use super::words::fit;
use super::{Screen, Theme};

const KEYS: [(&str, &str); 12] = [
    ("q  Esc  Ctrl-C", "quit"),
    ("/", "show only what has this in it: names, ids, states, the log"),
    ("Esc", "show all again"),
    ("1 2 3 4  Tab", "choose a panel"),
    ("Enter  z", "only this panel, or all again"),
    ("arrows  j k", "scroll the chosen panel"),
    ("PgUp PgDn", "scroll it by a page"),
    ("Home End  g G", "to its beginning, to its end"),
    ("s", "sort peers: label, state, round trip, last change"),
    ("p  Space", "pause what is shown; the daemon goes on"),
    ("?", "this help"),
    ("", ""),
];
const NOTES: [&str; 3] = [
    "LAST ROUND TRIPS: one a second, at most 60, newest right;",
    "the highest bar of a peer is its slowest.",
    "The log follows its end until it is scrolled up.",
];
/// Columns of the names of keys.
const NAMES: usize = 15;

/// The line at the bottom.
pub fn footer(screen: &Screen, columns: usize, theme: Theme) -> Paragraph<'static> {
    if screen.typing {
        let keys = "   Enter keeps it, Esc shows all";
        let filter = end_of(&screen.filter, columns.saturating_sub(keys.width() + 2));
        let typed = Span::styled(format!("/{filter}█"), theme.head());
        return Paragraph::new(Line::from(vec![typed, Span::styled(keys, theme.quiet())]));
    }
    if !screen.filter.is_empty() {
        let keys = "   Esc shows all, / changes it, ? help";
        let filter = end_of(&screen.filter, columns.saturating_sub(keys.width() + 12));
        let shown = Span::styled(format!("only with \"{filter}\""), theme.head());
        return Paragraph::new(Line::from(vec![shown, Span::styled(keys, theme.quiet())]));
    }
    let keys = "? help  / filter  Tab 1-4 panel  Enter alone  s sort peers  p pause  q quit";
    Paragraph::new(fit(keys, columns)).style(theme.quiet())
}

/// As much of what was typed last as fits. It is the reader's own text, but may have been pasted.
fn end_of(filter: &str, columns: usize) -> String {
    let mut shown = crate::text::tame(filter, usize::MAX);
    while shown.width() > columns && !shown.is_empty() {
        shown.remove(0);
    }
    shown
}

/// The box with all keys.
pub fn draw(frame: &mut Frame, area: Rect, theme: Theme) {
    let key = |(key, does): &(&'static str, &'static str)| {
        let name = Span::styled(format!(" {key:NAMES$}  "), theme.head());
        Line::from(vec![name, Span::raw(*does)])
    };
    let lines: Vec<Line> =
        KEYS.iter().map(key).chain(NOTES.map(|note| Line::raw(format!(" {note}")))).collect();
    let columns = lines.iter().map(Line::width).max().unwrap_or(0);
    let size = |cells: usize| u16::try_from(cells).unwrap_or(u16::MAX);
    let middle = area.centered(
        ratatui::layout::Constraint::Length(size(columns + 3)),
        ratatui::layout::Constraint::Length(size(lines.len() + 2)),
    );
    let middle = middle.intersection(area);
    let block =
        Block::new().borders(Borders::ALL).title(hint(" node top ")).title_style(theme.head());
    frame.render_widget(Clear, middle);
    frame.render_widget(Paragraph::new(lines).block(block), middle);
}
