//! Letters: what came, by correspondent; what was sent; who passes them on.

use std::time::Duration;

use comfy_table::{Cell, Color};

use super::super::called::hint;
use super::super::look::Look;
use super::{ago, coloured, counted, join, lines, name, number, plain, sentence};
use crate::api::shapes::{
    Conversation, Graph, HexId, Inbox, Letter, LetterState, Letters, Pushed, Received, Relays,
};
use crate::text::{escape, escape_to, size};

/// Most columns of one line of a letter; nobody's terminal has so many.
const LINE_COLUMNS_MAX: usize = usize::MAX;

/// A node in a sentence: `erin (a1b2c3d4)`; two nodes may share a label, so the id is always there.
fn node(label: &str, id: HexId) -> String {
    match label {
        "" => id.0.short(),
        label => format!("{} ({})", escape(label), id.0.short()),
    }
}

fn to(letter: &Letter) -> String {
    node(&letter.label, letter.to)
}

/// The first line of `node push`.
pub fn pushed(pushed: &Pushed, now_ms: u64) -> String {
    let letter = &pushed.letter;
    let what = format!("letter {} to {}", letter.id.0.short(), to(letter));
    match letter.state {
        LetterState::Queued | LetterState::Sent | LetterState::Stored => {
            let state = letter.state.as_str();
            let span = span(letter.expires_ms.saturating_sub(letter.created_ms) / 1000);
            format!("{what}: {state}, safe here until it is delivered or {span} passed\n")
        }
        // Pushed again under the name of one that was sent before.
        state => {
            let written = ago(letter.created_ms, now_ms);
            format!("{what}: {} already; it was written {written} ago\n", state.as_str())
        }
    }
}

/// A length of time as it was said: `7 days have`, `1 hour has`.
fn span(seconds: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let whole = units.iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, word) = whole.copied().unwrap_or((1, "second"));
    let many = u32::try_from(seconds / unit).unwrap_or(u32::MAX);
    format!("{} {}", counted(many, word), if many == 1 { "has" } else { "have" })
}

/// What has become of a letter that is waited for.
pub fn turned(letter: &Letter, after: Duration) -> String {
    let what = match letter.state {
        LetterState::Queued => "it waits here".into(),
        LetterState::Sent => match letter.hops.len() {
            0 => "straight to its reader".into(),
            n => format!("over {}", counted(u32::try_from(n).unwrap_or(u32::MAX), "relay")),
        },
        LetterState::Stored => "a mailbox keeps it until its reader is back".into(),
        LetterState::Delivered => "its reader has it and has signed for it".into(),
        LetterState::Read => "somebody was shown it".into(),
        LetterState::Expired => "its time ran out".into(),
        LetterState::Failed => "it is not tried again".into(),
    };
    let why = (!letter.why.is_empty()).then(|| sentence(&letter.why));
    let words = join([what].into_iter().chain(why), "");
    format!("{} after {:.2} s: {words}\n", letter.state.as_str(), after.as_secs_f64())
}

/// `node pull`: a heading for each correspondent, then the letters, oldest first. No second heading for `last`,
/// whose letters stand above already; after it, `last` is whose letters stand there now.
pub fn inbox(letters: &[Received], last: &mut Option<HexId>, now_ms: u64) -> String {
    let mut order: Vec<HexId> = Vec::new();
    for letter in letters {
        if !order.contains(&letter.from) {
            order.push(letter.from);
        }
    }
    // What goes on where the screen ends comes first.
    order.sort_by_key(|from| Some(*from) != *last);
    let mut text = String::new();
    for from in order {
        let theirs: Vec<&Received> = letters.iter().filter(|l| l.from == from).collect();
        if Some(from) != *last {
            let gap = if last.is_none() { "" } else { "\n" };
            let request = theirs.iter().any(|l| l.request);
            let label = theirs.first().map_or("", |l| &l.label);
            let mark = if request { " (request)" } else { "" };
            text += &format!("{gap}{}{mark}\n", node(label, from));
        }
        let times: Vec<String> =
            theirs.iter().map(|l| format!("{} ago", ago(l.received_ms, now_ms))).collect();
        let width = times.iter().map(String::len).max().unwrap_or(0);
        for (letter, time) in theirs.iter().zip(&times) {
            let mut before = format!("  {time:width$}  ");
            for line in said(letter) {
                text += &format!("{}\n", format!("{before}{line}").trim_end());
                before = " ".repeat(width + 4);
            }
        }
        *last = Some(from);
    }
    text
}

