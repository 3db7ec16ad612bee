//! Keeps the house in order: who may know whom, what may not be said, how long a file may be. Each message
//! names the place and what to do instead.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file, tests left out.
const LINES_MAX: usize = 450;

/// A source file of ours.
struct Source {
    /// From the root of the repository.
    path: String,
    /// Its lines without the tests at the end of it, comments blanked.
    lines: Vec<String>,
    /// It is all test.
    test: bool,
}

impl Source {
    fn room(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap_or("");
        inner.split('/').next().unwrap_or("").trim_end_matches(".rs")
    }

    /// The file below its room, without `.rs`.
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or("").trim_end_matches(".rs")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// All source files below a directory.
fn sources(dir: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    files(&root().join(dir), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "{dir} is not there");
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("our own file");
        let path = path.strip_prefix(root()).expect("below").to_string_lossy().into_owned();
        let test = ["tests", "samples"]
            .iter()
            .any(|t| path.contains(&format!("/{t}/")) || path.ends_with(&format!("/{t}.rs")));
        let body = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = |line: &str| match line.trim_start().starts_with("//") {
            true => String::new(),
            false => line.to_owned(),
        };
        Source { path, lines: body.lines().map(code).collect(), test }
    };
    paths.iter().map(read).collect()
}

fn product() -> Vec<Source> {
    sources("src").into_iter().filter(|s| !s.test).collect()
}

/// Whether `word` stands in `line` as a word or path of its own.
fn says(line: &str, word: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open = word.ends_with(|c: char| !letter(c));
        !before.is_some_and(letter) && (open || !after.is_some_and(letter))
    })
}

/// The rooms of `crate` that a file names: `use crate::net::…`, `crate::net::…`, also in groups.
fn rooms_named(source: &Source) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    let mut group = false;
    for (number, line) in source.lines.iter().enumerate() {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            if let Some(inside) = rest.strip_prefix('{') {
                group = !inside.contains('}');
                named.extend(inside.split(',').map(|part| (number + 1, first(part))));
            } else {
                named.push((number + 1, first(rest)));
            }
        }
        if group && !line.contains("crate::") {
            named.extend(line.split(',').map(|part| (number + 1, first(part))));
            group = !line.contains("};");
        }
    }
    named.retain(|(_, room)| !room.is_empty());
    named
}

