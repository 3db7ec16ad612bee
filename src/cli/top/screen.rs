//! How somebody looks at what is known: focus, filter, order, how far it is scrolled; and what keys do to that.
//!
//! PURE: a key in, another way to look out.

use std::ops::Range;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Longest filter, characters.
const FILTER_CHARS_MAX: usize = 64;

/// One part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// The other nodes.
    Peers,
    /// What is being shared and got.
    Transfers,
    /// Letters that were sent.
    Letters,
    /// What the daemon logs.
    Log,
}

impl Panel {
    /// All of them, from top to bottom.
    pub const ALL: [Panel; 4] = [Panel::Peers, Panel::Transfers, Panel::Letters, Panel::Log];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Panel::Peers => "Peers",
            Panel::Transfers => "Transfers",
            Panel::Letters => "Letters",
            Panel::Log => "Log",
        }
    }

    fn moved(self, by: usize) -> Panel {
        Panel::ALL[(self as usize + by) % Panel::ALL.len()]
    }
}

/// The order of the peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By label and id.
    #[default]
    Label,
    /// Trouble first, then by label.
    State,
    /// The slowest first; those without a link last.
    Rtt,
    /// Whatever changed last first.
    Since,
}

impl Sort {
    /// What it goes by.
    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Label => "label",
            Sort::State => "state",
            Sort::Rtt => "round trip",
            Sort::Since => "last change",
        }
    }

    fn next(self) -> Sort {
        match self {
            Sort::Label => Sort::State,
            Sort::State => Sort::Rtt,
            Sort::Rtt => Sort::Since,
            Sort::Since => Sort::Label,
        }
    }
}

/// How it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The panel that keys move.
    pub focus: Panel,
    /// The focused panel has the screen for itself.
    pub alone: bool,
    /// The order of the peers.
    pub sort: Sort,
    /// Only rows with this in them are shown.
    pub filter: String,
    /// It is being typed.
    pub typing: bool,
    /// The keys are shown.
    pub help: bool,
    /// What is shown stays as it is.
    pub paused: bool,
    scrolled: [Scrolled; 4],
}

/// How far a panel is scrolled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scrolled {
    /// Rows away from where it begins: the top, or for the log its newest line.
    rows: usize,
    /// How many rows were seen at once.
    page: usize,
    /// The newest row that there was; the log moves away from it without moving what is read.
    newest: u64,
}

impl Default for Screen {
    fn default() -> Screen {
        Screen {
            focus: Panel::Peers,
            alone: false,
            sort: Sort::default(),
            filter: String::new(),
            typing: false,
            help: false,
            paused: false,
            scrolled: Default::default(),
        }
    }
}

