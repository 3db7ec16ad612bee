use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use super::super::model::{Model, Row};
use super::super::news::News;
use super::super::samples::{NOW_MS, busy, line, status};
use super::super::screen::{Panel, Screen, Sort};
use super::*;
use crate::api::shapes::{Health, Level, LogLine};

const PLAIN: Theme = Theme { colour: false };

/// The two sizes that are kept as pictures.
const SIZES: [(u16, u16); 2] = [(80, 24), (200, 50)];

fn drawn(size: (u16, u16), model: &Model, screen: &mut Screen, theme: Theme) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(frame, model, screen, theme, NOW_MS)).unwrap();
    terminal.backend().clone()
}

/// Compares with the pictures of this name, one for each size.
#[track_caller]
fn pictured(name: &str, model: &Model, screen: &Screen) {
    for size in SIZES {
        let backend = drawn(size, model, &mut screen.clone(), PLAIN);
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), backend);
    }
}

fn text(size: (u16, u16), model: &Model, screen: &mut Screen) -> String {
    drawn(size, model, screen, PLAIN).to_string()
}

fn screen(change: impl FnOnce(&mut Screen)) -> Screen {
    let mut screen = Screen::default();
    change(&mut screen);
    screen
}

fn press(screen: &mut Screen, code: KeyCode) {
    assert!(screen.press(KeyEvent::new(code, KeyModifiers::NONE)));
}

#[test]
fn a_network_with_a_dead_node_and_a_transfer() {
    pictured("busy", &busy(), &Screen::default());
}

#[test]
fn nothing_is_known_yet() {
    pictured("empty", &Model::default(), &Screen::default());
}

#[test]
fn all_is_well() {
    let mut model = busy();
    model.peers.retain(|row| row.peer.rtt_us.is_some());
    model.transfers.clear();
    model.letters.clear();
    model.unread = 0;
    pictured("normal", &model, &Screen::default());
}

#[test]
fn the_help() {
    pictured("help", &busy(), &screen(|s| s.help = true));
}

#[test]
fn a_filter_and_one_being_typed() {
    let filtered = screen(|s| s.filter = "BOB".into());
    pictured("filter", &busy(), &filtered);
    let typing = screen(|s| (s.filter, s.typing) = ("nothing has this".into(), true));
    pictured("typing", &busy(), &typing);
}

#[test]
fn trouble_and_a_daemon_that_went_away() {
    let mut sick = status();
    sick.health = Health::Degraded;
    sick.problems = vec!["no link to any of the configured peers yet".into(), "another".into()];
    let mut model = busy();
    model.hear(News::Status(Box::new(sick)), NOW_MS);
    let seen = text((80, 24), &model, &mut Screen::default());
    assert!(seen.contains("is degraded, "), "{seen}");
    assert!(
        seen.contains("! no link to any of the configured peers yet (and 1 more: node status)")
    );
    model.hear(News::Lost("no daemon to ask: it \x1b was ended".into()), NOW_MS - 7000);
    let mut screen = screen(|s| s.paused = true);
    let seen = text((80, 24), &model, &mut screen);
    assert!(seen.contains("NOT CONNECTED for 7 s, trying again: no daemon to ask: it \\u{1b} was"));
    assert!(seen.contains("paused, p goes on"), "{seen}");
    let backend = drawn((80, 24), &model, &mut Screen::default(), PLAIN);
    let below = &backend.buffer().content()[2 * 80..23 * 80];
    assert!(below.iter().all(|cell| cell.modifier.contains(Modifier::DIM)), "it is out of date");
}

/// Labels that peers chose to harm whoever looks: control characters, another direction of writing, marks without
/// end, wide letters, flags, and far too long.
fn hostile() -> Model {
    let mut model = busy();
    let evil = [
        "\x1b[2J\x1b[31m".to_owned(),
        "\u{202e}gpj.exe\u{2066}".into(),
        "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}".repeat(9),
        "電腦".repeat(20),
        "🇩🇪🇫🇷👍🏽👩\u{200d}🚀".into(),
        "שלום עולם مرحبا".into(),
        "\r\n\t\0\u{9b}31m\u{7f}".into(),
    ];
    for (row, label) in model.peers.iter_mut().zip(&evil) {
        row.peer.label.clone_from(label);
        row.peer.problem = Some(label.clone());
    }
    for (transfer, label) in model.transfers.values_mut().zip(&evil) {
        transfer.name.clone_from(label);
        transfer.problem = Some(label.clone());
    }
    for (letter, label) in model.letters.iter_mut().zip(&evil) {
        letter.label.clone_from(label);
        letter.why.clone_from(label);
    }
    for (number, label) in (100..).zip(&evil) {
        let line = LogLine { target: label.clone(), ..line(number, Level::Info, label) };
        model.hear(News::Log(line), NOW_MS);
    }
    let mut us = status();
    us.label.clone_from(&evil[3]);
    us.problems = vec![evil[0].clone()];
    us.version.clone_from(&evil[4]);
    model.hear(News::Status(Box::new(us)), NOW_MS);
    model
}

