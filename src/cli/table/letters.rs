//! Letters: what came, by correspondent; what was sent; who passes them on.

use std::time::Duration;

use comfy_table::{Cell, Color};

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
    let whole = units.iter().find(|(unit, _)| seconds >= *unit && seconds % unit == 0);
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
            vec![format!("[about {bytes} that are no text; node pull --peek --json shows them]")]
        }
        (None, None) => vec!["[nothing]".into()],
    }
}

/// `node pull` without any letter.
pub fn empty(inbox: &Inbox, all: bool) -> String {
    match (inbox.unread, all) {
        (1.., true) => format!(
            "{} shown by another node pull right now; if that one fails, ask again in half a minute\n",
            match inbox.unread {
                1 => "1 new letter is being".into(),
                n => format!("{n} new letters are being"),
            }
        ),
        _ => {
            "no new letters; node pull --follow waits for them, --peek shows old ones, too\n".into()
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
        return "no letters yet; node push --to WHO --msg TEXT sends one\n".into();
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
        row("why", sentence(&letter.why));
    }
    row("next", next(letter.state).into());
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
        LetterState::Read => "nothing",
        LetterState::Expired => "push it again when its reader is there: node peers",
        LetterState::Failed => "push it again when the reason is gone",
    }
}

/// `node relays`
pub fn relays(relays: &Relays, look: Look) -> String {
    let yes = |yes: bool| if yes { "" } else { "not " };
    let keeps = match (relays.mailbox, relays.kept.letters) {
        (false, 0) => "keeps none for others that are away".into(),
        (_, letters) => {
            format!("keeps {letters} for {} others that are away", relays.kept.readers)
        }
    };
    let mut text =
        format!("this node does {}pass letters on, and {keeps}\n", yes(relays.volunteer));
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