impl Screen {
    /// Takes one key. Whether to go on.
    #[must_use]
    pub fn press(&mut self, key: KeyEvent) -> bool {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return !matches!(key.code, KeyCode::Char('c' | 'C'));
        }
        if self.typing {
            self.write(key.code);
            return true;
        }
        match key.code {
            KeyCode::Char('q' | 'Q') => return false,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Esc => return false,
            KeyCode::Char('?') => self.help = !self.help,
            // Nothing moves that is not seen.
            _ if self.help => self.help = false,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('z') | KeyCode::Enter => self.alone = !self.alone,
            KeyCode::Char(digit @ '1'..='4') => {
                self.focus = Panel::ALL[(digit as usize) - ('1' as usize)];
            }
            KeyCode::Tab => self.focus = self.focus.moved(1),
            KeyCode::BackTab => self.focus = self.focus.moved(Panel::ALL.len() - 1),
            code => self.scroll(code),
        }
        true
    }

    fn write(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c)
                if !c.is_control() && self.filter.chars().count() < FILTER_CHARS_MAX =>
            {
                self.filter.push(c);
            }
            _ => {}
        }
    }

    fn scroll(&mut self, code: KeyCode) {
        let upwards = self.focus == Panel::Log;
        let scrolled = &mut self.scrolled[self.focus as usize];
        let page = scrolled.page.max(1);
        let (down, rows) = match code {
            KeyCode::Down | KeyCode::Char('j') => (true, 1),
            KeyCode::Up | KeyCode::Char('k') => (false, 1),
            KeyCode::PageDown => (true, page),
            KeyCode::PageUp => (false, page),
            KeyCode::End | KeyCode::Char('G') => (true, usize::MAX),
            KeyCode::Home | KeyCode::Char('g') => (false, usize::MAX),
            _ => return,
        };
        scrolled.rows = if down == upwards {
            scrolled.rows.saturating_sub(rows)
        } else {
            scrolled.rows.saturating_add(rows)
        };
    }

    /// Which of `total` rows of this panel are seen, when there is room for `page`.
    pub fn window(&mut self, panel: Panel, total: usize, page: usize) -> Range<usize> {
        let scrolled = &mut self.scrolled[panel as usize];
        scrolled.page = page;
        scrolled.rows = scrolled.rows.min(total.saturating_sub(page));
        scrolled.rows..total.min(scrolled.rows.saturating_add(page))
    }

    /// The same for the log, which begins at its end: `newer` counts the rows that are newer than the one with
    /// the number it is given, `newest` is the number of the newest.
    pub fn log_window(
        &mut self,
        total: usize,
        page: usize,
        newest: u64,
        newer: impl FnOnce(u64) -> usize,
    ) -> Range<usize> {
        let scrolled = &mut self.scrolled[Panel::Log as usize];
        if scrolled.rows > 0 {
            scrolled.rows = scrolled.rows.saturating_add(newer(scrolled.newest));
        }
        scrolled.newest = newest;
        let from_end = self.window(Panel::Log, total, page);
        total - from_end.end..total - from_end.start
    }

    /// Whether a row that says all this is shown.
    pub fn shows<'a>(&self, says: impl IntoIterator<Item = &'a str>) -> bool {
        if self.filter.is_empty() {
            return true;
        }
        let wanted = self.filter.to_lowercase();
        says.into_iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(screen: &mut Screen, code: KeyCode) -> bool {
        screen.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn write(screen: &mut Screen, text: &str) {
        text.chars().for_each(|c| assert!(press(screen, KeyCode::Char(c)), "{c}"));
    }

    #[test]
    fn three_keys_end_it() {
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert!(!press(&mut Screen::default(), code));
        }
        let ctrl = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        let mut screen = Screen { typing: true, help: true, ..Screen::default() };
        assert!(screen.press(ctrl('l')));
        assert!(!screen.press(ctrl('c')), "whatever else is going on");
    }

    #[test]
    fn escape_undoes_what_was_done_last_before_it_ends() {
        let mut screen = Screen::default();
        write(&mut screen, "/bob");
        assert!(press(&mut screen, KeyCode::Enter));
        write(&mut screen, "?");
        assert!(screen.help && screen.filter == "bob");
        assert!(press(&mut screen, KeyCode::Esc) && !screen.help && screen.filter == "bob");
        assert!(press(&mut screen, KeyCode::Esc) && screen.filter.is_empty());
        assert!(!press(&mut screen, KeyCode::Esc));
    }

    #[test]
    fn a_filter_takes_letters_that_are_keys_elsewhere() {
        let mut screen = Screen::default();
        write(&mut screen, "/q1?p /");
        assert!((screen.typing, screen.filter.as_str()) == (true, "q1?p /"));
        assert!(press(&mut screen, KeyCode::Backspace) && press(&mut screen, KeyCode::Tab));
        assert_eq!(screen.filter, "q1?p ");
        write(&mut screen, &"é".repeat(FILTER_CHARS_MAX * 2));
        assert_eq!(screen.filter.chars().count(), FILTER_CHARS_MAX);
        assert!(press(&mut screen, KeyCode::Esc));
        assert_eq!(screen, Screen::default());
        for _ in 0..3 {
            assert!(press(&mut screen, KeyCode::Backspace), "nothing is there to erase");
        }
    }

    #[test]
    fn a_filter_finds_any_part_in_any_case() {
        let mut screen = Screen::default();
        assert!(screen.shows([]) && screen.shows(["x"]));
        screen.filter = "ZoË".into();
        assert!(screen.shows(["alice", "my zoë's"]));
        assert!(!screen.shows(["zo", "ë"]) && !screen.shows([]));
    }

    #[test]
    fn panels_are_reached_by_number_and_in_turn() {
        let mut screen = Screen::default();
        for (digit, panel) in "1234".chars().zip(Panel::ALL) {
            write(&mut screen, &digit.to_string());
            assert_eq!(screen.focus, panel);
        }
        assert!(press(&mut screen, KeyCode::Tab));
        assert_eq!(screen.focus, Panel::Peers);
        assert!(press(&mut screen, KeyCode::BackTab));
        assert_eq!(screen.focus, Panel::Log);
        assert!(press(&mut screen, KeyCode::BackTab));
        assert_eq!(screen.focus, Panel::Letters);
        write(&mut screen, "05");
        assert_eq!(screen.focus, Panel::Letters);
        for order in [Sort::State, Sort::Rtt, Sort::Since, Sort::Label] {
            write(&mut screen, "s");
            assert_eq!(screen.sort, order);
        }
    }

    #[test]
    fn scrolling_stays_within_what_there_is() {
        let mut screen = Screen::default();
        let window = |screen: &mut Screen| screen.window(Panel::Peers, 25, 10);
        assert_eq!(window(&mut screen), 0..10);
        for (code, seen) in [
            (KeyCode::Up, 0..10),
            (KeyCode::Char('j'), 1..11),
            (KeyCode::PageDown, 11..21),
            (KeyCode::PageDown, 15..25),
            (KeyCode::Down, 15..25),
            (KeyCode::Char('k'), 14..24),
            (KeyCode::PageUp, 4..14),
            (KeyCode::End, 15..25),
            (KeyCode::Home, 0..10),
            (KeyCode::Char('G'), 15..25),
        ] {
            assert!(press(&mut screen, code));
            assert_eq!(window(&mut screen), seen, "{code:?}");
        }
        assert_eq!(screen.window(Panel::Letters, 25, 10), 0..10, "another panel stays");
        assert_eq!(screen.window(Panel::Peers, 3, 10), 0..3, "rows went away");
        assert_eq!(screen.window(Panel::Peers, 3, 0), 0..0);
        assert_eq!(screen.window(Panel::Peers, 0, 0), 0..0);
    }

    #[test]
    fn the_log_follows_until_it_is_scrolled_and_then_stands_still() {
        let mut screen = Screen { focus: Panel::Log, ..Screen::default() };
        // Lines are numbered from 1, and the oldest go away.
        let look = |screen: &mut Screen, oldest: u64, newest: u64| {
            let total = (newest - oldest + 1) as usize;
            let newer = |than: u64| (newest - than) as usize;
            let seen = screen.log_window(total, 5, newest, newer);
            oldest + seen.start as u64..oldest + seen.end as u64
        };
        assert_eq!(look(&mut screen, 1, 20), 16..21);
        assert_eq!(look(&mut screen, 1, 22), 18..23, "it follows");
        assert!(press(&mut screen, KeyCode::Up));
        assert_eq!(look(&mut screen, 1, 22), 17..22);
        assert_eq!(look(&mut screen, 1, 30), 17..22, "it stands still");
        assert_eq!(look(&mut screen, 11, 40), 17..22, "also when older ones go");
        assert_eq!(look(&mut screen, 19, 48), 19..24, "until its own are gone");
        assert!(press(&mut screen, KeyCode::PageUp));
        assert_eq!(look(&mut screen, 19, 48), 19..24);
        assert!(press(&mut screen, KeyCode::PageDown));
        assert_eq!(look(&mut screen, 19, 48), 24..29);
        assert!(press(&mut screen, KeyCode::End));
        assert_eq!(look(&mut screen, 19, 50), 46..51, "it follows again");
    }

    #[test]
    fn any_key_closes_the_help_and_does_nothing_else() {
        let mut screen = Screen::default();
        write(&mut screen, "??");
        assert!(!screen.help);
        write(&mut screen, "?s");
        assert_eq!(screen, Screen::default());
    }
}