/// The first word of a path.
fn first(path: &str) -> String {
    let path = path.trim_start();
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Fails with all of them at once.
#[track_caller]
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// For each room, the rooms it may know. A room that is not named here may know nothing.
const MAY_KNOW: [(&str, &[&str]); 15] = [
    ("mesh", &["mesh", "wire"]),
    ("wire", &["wire", "mesh", "pieces", "mail"]),
    ("pieces", &["pieces", "wire", "mesh"]),
    ("mail", &["mail", "wire", "mesh"]),
    ("text", &["text"]),
    ("logs", &["logs"]),
    ("settings", &["settings", "logs", "mesh", "text"]),
    ("store", &["store", "mesh", "wire", "pieces", "mail", "text"]),
    ("net", &["net", "mesh", "wire", "pieces", "mail", "store", "text"]),
    (
        "actors",
        &["actors", "net", "store", "settings", "logs", "mesh", "wire", "pieces", "mail", "text"],
    ),
    (
        "api",
        &[
            "api", "actors", "settings", "store", "net", "logs", "mesh", "pieces", "mail", "wire",
            "text",
        ],
    ),
    ("cli", &["cli", "api", "settings", "store", "mesh", "pieces", "mail", "text", "actors"]),
    (
        "daemon",
        &[
            "daemon", "actors", "api", "cli", "logs", "mail", "mesh", "net", "settings", "store",
            "text", "wire",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

#[test]
fn knowledge_flows_in_one_direction() {
    let mut wrong = Vec::new();
    for source in product() {
        let room = source.room();
        let may = MAY_KNOW.iter().find(|(name, _)| *name == room);
        let Some((_, may)) = may else {
            wrong.push(format!(
                "{}: a new room; say in tests/tidy.rs whom it may know",
                source.path
            ));
            continue;
        };
        for (line, named) in rooms_named(&source) {
            let is_room = MAY_KNOW.iter().any(|(name, _)| *name == named);
            if is_room && !may.contains(&named.as_str()) {
                wrong.push(format!(
                    "{}:{line}: {room} must not know {named}; let the caller hand in what is needed, or \
                     move the common part to a room below both",
                    source.path
                ));
            }
        }
    }
    none(wrong);
}

#[test]
fn the_pure_rooms_touch_nothing_of_the_world() {
    const WORLD: [(&str, &str); 12] = [
        ("tokio", "an event in, an effect out"),
        ("actix", "an event in, an effect out; actors are in src/actors"),
        ("std::fs", "src/store"),
        ("std::io", "src/net or src/store"),
        ("std::thread", "an effect; threads are the actors' business"),
        ("std::time::Instant", "the `now: Time` that is handed in"),
        ("SystemTime", "the `now: Time` that is handed in, and `start_ms`"),
        ("Instant", "the `now: Time` that is handed in"),
        ("TcpStream", "src/net"),
        ("TcpListener", "src/net"),
        ("rand::", "mesh::dice, seeded from outside"),
        ("HashMap", "BTreeMap: a run must be replayed from its seed"),
    ];
    let mut wrong = Vec::new();
    let pure = ["mesh", "wire", "pieces", "mail"];
    for source in product().iter().filter(|s| pure.contains(&s.room())) {
        for (number, line) in source.lines.iter().enumerate() {
            for (word, instead) in WORLD.iter().filter(|(word, _)| says(line, word)) {
                let at = format!("{}:{}", source.path, number + 1);
                wrong.push(format!("{at}: {word} in a pure room; instead: {instead}"));
            }
        }
    }
    none(wrong);
}

#[test]
fn actors_know_messages_and_not_one_another() {
    let wiring = ["supervisor", "generation", "mesh", "mod"];
    let common = [
        "boot", "lifeline", "messages", "policy", "post", "services", "signals", "turn", "notices",
        "voice",
    ];
    let mut wrong = Vec::new();
    for source in product().iter().filter(|s| s.room() == "actors") {
        if wiring.contains(&source.name()) || source.path.contains("/supervisor/") {
            continue;
        }
        for (number, line) in source.lines.iter().enumerate() {
            let paths = line.match_indices("super::").map(|(at, _)| first(&line[at + 7..]));
            let inside = line.match_indices("actors::").map(|(at, _)| first(&line[at + 8..]));
            for named in paths.chain(inside).filter(|n| n.starts_with(char::is_lowercase)) {
                if !common.contains(&named.as_str()) && named != "super" {
                    wrong.push(format!(
                        "{}:{}: an actor must not know {named}; send a message (messages.rs) through a \
                         Recipient that generation.rs hands in",
                        source.path,
                        number + 1
                    ));
                }
            }
        }
    }
    none(wrong);
}

#[test]
fn what_has_a_better_way_is_not_used() {
    let banned: [(&str, &str); 10] = [
        (".unwrap()", "expect(\"why this cannot be\"), or an error that says what state it left"),
        (".do_send(", "actors::post (may be lost) or actors::deliver (life and death)"),
        ("run_interval(", "one re-armed run_later (actors::turn)"),
        ("ctx.wait(", "ctx.spawn, and come back as a message"),
        ("todo!(", "the code, or an error that says what is missing"),
        ("unimplemented!(", "the code, or an error that says what is missing"),
        ("dbg!(", "log::debug!"),
        ("println!(", "the Voice in the daemon, look::print in a verb"),
        ("thread::sleep(", "a timer of the actor, or a wait with a bound"),
        ("unsafe ", "a library that has it reviewed"),
    ];
    let excused = [
        ("src/actors/post.rs", ".do_send("),
        // A verb has no actor to wait in.
        ("src/cli/client.rs", "thread::sleep("),
        ("src/cli/watch.rs", "thread::sleep("),
    ];
    let mut wrong = Vec::new();
    for source in product() {
        for (number, line) in source.lines.iter().enumerate() {
            for (word, instead) in banned.iter().filter(|(word, _)| line.contains(word)) {
                if !excused.contains(&(source.path.as_str(), word)) {
                    let at = format!("{}:{}", source.path, number + 1);
                    wrong.push(format!("{at}: {word} is not used here; instead: {instead}"));
                }
            }
        }
    }
    none(wrong);
}

#[test]
fn files_stay_short_enough_to_be_read() {
    let mut wrong = Vec::new();
    for source in product() {
        let (path, lines) = (&source.path, source.lines.len());
        if lines > LINES_MAX {
            wrong.push(format!(
                "{path}: {lines} lines, {LINES_MAX} are the most; split it by what it knows"
            ));
        }
    }
    none(wrong);
}

#[test]
fn tests_are_not_silently_left_out_and_name_no_machine() {
    let mut wrong = Vec::new();
    let ignore = ["#[", "ignore]"].concat();
    let homes = [["/ho", "me/"].concat(), ["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    let excused = "/home/bob";
    for source in sources("src").iter().chain(&sources("tests")) {
        for (number, line) in source.lines.iter().enumerate() {
            let at = format!("{}:{}", source.path, number + 1);
            if line.contains(&ignore) {
                wrong.push(format!(
                    "{at}: say why: #[ignore = \"…\"], or call skipped with the reason"
                ));
            }
            if homes.iter().any(|home| line.replace(excused, "").contains(home)) {
                wrong.push(format!(
                    "{at}: a path of one machine; use tempfile or env!(\"CARGO_…\")"
                ));
            }
        }
    }
    none(wrong);
}

#[test]
fn nobody_knows_the_daemon_but_main() {
    let knows =
        |s: &Source| s.lines.iter().any(|l| says(l, "crate::daemon") || says(l, "kith::daemon"));
    let who =
        product().into_iter().filter(|s| knows(s) && s.room() != "main" && s.room() != "daemon");
    none(who.map(|s| format!("{}: only main puts a daemon together", s.path)).collect());
}

/// The checks above can fail.
#[test]
fn a_path_is_found_however_it_is_written() {
    let source = |text: &str| Source {
        path: "src/mesh/x.rs".into(),
        lines: text.lines().map(str::to_owned).collect(),
        test: false,
    };
    let rooms =
        |text: &str| rooms_named(&source(text)).into_iter().map(|(_, r)| r).collect::<Vec<_>>();
    assert_eq!(rooms("use crate::net::tls;"), ["net"]);
    assert_eq!(rooms("let x = crate::api::serve(crate::cli::run());"), ["api", "cli"]);
    assert_eq!(rooms("use crate::{net::tls, store};"), ["net", "store"]);
    assert_eq!(rooms("use crate::{\n    net::tls,\n    store,\n};\nlet a = b;"), ["net", "store"]);
    assert!(says("use tokio::time;", "tokio") && !says("use tokios::time;", "tokio"));
    assert!(says("let a = Instant::now();", "Instant") && !says("InstantBook", "Instant"));
    assert_eq!(source("").room(), "mesh");
}
