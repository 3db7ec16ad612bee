//! Drawing what is known, at any size.
//!
//! PURE: a model and a way to look at it in, cells out.

mod header;
mod help;
mod letters;
mod log;
mod peers;
mod transfers;
mod words;

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table};

use super::super::called::hint;
use super::model::Model;
use super::screen::{Panel, Screen};
pub use words::Theme;

/// Fewer columns or rows than this show nothing one could use.
const COLUMNS_MIN: u16 = 60;
const ROWS_MIN: u16 = 16;
/// From so many columns on, transfers and letters stand side by side.
const WIDE_COLUMNS: u16 = 140;
/// Rows that each panel has at least: its title, what stands above its rows, and one of these (peers two).
const PANEL_ROWS_MIN: [u16; 4] = [4, 3, 3, 3];
/// Rows that the log would like to have.
const LOG_ROWS: u16 = 9;

/// Draws all of it.
pub fn draw(frame: &mut Frame, model: &Model, screen: &mut Screen, theme: Theme, now_ms: u64) {
    let area = frame.area();
    if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
        return too_small(frame, area);
    }
    let head = header::lines(model, screen, area.width.into(), theme, now_ms);
    let rows = u16::try_from(head.len()).unwrap_or(1);
    let parts = [Constraint::Length(rows), Constraint::Fill(1), Constraint::Length(1)];
    let [top, body, bottom] = Layout::vertical(parts).areas(area);
    frame.render_widget(Paragraph::new(head), top);
    for (panel, area) in places(body, model, screen) {
        let mut place = Place { frame: &mut *frame, area, panel, screen, theme, met: model.met };
        match panel {
            Panel::Peers => peers::draw(&mut place, model, now_ms),
            Panel::Transfers => transfers::draw(&mut place, model),
            Panel::Letters => letters::draw(&mut place, model, now_ms),
            Panel::Log => log::draw(&mut place, model),
        }
    }
    if model.lost.is_some() {
        // What is shown may be otherwise by now.
        frame.buffer_mut().set_style(body, theme.quiet());
    }
    frame.render_widget(help::footer(screen, bottom.width.into(), theme), bottom);
    if screen.help {
        help::draw(frame, area, theme);
    }
}

fn too_small(frame: &mut Frame, area: Rect) {
    let text = format!(
        "{} x {} is too small:\n{COLUMNS_MIN} x {ROWS_MIN} at least\n(q quits)",
        area.width, area.height
    );
    frame.render_widget(Paragraph::new(text).alignment(Alignment::Center), area);
}

/// Where each panel that is shown stands.
fn places(body: Rect, model: &Model, screen: &Screen) -> Vec<(Panel, Rect)> {
    if screen.alone {
        return vec![(screen.focus, body)];
    }
    let wanted = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2);
    let few = |rows: usize| wanted(rows).min(body.height / 4);
    let (transfers, letters) = (few(model.transfers.len()), few(model.letters.len()));
    let peers = wanted(model.peers.len());
    if body.width < WIDE_COLUMNS {
        let heights = shared(body.height, PANEL_ROWS_MIN, [peers, transfers, letters, LOG_ROWS]);
        let areas = Layout::vertical(heights.map(Constraint::Length)).areas::<4>(body);
        return Panel::ALL.into_iter().zip(areas).collect();
    }
    let [least_peers, least, _, least_log] = PANEL_ROWS_MIN;
    let wants = [peers, transfers.max(letters), LOG_ROWS];
    let heights = shared(body.height, [least_peers, least, least_log], wants);
    let [top, middle, bottom] = Layout::vertical(heights.map(Constraint::Length)).areas::<3>(body);
    let halves = [Constraint::Fill(1), Constraint::Fill(1)];
    let [left, right] = Layout::horizontal(halves).spacing(2).areas(middle);
    vec![
        (Panel::Peers, top),
        (Panel::Transfers, left),
        (Panel::Letters, right),
        (Panel::Log, bottom),
    ]
}