#[test]
fn hostile_labels_stay_in_their_cells() {
    let model = hostile();
    pictured("hostile", &model, &Screen::default());
    let harmless = drawn((200, 50), &busy(), &mut Screen::default(), PLAIN);
    let backend = drawn((200, 50), &model, &mut Screen::default(), PLAIN);
    for cell in backend.buffer().content() {
        let acts = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!cell.symbol().contains(acts), "{:?}", cell.symbol());
        assert!(cell.symbol().width() <= 2 && cell.symbol().chars().count() <= 3);
    }
    // What stands behind the labels stands where it always does: here the ids of the peers.
    let ids = |backend: &TestBackend| -> Vec<usize> {
        let cells = backend.buffer().content();
        let lines =
            cells.chunks(200).map(|line| line.iter().map(|c| c.symbol()).collect::<Vec<_>>());
        lines.filter_map(|line| line.windows(8).position(|w| w.concat() == "22222222")).collect()
    };
    assert_eq!(ids(&harmless).len(), ids(&backend).len());
    let column = |backend: &TestBackend, id: &str| {
        let cells = backend.buffer().content();
        let mut lines =
            cells.chunks(200).map(|line| line.iter().map(|c| c.symbol()).collect::<Vec<_>>());
        lines.find_map(|line| line.windows(8).position(|w| w.concat() == id))
    };
    let columns: Vec<_> =
        ["22222222", "33333333", "44444444", "55555555"].map(|id| column(&backend, id)).into();
    assert!(columns[0].is_some() && columns.iter().all(|c| *c == columns[0]), "{columns:?}");
}

#[test]
fn a_tiny_terminal_says_what_it_needs() {
    let seen = text((40, 10), &busy(), &mut Screen::default());
    assert!(seen.contains("40 x 10 is too small") && seen.contains("60 x 16 at least"), "{seen}");
    let seen = text((60, 16), &busy(), &mut Screen::default());
    for panel in Panel::ALL {
        assert!(seen.contains(panel.title()), "{seen}");
    }
}

#[test]
fn one_panel_may_have_it_all() {
    let mut screen = screen(|s| (s.focus, s.alone) = (Panel::Letters, true));
    let seen = text((80, 24), &busy(), &mut screen);
    assert!(seen.contains("3 Letters") && seen.contains("3 unread: node pull, 1 under way"));
    assert!(!seen.contains("1 Peers") && !seen.contains("4 Log"));
}

#[test]
fn nothing_of_the_log_is_left_out_when_it_has_the_screen() {
    let mut model = busy();
    let text = "word ".repeat(40) + "end";
    model.hear(News::Log(line(90, Level::Warn, &text)), NOW_MS);
    let mut screen = screen(|s| s.focus = Panel::Log);
    let seen = super::tests::text((80, 24), &model, &mut screen);
    assert!(seen.contains("word…") && !seen.contains("end"), "{seen}");
    screen.alone = true;
    let seen = super::tests::text((80, 24), &model, &mut screen);
    assert!(!seen.contains('…') && seen.contains("end"), "{seen}");
    assert!(seen.contains("net: word word"), "the part that says it, in short: {seen}");
}

fn many(count: usize) -> Model {
    let mut model = busy();
    let bob = model.peers.iter().find(|row| row.peer.label == "bob").unwrap().clone();
    model.peers = (0..count)
        .map(|n| {
            let mut row: Row = bob.clone();
            row.peer.label = format!("node-{n:04}");
            row.peer.rtt_us = Some(1000 + (n as u32 * 7919) % 1000);
            row.peer.since_ms = NOW_MS - (n as u64 * 7907 % 1000) * 1000;
            row
        })
        .collect();
    model
}

