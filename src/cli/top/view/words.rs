//! Texts and styles: everything that peers wrote is made safe here, and fits.

use std::collections::VecDeque;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::api::shapes::{LinkWord, NodeState};
use crate::text::{escape_to, tame};

/// Marks that may stand on one letter; more of them would cover the rows above and below.
const MARKS_MAX: usize = 2;
/// Bars of a sparkline, lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The styles, with or without colours. What a colour says, a word beside it says, too.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Colours are wanted.
    pub colour: bool,
}

impl Theme {
    fn colour(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// All is well.
    pub fn good(self) -> Style {
        self.colour(Color::Green)
    }

    /// Look at it some time.
    pub fn warn(self) -> Style {
        self.colour(Color::Yellow)
    }

    /// Look at it now.
    pub fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Something is under way.
    pub fn busy(self) -> Style {
        self.colour(Color::Cyan)
    }

    /// Of no importance.
    pub fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What stands above others.
    pub fn head(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What keys go to.
    pub fn focus(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    /// The state of a node.
    pub fn node(self, state: NodeState) -> Style {
        match state {
            NodeState::Alive => self.good(),
            NodeState::Suspect => self.warn(),
            NodeState::Failed | NodeState::Unreachable => self.bad(),
            NodeState::Left | NodeState::Unknown => self.quiet(),
        }
    }

    /// What a link is doing.
    pub fn link(self, link: LinkWord) -> Style {
        match link {
            LinkWord::Up => self.good(),
            LinkWord::Connecting => self.warn(),
            LinkWord::Down => self.quiet(),
        }
    }
}

/// Text of others in at most `columns`, with `…` where something is missing.
pub fn foreign(text: &str, columns: usize) -> String {
    fit(&steady(&escape_to(text, columns)), columns)
}

/// The same for text that the daemon has escaped once already.
pub fn escaped(text: &str, columns: usize) -> String {
    fit(&steady(&tame(text, columns)), columns)
}

/// Text of others, or `-` if there is none.
pub fn or_dash(text: &str, columns: usize) -> String {
    if text.is_empty() { "-".into() } else { foreign(text, columns) }
}

/// Without the few things whose width terminals do not agree on.
fn steady(text: &str) -> String {
    let mut marks = 0;
    let mut shown = String::new();
    for c in text.chars() {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        match c {
            // Flags and colours of skin: two characters that some show as one.
            '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}' => shown.push('?'),
            // A mark needs something to stand on.
            _ if marks > MARKS_MAX || (marks > 0 && shown.is_empty()) => {}
            c => shown.push(c),
        }
    }
    shown
}

/// At most `columns` of it, with `…` where something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.into();
    }
    let room = columns.saturating_sub(1);
    let (mut shown, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        shown.push(c);
    }
    if columns > 0 {
        shown.push('…');
    }
    shown
}

/// The same in rows of `columns`, at most `rows` of them.
pub fn broken(text: &str, columns: usize, rows: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let width = c.width().unwrap_or(0);
        if used + width > columns {
            if pieces.len() >= rows || width > columns {
                let begun = pieces.pop().unwrap_or_default();
                pieces.push(fit(&(begun + &text[at..]), columns));
                return pieces;
            }
            pieces.push(String::new());
            used = 0;
        }
        used += width;
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}

/// The last of these round trips that fit, newest right; the highest bar is the slowest of them.
pub fn sparkline(rtts: &VecDeque<u32>, columns: usize) -> String {
    let seen = rtts.iter().skip(rtts.len().saturating_sub(columns));
    let top = u64::from(seen.clone().copied().max().unwrap_or(0)).max(1);
    let bar = |rtt: &u32| match u64::from(*rtt) {
        0 => ' ',
        rtt => {
            let height = (rtt * BARS.len() as u64).div_ceil(top);
            usize::try_from(height - 1).ok().and_then(|at| BARS.get(at)).copied().unwrap_or('█')
        }
    };
    let bars: String = seen.map(bar).collect();
    format!("{bars:>columns$}")
}

/// A bar of `columns` that is full when `done` is `all`, and not before.
pub fn bar(done: u64, all: u64, columns: usize, theme: Theme) -> Vec<Span<'static>> {
    let filled = match all {
        0 => 0,
        _ => (u128::from(done.min(all)) * columns as u128 / u128::from(all)) as usize,
    };
    vec![
        Span::styled("█".repeat(filled), theme.busy()),
        Span::styled("░".repeat(columns - filled), theme.quiet()),
    ]
}

