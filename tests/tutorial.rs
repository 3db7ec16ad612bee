//! Types docs/tutorial.md, as a newcomer would, and compares what is seen with what the page says.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::LONG;

/// What a person types, and what the page says is seen then.
#[derive(Debug)]
struct Step {
    command: String,
    seen: Vec<String>,
    /// A daemon, in a terminal of its own.
    runs: bool,
}

/// The steps of the page, from its `console` blocks.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block = None;
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            block = (block.is_none() && kind.starts_with("console")).then(|| kind.ends_with("run"));
            continue;
        }
        let Some(runs) = block else { continue };
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step { command: command.into(), seen: Vec::new(), runs });
            }
            (None, Some(step)) => step.seen.push(line.into()),
            (None, None) => panic!("a block begins with output: {line}"),
        }
    }
    steps
}

/// Whether a word of the page may stand for a word that was seen: numbers, ids and times differ each time, counts do
/// not.
fn same_word(page: &str, seen: &str, next: Option<&str>) -> bool {
    let time = matches!(next, Some("s" | "ms" | "s," | "min"));
    let count = page.trim_end_matches(',').bytes().all(|b| b.is_ascii_digit());
    let digit = |word: &str| word.bytes().any(|b| b.is_ascii_digit());
    if page == seen || page.starts_with("[…") {
        return true;
    }
    if page.starts_with('/') {
        return Path::new(page).file_name() == Path::new(seen).file_name();
    }
    (!count || time) && digit(page) && digit(seen)
}

fn same_line(page: &str, seen: &str) -> bool {
    let (page, seen): (Vec<_>, Vec<_>) =
        (page.split_whitespace().collect(), seen.split_whitespace().collect());
    page.len() == seen.len()
        && page
            .iter()
            .zip(&seen)
            .enumerate()
            .all(|(at, (p, s))| same_word(p, s, page.get(at + 1).copied()))
}

/// Whether all lines of the page were seen, each once. In any order: nodes stand in that of their ids.
fn all_seen(page: &[String], seen: &[String]) -> bool {
    let mut seen: Vec<&String> = seen.iter().collect();
    page.iter().filter(|line| !line.is_empty()).all(|line| {
        let found = seen.iter().position(|s| same_line(line, s));
        found.map(|at| seen.remove(at)).is_some()
    })
}

/// One shell for the whole page, so that what is set in one step is there in the next.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    fn begin(home: &Path) -> Shell {
        let bin = home.join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_node"), bin.join("node")).unwrap();
        let mut child = Command::new("bash")
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut shell = Shell { child, stdin, lines };
        // Whatever ends the shell ends its daemons.
        assert_eq!(shell.run("exec 2>&1; trap 'kill -9 $(jobs -p)' EXIT"), [""; 0]);
        shell
    }

    /// Runs a command to its end; what it printed.
    fn run(&mut self, command: &str) -> Vec<String> {
        writeln!(self.stdin, "{command}\necho; echo '--end--'").unwrap();
        let lines = self.lines.by_ref().map_while(Result::ok);
        let mut printed: Vec<String> = lines.take_while(|line| line != "--end--").collect();
        assert_eq!(printed.pop().as_deref(), Some(""), "the shell ended in: {command}");
        printed
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = writeln!(self.stdin, "exit");
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Tries until what the page says was seen; panics with what was seen instead.
fn until_seen(step: &Step, mut look: impl FnMut() -> Vec<String>, again: bool) {
    let begun = Instant::now();
    loop {
        let seen = look();
        if all_seen(&step.seen, &seen) {
            return println!("{:6.2} s  {}", begun.elapsed().as_secs_f64(), step.command);
        }
        let late = !again || begun.elapsed() > LONG;
        assert!(!late, "{}\n{:#?}\nwas seen instead of\n{:#?}", step.command, seen, step.seen);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_tutorial_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    fs::copy(root.join("LICENSE-MIT"), home.path().join("LICENSE-MIT")).unwrap();
    let page = fs::read_to_string(root.join("docs/tutorial.md")).unwrap();
    // Others may use the ports of the page.
    let ports = [free_port(), free_port()].map(|port| port.to_string());
    let steps = steps(&page);
    assert!(steps.iter().filter(|s| s.runs).count() == 3 && steps.len() > 15, "{steps:#?}");
    let mut shell = Shell::begin(home.path());
    for (number, step) in steps.iter().enumerate() {
        // The first of our ports may hold the digits of the page's second one.
        let command = step.command.replace("8091", "SECOND").replace("8090", &ports[0]);
        let mut command = command.replace("SECOND", &ports[1]);
        if !step.runs {
            // What is only looked at may need a moment to be as the page says.
            let looks = ["peers", "graph", "pull"].iter().any(|v| command.ends_with(v));
            until_seen(step, || shell.run(&command), looks);
            continue;
        }
        if command.ends_with("alice") {
            command = format!("{command} --port {}", ports[0]);
        }
        let log = home.path().join(format!("{number}.log"));
        shell.run(&format!("{command} >{} 2>&1 </dev/null &", log.display()));
        let read = || fs::read_to_string(&log).unwrap_or_default();
        until_seen(step, || read().lines().map(Into::into).collect(), true);
    }
}

#[test]
fn what_differs_from_the_page_is_found() {
    let seen = |page: &str, seen: &str| all_seen(&[page.to_owned()], &[seen.to_owned()]);
    assert!(seen("bob (5fbbee76) answered in 0.09 ms", "bob (c71f6fa0) answered in 1.2 ms"));
    assert!(seen("/home/bob/copy.txt", "/else/where/copy.txt"));
    assert!(seen("2 nodes alive, 1 link, up 2 s", "2 nodes alive, 1 link, up 31 s"));
    assert!(!seen("2 nodes alive, 1 link, up 2 s", "2 nodes alive, 0 links, up 2 s"));
    assert!(!seen("2 nodes alive", "3 nodes alive"));
    assert!(!seen("bob  5fbbee76  alive", "bob  5fbbee76  failed"));
    assert!(!seen("the same", ""));
    let two = ["a".to_owned(), "b".to_owned()];
    assert!(all_seen(&two, &["b".into(), "x".into(), "a".into()]));
    assert!(!all_seen(&["a".to_owned(), "a".into()], &["b".into(), "a".into()]));
}