#[test]
fn a_long_list_is_scrolled() {
    let model = many(300);
    let mut screen = Screen::default();
    let seen = text((80, 24), &model, &mut screen);
    assert!(seen.contains(" 300  1-5 seen "), "{seen}");
    assert!(seen.contains("node-0000") && !seen.contains("node-0005"));
    press(&mut screen, KeyCode::PageDown);
    let seen = text((80, 24), &model, &mut screen);
    assert!(seen.contains(" 6-10 seen ") && seen.contains("node-0005"), "{seen}");
    press(&mut screen, KeyCode::End);
    assert!(text((80, 24), &model, &mut screen).contains(" 296-300 seen "));
    screen.filter = "node-00".into();
    let seen = text((80, 24), &model, &mut screen);
    assert!(seen.contains(" 100 of 300 fit the filter  96-100 seen "), "{seen}");
}

#[test]
fn peers_are_sorted_as_is_wanted() {
    let first = |model: &Model, sort: Sort| {
        let mut screen = screen(|s| (s.sort, s.alone) = (sort, true));
        let seen = text((80, 24), model, &mut screen);
        let line = seen.lines().nth(3).unwrap().trim_start_matches('"').to_owned();
        line.split(' ').next().unwrap().to_owned()
    };
    let model = busy();
    assert_eq!(first(&model, Sort::Label), "-");
    assert_eq!(first(&model, Sort::State), "dave", "who is dead comes first");
    assert_eq!(first(&model, Sort::Rtt), "twin", "the slowest");
    assert_eq!(first(&model, Sort::Since), "-", "who is just being dialled");
}

#[test]
fn colours_are_there_only_when_wanted_and_never_alone() {
    let colours = |theme| {
        let backend = drawn((80, 24), &busy(), &mut Screen::default(), theme);
        let cells = backend.buffer().content().to_vec();
        cells.iter().filter(|c| c.fg != Color::Reset || c.bg != Color::Reset).count()
    };
    assert!(colours(Theme { colour: true }) > 20);
    assert_eq!(colours(PLAIN), 0);
    let backend = drawn((80, 24), &busy(), &mut Screen::default(), PLAIN);
    let marked = |m| backend.buffer().content().iter().any(|c| c.modifier.contains(m));
    assert!(marked(Modifier::REVERSED) && marked(Modifier::BOLD), "the focus is seen all the same");
    // The same words stand there with and without.
    let words = |theme| {
        let backend = drawn((80, 24), &busy(), &mut Screen::default(), theme);
        backend.to_string()
    };
    assert_eq!(words(PLAIN), words(Theme { colour: true }));
}

#[test]
fn rows_are_shared_and_none_is_lost() {
    assert_eq!(shared(13, PANEL_ROWS_MIN, [90, 90, 90, 90]), [4, 3, 3, 3]);
    assert_eq!(shared(21, PANEL_ROWS_MIN, [7, 4, 5, 9]), [7, 4, 5, 5]);
    assert_eq!(shared(40, PANEL_ROWS_MIN, [6, 3, 3, 9]), [6, 3, 3, 28]);
    assert_eq!(shared(5, PANEL_ROWS_MIN, [6, 3, 3, 9]), PANEL_ROWS_MIN, "cannot be");
}

fn looks() -> impl Strategy<Value = Screen> {
    let panels = prop::sample::select(Panel::ALL.to_vec());
    let keys = prop::collection::vec(
        prop::sample::select("jkgG/?pszx1234\u{1b}\t電".chars().collect::<Vec<_>>()),
        0..12,
    );
    (panels, keys).prop_map(|(focus, keys)| {
        let mut screen = screen(|s| s.focus = focus);
        for c in keys {
            let code = match c {
                '\u{1b}' => KeyCode::PageDown,
                '\t' => KeyCode::End,
                c => KeyCode::Char(c),
            };
            let _ = screen.press(KeyEvent::new(code, KeyModifiers::NONE));
        }
        screen
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_size_and_no_key_makes_it_panic(width in 0u16..260, height in 0u16..70, mut screen in looks()) {
        for model in [hostile(), Model::default(), many(40)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            for _ in 0..2 {
                terminal.draw(|frame| draw(frame, &model, &mut screen, PLAIN, NOW_MS)).unwrap();
            }
        }
    }
}