/// Shares rows in turn among those that still want some; the last one has what is left.
fn shared<const N: usize>(rows: u16, least: [u16; N], wanted: [u16; N]) -> [u16; N] {
    let mut heights = least;
    let mut left = rows.saturating_sub(least.iter().sum());
    while left > 0 {
        let before = left;
        for (height, wanted) in heights.iter_mut().zip(wanted) {
            if *height < wanted && left > 0 {
                *height += 1;
                left -= 1;
            }
        }
        if left == before {
            heights[N - 1] += left;
            left = 0;
        }
    }
    heights
}

/// A panel that is being drawn.
struct Place<'a, 'b> {
    frame: &'a mut Frame<'b>,
    area: Rect,
    panel: Panel,
    screen: &'a mut Screen,
    theme: Theme,
    /// What is not there is not there; else it may only not be known yet.
    met: bool,
}

impl Place<'_, '_> {
    /// Columns there are.
    fn columns(&self) -> usize {
        self.area.width.into()
    }

    /// Rows there are for rows, when so many stand above them.
    fn page(&self, above: u16) -> usize {
        self.area.height.saturating_sub(1 + above).into()
    }

    /// Which of `total` rows are seen below a line of names.
    fn window(&mut self, total: usize) -> Range<usize> {
        let page = self.page(1);
        self.screen.window(self.panel, total, page)
    }

    /// Draws the title; what is below it.
    fn titled(&mut self, note: &str, seen: &Range<usize>, fit: usize, all: usize) -> Rect {
        let focused = self.screen.focus == self.panel;
        let style = if focused { self.theme.focus() } else { self.theme.head() };
        let clear = Style::new().remove_modifier(Modifier::DIM);
        let name = format!(" {} {} ", self.panel as usize + 1, self.panel.title());
        let mut title = vec![Span::styled(name, clear.patch(style))];
        if !note.is_empty() {
            title.push(Span::styled(format!(" {note} "), clear));
        }
        let mut count = match (fit, all) {
            (fit, all) if fit < all => format!(" {fit} of {all} fit the filter "),
            (_, 0) => String::new(),
            (_, all) => format!(" {all} "),
        };
        if seen.len() < fit {
            count += &format!(" {}-{} seen ", seen.start + 1, seen.end);
        }
        let block = Block::new()
            .borders(Borders::TOP)
            .border_style(self.theme.quiet())
            .title_top(Line::from(title))
            .title_top(Line::styled(count, clear).alignment(Alignment::Right));
        let inner = block.inner(self.area);
        self.frame.render_widget(block, self.area);
        inner
    }

    /// Draws a table, or what there is to say when it has no rows.
    fn table(&mut self, inner: Rect, columns: &[(&str, usize)], rows: Vec<Row>, empty: &str) {
        if rows.is_empty() {
            return self.say(inner, &hint(empty));
        }
        let names = columns.iter().map(|(name, columns)| words::fit(name, *columns));
        let header = Row::new(names).style(self.theme.head());
        let widths = columns.iter().map(|(_, columns)| length(*columns));
        let table = Table::new(rows, widths).header(header).column_spacing(SPACING);
        self.frame.render_widget(table, inner);
    }

    /// Draws what there is to say instead of rows.
    fn say(&mut self, inner: Rect, empty: &str) {
        let text = match () {
            () if !self.met => "not known yet",
            () if self.screen.filter.is_empty() => empty,
            () => "nothing here fits the filter",
        };
        let text = words::fit(text, inner.width.into());
        self.frame.render_widget(Paragraph::new(text).style(self.theme.quiet()), inner);
    }
}

/// Columns between two columns.
const SPACING: u16 = 1;

fn length(columns: usize) -> Constraint {
    Constraint::Length(u16::try_from(columns).unwrap_or(u16::MAX))
}

/// What is left of `columns` when these take theirs, with the space before each and before what is left.
fn rest(columns: usize, taken: &[usize]) -> usize {
    let spaces = taken.len() * usize::from(SPACING);
    columns.saturating_sub(taken.iter().sum::<usize>() + spaces)
}

#[cfg(test)]
mod tests;