/// Right-aligned.
pub fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(text.width())))
}

/// The time of day (UTC) of Unix milliseconds.
pub fn time_of_day(ms: u64) -> String {
    let s = ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_wrote_fits_and_does_no_harm() {
        for (text, shown) in [
            ("alice", "alice"),
            ("a label that is too long", "a label …"),
            ("\x1b[2J\u{202e}x", "\\u{1b}[2…"),
            ("電腦電腦電腦", "電腦電腦…"),
            ("x電腦電腦電腦", "x電腦電…"),
            ("שלום", "שלום"),
            ("e\u{301}\u{301}\u{301}\u{301}!", "e\u{301}\u{301}!"),
            ("\u{301}x", "x"),
            ("🇩🇪👍🏽", "??👍?"),
            ("", ""),
        ] {
            assert_eq!(foreign(text, 9), shown, "{text:?}");
            assert!(foreign(text, 9).width() <= 9);
        }
        assert_eq!((foreign("x", 0).as_str(), foreign("xy", 1).as_str()), ("", "…"));
        assert_eq!(or_dash("", 3), "-");
    }

    #[test]
    fn what_was_escaped_is_not_escaped_again() {
        assert_eq!(escaped(r"a \u{1b} b", 20), r"a \u{1b} b");
        assert_eq!(escaped("a \x1b\u{202e}", 40), r"a \u{1b}\u{202e}");
        assert_eq!(escaped("a longer one", 5), "a lo…");
    }

    #[test]
    fn a_long_text_is_broken_into_rows() {
        let rows = |text, columns, most| broken(text, columns, most).join("|");
        assert_eq!(rows("abcdefgh", 3, 9), "abc|def|gh");
        assert_eq!(rows("abcdefgh", 3, 2), "abc|de…");
        assert_eq!(rows("abcdef", 3, 2), "abc|def");
        assert_eq!(rows("電腦電腦", 3, 9), "電|腦|電|腦");
        assert_eq!(rows("abc", 9, 1), "abc");
        assert_eq!(
            (rows("", 3, 2), rows("電", 1, 2), rows("x", 0, 2)),
            ("".into(), "…".into(), "".into())
        );
    }

    #[test]
    fn a_sparkline_ends_with_the_newest() {
        let rtts = VecDeque::from([800, 0, 100, 200, 799, 800]);
        assert_eq!(sparkline(&rtts, 8), "  █ ▁▂██");
        assert_eq!(sparkline(&rtts, 3), "▂██");
        assert_eq!(sparkline(&rtts, 0), "");
        assert_eq!(sparkline(&VecDeque::from([0, 0]), 3), "   ");
        assert_eq!(sparkline(&VecDeque::from([1, u32::MAX]), 2), "▁█");
        assert_eq!(sparkline(&VecDeque::from([5, 5]), 2), "██");
    }

    #[test]
    fn a_bar_is_full_only_when_all_is_done() {
        let plain = |done, all, columns| -> String {
            let theme = Theme { colour: false };
            bar(done, all, columns, theme).into_iter().map(|span| span.content).collect()
        };
        assert_eq!(plain(0, 0, 3), "░░░");
        assert_eq!(plain(999, 1000, 4), "███░");
        assert_eq!(plain(1000, 1000, 4), "████");
        assert_eq!(plain(5, 1, 4), "████", "nonsense");
        assert_eq!(plain(u64::MAX, u64::MAX, 4), "████");
        assert_eq!(plain(1, 2, 0), "");
    }

    #[test]
    fn times_and_numbers_are_aligned() {
        assert_eq!(time_of_day(1_700_000_065_000), "22:14:25");
        assert_eq!(time_of_day(0), "00:00:00");
        assert_eq!(
            (right("7", 3), right("電", 3), right("long", 3)),
            ("  7".into(), " 電".into(), "long".into())
        );
    }
}