/// The lines of a letter. Only its line breaks act; they cannot reach the column where headings begin.
fn said(letter: &Received) -> Vec<String> {
    match (&letter.text, &letter.body_base64) {
        (Some(text), _) => {
            let text = text.strip_suffix('\n').unwrap_or(text);
            text.split('\n').map(|line| escape_to(line, LINE_COLUMNS_MAX)).collect()
        }
        (None, Some(base64)) => {
            let bytes = size((base64.len() / 4 * 3) as u64);
            vec![hint(&format!(
                "[about {bytes} that are no text; node pull --peek --json shows them]"
            ))]
        }
        (None, None) => vec!["[nothing]".into()],
    }
}

/// `node pull` without any letter.
pub fn empty(inbox: &Inbox, all: bool) -> String {
    match (inbox.unread, all) {
        (1.., true) => hint(&format!(
            "{} shown by another node pull right now; if that one fails, ask again in half a minute\n",
            match inbox.unread {
                1 => "1 new letter is being".into(),
                n => format!("{n} new letters are being"),
            }
        )),
        _ => {
            hint("no new letters; node pull --follow waits for them, --peek shows old ones, too\n")
        }
    }
}

/// `node pull --plain`: the number, then each on a line of its own; `source` tells where a node is.
pub fn plain_inbox(letters: &[Received], source: impl Fn(HexId) -> String) -> String {
    let mut text = format!("SUCCESS {}\n", letters.len());
    for letter in letters {
        let said = match (&letter.text, &letter.body_base64) {
            (Some(said), _) => escape_to(said, LINE_COLUMNS_MAX),
            (None, Some(base64)) => base64.clone(),
            (None, None) => String::new(),
        };
        text += &format!("IP: {} MSG:{said}\n", source(letter.from));
    }
    text
}

/// `node letters`
pub fn letters(all: &Letters, now_ms: u64, look: Look) -> String {
    if all.conversations.is_empty() && all.letters.is_empty() {
        return hint("no letters yet; node push --to WHO --msg TEXT sends one\n");
    }
    let open = |l: &&Letter| {
        !l.state.is_over() || matches!(l.state, LetterState::Failed | LetterState::Expired)
    };
    let open: Vec<&Letter> = all.letters.iter().filter(open).collect();
    let conversations = conversations(&all.conversations, now_ms, look);
    if open.is_empty() {
        return format!("{conversations}\nnone of the last that were sent is under way\n");
    }
    let mut table = plain(&["LETTER", "TO", "STATE", "SIZE", "TRIES", "WRITTEN", ""], look);
    for letter in open {
        table.add_row([
            Cell::new(letter.id.0.short()),
            Cell::new(to(letter)),
            state(letter.state, look),
            number(size(letter.bytes.into())),
            number(letter.tries.to_string()),
            Cell::new(format!("{} ago", ago(letter.created_ms, now_ms))),
            Cell::new(sentence(&letter.why)),
        ]);
    }
    format!("{conversations}\n{}", lines(&table))
}

fn conversations(rows: &[Conversation], now_ms: u64, look: Look) -> String {
    let mut table = plain(&["WITH", "CAME", "NEW", "SENT", "UNDER WAY", "LAST"], look);
    for row in rows {
        table.add_row([
            Cell::new(node(&row.label, row.with)),
            number(row.received.to_string()),
            number(row.unread.to_string()),
            number(row.sent.to_string()),
            number(row.waiting.to_string()),
            Cell::new(format!("{} ago", ago(row.last_ms, now_ms))),
        ]);
    }
    lines(&table)
}

