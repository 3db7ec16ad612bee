//! Letters that were sent from here, and how many came.

use ratatui::text::Line;
use ratatui::widgets::Row;

use super::super::super::called::hint;
use super::words::{foreign, or_dash, right};
use super::{Model, Place, Theme, rest};
use crate::api::shapes::{Letter, LetterState};
use crate::cli::table::ago;

/// Columns of each part; those of the reader and of the reason follow from the width.
const LETTER: usize = 8;
const STATE: usize = 9;
const TRIES: usize = 5;
const WRITTEN: usize = 7;

/// Draws the panel.
pub fn draw(place: &mut Place, model: &Model, now_ms: u64) {
    let shows = |letter: &&Letter| {
        let (id, to) = (letter.id.0.to_string(), letter.to.0.to_string());
        place.screen.shows([&id, &to, &letter.label, letter.state.as_str(), &letter.why])
    };
    let fit: Vec<&Letter> = model.letters.iter().filter(shows).collect();
    let seen = place.window(fit.len());
    let open = model.letters.iter().filter(|letter| !letter.state.is_over()).count();
    let mut note = Vec::new();
    if model.unread > 0 {
        note.push(format!("{} unread: {}", model.unread, hint("node pull")));
    }
    if open > 0 {
        note.push(format!("{open} under way"));
    }
    let inner = place.titled(&note.join(", "), &seen, fit.len(), model.letters.len());
    let columns = Columns::of(place.columns());
    let theme = place.theme;
    let seen = fit.get(seen).unwrap_or_default();
    let rows = seen.iter().map(|letter| columns.row(letter, theme, now_ms)).collect();
    place.table(
        inner,
        &columns.names(),
        rows,
        "none was sent; node push --to WHO --msg TEXT sends one",
    );
}

struct Columns {
    to: usize,
    why: usize,
}

impl Columns {
    fn of(columns: usize) -> Columns {
        // The reader, and a space behind it.
        let left = rest(columns, &[LETTER, STATE, TRIES, WRITTEN]).saturating_sub(1);
        let to = left / 2;
        Columns { to, why: left - to }
    }

    fn names(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("LETTER", LETTER),
            ("TO", self.to),
            ("STATE", STATE),
            ("TRIES", TRIES),
            ("WRITTEN", WRITTEN),
            ("WHY", self.why),
        ]
    }

    fn row(&self, letter: &Letter, theme: Theme, now_ms: u64) -> Row<'static> {
        let style = match letter.state {
            LetterState::Delivered | LetterState::Read => theme.good(),
            LetterState::Failed | LetterState::Expired => theme.bad(),
            LetterState::Queued => theme.warn(),
            LetterState::Sent | LetterState::Stored => theme.busy(),
        };
        let short = letter.to.0.short();
        let room = self.to.saturating_sub(short.len() + 3);
        let to = match letter.label.as_str() {
            "" => short,
            label => format!("{} ({short})", foreign(label, room)),
        };
        Row::new([
            Line::raw(letter.id.0.short()),
            Line::raw(to),
            Line::styled(letter.state.as_str(), style),
            Line::raw(right(&letter.tries.to_string(), TRIES)),
            Line::raw(right(&ago(letter.created_ms, now_ms), WRITTEN)),
            Line::raw(or_dash(&letter.why, self.why)),
        ])
    }
}