fn state(state: LetterState, look: Look) -> Cell {
    let colour = match state {
        LetterState::Delivered | LetterState::Read => Color::Green,
        LetterState::Queued | LetterState::Sent | LetterState::Stored => Color::Yellow,
        LetterState::Expired | LetterState::Failed => Color::Red,
    };
    coloured(state.as_str(), colour, look)
}

/// `node letters show`; the graph tells the names of relays.
pub fn letter(letter: &Letter, graph: &Graph, now_ms: u64, look: Look) -> String {
    let head = format!("letter {} to {} is {}", letter.id.0, to(letter), letter.state.as_str());
    let mut table = plain(&[], look);
    let mut row = |key: &str, value: String| {
        table.add_row([Cell::new(key), Cell::new(value)]);
    };
    row("size", size(letter.bytes.into()));
    row("written", format!("{} ago", ago(letter.created_ms, now_ms)));
    let times = [
        ("left", letter.sent_ms),
        ("at a mailbox", letter.stored_ms),
        ("delivered", letter.delivered_ms),
        ("read", letter.read_ms),
    ];
    for (word, at_ms) in times {
        if let Some(at_ms) = at_ms {
            row(word, after(at_ms.saturating_sub(letter.created_ms)));
        }
    }
    if !letter.state.is_over() {
        row("given up in", super::age(letter.expires_ms.saturating_sub(now_ms)));
    }
    row("tries", letter.tries.to_string());
    if let Some(shards) = &letter.shards {
        row("shards", escape(shards));
    }
    for (at, path) in letter.paths.iter().enumerate() {
        let word = if letter.paths.len() == 1 { "path".into() } else { format!("path {}", at + 1) };
        let relays = path.iter().map(|id| name(graph, *id));
        let way: Vec<String> = std::iter::once(name(graph, graph.me)).chain(relays).collect();
        row(&word, format!("{} -> {}", way.join(" -> "), to(letter)));
    }
    if !letter.why.is_empty() {
        row("why", sentence(&hint(&letter.why)));
    }
    row("next", hint(next(letter.state)));
    format!("{head}\n{}", lines(&table))
}

/// A time after the writing of a letter; milliseconds matter while it is fresh.
fn after(ms: u64) -> String {
    match ms {
        0..60_000 => format!("after {}.{:03} s", ms / 1000, ms % 1000),
        ms => format!("after {}", super::age(ms)),
    }
}

/// What comes next, and what a person can do.
fn next(state: LetterState) -> &'static str {
    match state {
        LetterState::Queued => {
            "it leaves as soon as there is a path; node relays shows who could pass it on"
        }
        LetterState::Sent => "another path is tried until its reader signs for it; nothing to do",
        LetterState::Stored => "its reader fetches it when it is back; nothing to do",
        LetterState::Delivered => "its reader has it; nothing to do",
        LetterState::Read => "somebody was shown it; nothing to do",
        LetterState::Expired => "push it again when its reader is there: node peers",
        LetterState::Failed => "push it again when the reason is gone",
    }
}

/// `node relays`
pub fn relays(relays: &Relays, look: Look) -> String {
    let passes = if relays.volunteer { "passes letters on" } else { "passes no letters on" };
    let keeps = match (relays.mailbox, relays.kept.letters) {
        (false, 0) => "keeps none for others that are away".into(),
        (true, 0) => "keeps those for others that are away, none now".into(),
        (_, letters) => {
            let readers = u32::try_from(relays.kept.readers).unwrap_or(u32::MAX);
            format!("keeps {letters} for {} away", counted(readers, "other"))
        }
    };
    let mut text = format!("this node {passes}, and {keeps}\n");
    let boxes = relays.mailboxes.iter().map(|m| node(&m.label, m.id));
    text += &format!("kept for it while it is away: by {}\n", join(boxes, "nobody"));
    if relays.nodes.is_empty() {
        return text + "\nno other node is there to pass letters on; they go straight or wait\n";
    }
    let header = ["LABEL", "ID", "RELAY", "MAILBOX", "STATE", "GUARD", "DELIVERED", "SILENT"];
    let mut table = plain(&header, look);
    let word = |yes: bool| Cell::new(if yes { "yes" } else { "-" });
    for row in &relays.nodes {
        let ready = row.state == "ready";
        table.add_row([
            Cell::new(super::label(&row.label)),
            Cell::new(row.id.0.short()),
            word(row.volunteer),
            word(row.mailbox),
            coloured(&escape(&row.state), if ready { Color::Green } else { Color::Yellow }, look),
            word(row.guard),
            number(row.delivered.to_string()),
            number(row.silent.to_string()),
        ]);
    }
    let mut counters = plain(&[], look);
    for (name, count) in &relays.counters {
        counters.add_row([Cell::new(escape(name)), number(count.to_string())]);
    }
    text += &format!("\n{}", lines(&table));
    if !relays.counters.is_empty() {
        text += &format!("\n{}", lines(&counters));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::samples::{self, WRITTEN_MS, id, view};
    use crate::mail::rows::State;

    const NOW_MS: u64 = WRITTEN_MS + 65_000;

    fn sent(state: State) -> Letter {
        Letter::of(&samples::letter(3, state), "bob".into())
    }

    fn came(seed: u8, from: u8, label: &str, text: &str) -> Received {
        Received::of(samples::came(seed, id(from), text.as_bytes()), label.into())
    }

    #[test]
    fn a_push_is_one_line() {
        let mut one = Pushed { letter: sent(State::Queued), warnings: vec![] };
        insta::assert_snapshot!(pushed(&one, NOW_MS), @r#"
        letter 33333333 to bob (22222222): queued, safe here until it is delivered or 7 days have passed
        "#);
        one.letter.expires_ms = one.letter.created_ms + 5_400_000;
        one.letter.label.clear();
        insta::assert_snapshot!(pushed(&one, NOW_MS), @r#"
        letter 33333333 to 22222222: queued, safe here until it is delivered or 90 minutes have passed
        "#);
        one.letter = sent(State::Delivered);
        insta::assert_snapshot!(pushed(&one, NOW_MS), @r#"
        letter 33333333 to bob (22222222): delivered already; it was written 65 s ago
        "#);
    }

    #[test]
    fn each_turn_is_one_line() {
        let states = [
            State::Queued,
            State::Sent,
            State::Stored,
            State::Delivered,
            State::Read,
            State::Expired,
            State::Failed,
        ];
        let lines = states.map(|state| turned(&sent(state), Duration::from_millis(1234)));
        insta::assert_snapshot!(lines.concat(), @r#"
        queued after 1.23 s: it waits here
        sent after 1.23 s: over 2 relays
        stored after 1.23 s: a mailbox keeps it until its reader is back
        delivered after 1.23 s: its reader has it and has signed for it
        read after 1.23 s: somebody was shown it
        expired after 1.23 s: its time ran out
        failed after 1.23 s: it is not tried again, no relay, and mail.direct_fallback is ask\u{1b}
        "#);
        let direct = Letter { hops: vec![], ..sent(State::Sent) };
        insta::assert_snapshot!(turned(&direct, Duration::ZERO), @r#"
        sent after 0.00 s: straight to its reader
        "#);
    }

    #[test]
    fn letters_are_printed_by_correspondent() {
        let first = [
            came(1, 2, "bob", "hello"),
            came(2, 9, "mallory\x1b[2J", "buy\n\nbob (22222222)\n\x1b[2J\u{202e}now\\\tok\r\n"),
            came(10, 2, "bob", "two\nlines"),
        ];
        let mut last = None;
        insta::assert_snapshot!(inbox(&first, &mut last, NOW_MS), @r#"
        bob (22222222)
          64 s ago  hello
          55 s ago  two
                    lines

        mallory\u{1b}[2J (99999999) (request)
          63 s ago  buy

                    bob (22222222)
                    \u{1b}[2J\u{202e}now\\\tok\r
        "#);
        // Who writes on while somebody looks gets no second heading.
        let odd = Received::of(samples::came(12, id(9), b"\xff\xfe\xfd"), String::new());
        let next = [came(11, 2, "bob", ""), odd];
        insta::assert_snapshot!(inbox(&next, &mut last, NOW_MS), @r#"
          53 s ago  [about 3 B that are no text; node pull --peek --json shows them]

        bob (22222222)
          54 s ago
        "#);
        assert_eq!(last, Some(HexId(id(2))));
    }

    #[test]
    fn an_empty_inbox_says_what_to_do() {
        let none = |unread| Inbox { letters: vec![], unread };
        let all = [empty(&none(0), true), empty(&none(1), true), empty(&none(2), true)];
        insta::assert_snapshot!(all.concat(), @r#"
        no new letters; node pull --follow waits for them, --peek shows old ones, too
        1 new letter is being shown by another node pull right now; if that one fails, ask again in half a minute
        2 new letters are being shown by another node pull right now; if that one fails, ask again in half a minute
        "#);
        assert_eq!(empty(&none(2), false), empty(&none(0), true), "they are others' letters");
    }

    #[test]
    fn the_plain_form_is_a_line_for_each_letter() {
        let letters =
            [came(1, 2, "bob", "hello\nIP: 6.6.6.6 MSG:forged"), came(2, 9, "", "\x1b[2J")];
        let source = |from: HexId| if from.0 == id(2) { "10.0.0.2" } else { "9999" }.into();
        insta::assert_snapshot!(plain_inbox(&letters, source), @r#"
        SUCCESS 2
        IP: 10.0.0.2 MSG:hello\nIP: 6.6.6.6 MSG:forged
        IP: 9999 MSG:\u{1b}[2J
        "#);
        assert_eq!(plain_inbox(&[], source), "SUCCESS 0\n");
        let long = "x".repeat(1 << 20);
        assert!(plain_inbox(&[came(1, 2, "bob", &long)], source).len() > 1 << 20, "never cut");
    }

    #[test]
    fn conversations_come_first_then_what_is_open() {
        let with = |seed, label: &str| Conversation::of(&samples::conversation(seed), label.into());
        let mut all = Letters {
            letters: vec![sent(State::Failed), sent(State::Delivered), sent(State::Sent)],
            conversations: vec![with(2, "bob"), with(9, "")],
        };
        insta::assert_snapshot!(letters(&all, NOW_MS, Look::default()), @r#"
        WITH            CAME  NEW  SENT  UNDER WAY  LAST
        bob (22222222)    12    3     7          1  65 s ago
        99999999          12    3     7          1  65 s ago

        LETTER    TO              STATE   SIZE  TRIES  WRITTEN
        33333333  bob (22222222)  failed  12 B      2  65 s ago  no relay, and mail.direct_fallback is ask\u{1b}
        33333333  bob (22222222)  sent    12 B      2  65 s ago
        "#);
        all.letters.remove(2);
        all.letters.remove(0);
        insta::assert_snapshot!(letters(&all, NOW_MS, Look::default()), @r#"
        WITH            CAME  NEW  SENT  UNDER WAY  LAST
        bob (22222222)    12    3     7          1  65 s ago
        99999999          12    3     7          1  65 s ago

        none of the last that were sent is under way
        "#);
        let none = Letters { letters: vec![], conversations: vec![] };
        insta::assert_snapshot!(letters(&none, NOW_MS, Look::default()), @r#"
        no letters yet; node push --to WHO --msg TEXT sends one
        "#);
    }

    #[test]
    fn one_letter_is_shown_with_its_path() {
        let graph = Graph::from(&view());
        insta::assert_snapshot!(letter(&sent(State::Read), &graph, NOW_MS, Look::default()), @r#"
        letter 33333333333333333333333333333333 to bob (22222222) is read
        size       12 B
        written    65 s ago
        left       after 0.004 s
        delivered  after 0.061 s
        read       after 90 s
        tries      2
        path       alice (11111111) -> carol (33333333) -> 77777777 -> bob (22222222)
        next       somebody was shown it; nothing to do
        "#);
        let mut split = sent(State::Failed);
        split.shards = Some("2/2".into());
        split.paths.push(vec![HexId(id(2))]);
        insta::assert_snapshot!(letter(&split, &graph, NOW_MS, Look::default()), @r#"
        letter 33333333333333333333333333333333 to bob (22222222) is failed
        size     12 B
        written  65 s ago
        tries    2
        shards   2/2
        path 1   alice (11111111) -> carol (33333333) -> 77777777 -> bob (22222222)
        path 2   alice (11111111) -> bob (22222222) -> bob (22222222)
        why      no relay, and mail.direct_fallback is ask\u{1b}
        next     push it again when the reason is gone
        "#);
        insta::assert_snapshot!(letter(&sent(State::Queued), &graph, NOW_MS, Look::default()), @r#"
        letter 33333333333333333333333333333333 to bob (22222222) is queued
        size         12 B
        written      65 s ago
        given up in  6 d
        tries        0
        next         it leaves as soon as there is a path; node relays shows who could pass it on
        "#);
    }

    #[test]
    fn relays_are_one_a_line() {
        let label = |of: &crate::mesh::NodeId| match () {
            () if *of == id(2) => "bob".to_owned(),
            () => "carol\x1b[2J".to_owned(),
        };
        let mut shape = Relays::of(samples::relays(), label);
        insta::assert_snapshot!(relays(&shape, Look::default()), @r#"
        this node passes letters on, and keeps 30 for 2 others away
        kept for it while it is away: by bob (22222222)

        LABEL           ID        RELAY  MAILBOX  STATE        GUARD  DELIVERED  SILENT
        bob             22222222  yes    yes      ready        yes           41       1
        carol\u{1b}[2J  33333333  yes    -        quarantined  -              0       6

        packets_dropped_replay    3
        packets_forwarded       420
        "#);
        shape.nodes.clear();
        shape.mailboxes.clear();
        (shape.volunteer, shape.mailbox, shape.kept.letters) = (false, false, 0);
        insta::assert_snapshot!(relays(&shape, Look::default()), @r#"
        this node passes no letters on, and keeps none for others that are away
        kept for it while it is away: by nobody

        no other node is there to pass letters on; they go straight or wait
        "#);
    }

    #[test]
    fn nothing_of_others_reaches_the_terminal_raw() {
        let evil = "\x1b[2J\u{202e}\u{9b}31m\r";
        let letter_of = |state| Letter { label: evil.into(), why: evil.into(), ..sent(state) };
        let graph = Graph::from(&view());
        let one = Pushed { letter: letter_of(State::Queued), warnings: vec![] };
        let with = Conversation::of(&samples::conversation(2), evil.into());
        let all = Letters { letters: vec![letter_of(State::Failed)], conversations: vec![with] };
        let shown = Relays::of(samples::relays(), |_| evil.into());
        for text in [
            pushed(&one, NOW_MS),
            turned(&letter_of(State::Failed), Duration::ZERO),
            letter(&letter_of(State::Failed), &graph, NOW_MS, Look::default()),
            letters(&all, NOW_MS, Look::default()),
            relays(&shown, Look::default()),
            inbox(&[came(1, 2, evil, evil)], &mut None, NOW_MS),
            plain_inbox(&[came(1, 2, evil, evil)], |_| "10.0.0.2".into()),
        ] {
            let hostile = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!text.contains(hostile) && text.contains("\\u{1b}"), "{text:?}");
        }
    }
}
