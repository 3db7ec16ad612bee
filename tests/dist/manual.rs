//! The manual page and the completions, read by those they are for; and the name they speak of.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::{Done, program, run, skipped};

/// The program under the name that packages give it.
fn kith(home: &TempDir, args: &[&str]) -> Done {
    let link = home.path().join("kith");
    if !link.exists() {
        symlink(env!("CARGO_BIN_EXE_node"), &link).expect("ours");
    }
    let mut command = Command::new(&link);
    command.env_clear().env("HOME", home.path()).current_dir(home.path()).args(args);
    Done::of(command.stdin(Stdio::null()).output().expect("starts"))
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Runs a program on a file; `None` if it is not installed.
fn reads(program: &str, args: &[&str], file: &Path) -> Option<Done> {
    let run = Command::new(program).args(args).arg(file).env("LC_ALL", "C.UTF-8").output();
    match run {
        Ok(output) => Some(Done::of(output)),
        Err(_) => {
            skipped(&format!("{program} is not installed"));
            None
        }
    }
}

#[test]
fn completions_are_good_shell() {
    let home = home();
    for (shell, flag, always) in [("bash", "-n", true), ("zsh", "-n", false), ("fish", "-n", false)]
    {
        for name in ["node", "kith"] {
            let args = ["completions", shell];
            let done = if name == "node" { run(home.path(), &args) } else { kith(&home, &args) };
            assert_eq!(done.code, Some(0), "{done:?}");
            let file = home.path().join(shell);
            fs::write(&file, &done.stdout).expect("ours");
            let read = reads(shell, &[flag], &file);
            assert!(read.is_some() || !always, "bash is needed");
            if let Some(read) = read {
                assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""), "{shell} {name}");
            }
        }
    }
    let done = run(home.path(), &["completions", "tcsh"]);
    assert_eq!(done.code, Some(2), "{done:?}");
}

/// In a shell that has read them, a verb is completed.
#[test]
fn bash_completes_a_verb() {
    let home = home();
    let script = run(home.path(), &["completions", "bash"]).stdout;
    let ask = format!(
        "{script}\nCOMP_WORDS=(node lett) COMP_CWORD=1\n_node node lett node\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let done = Done::of(Command::new("bash").args(["-c", &ask]).output().expect("bash"));
    assert_eq!(done.stdout, "letters\n", "{done:?}");
}

#[test]
fn the_manual_page_is_read_without_a_word() {
    let home = home();
    let page = home.path().join("kith.1");
    fs::write(&page, kith(&home, &["man"]).stdout).expect("ours");
    let none: &[&str] = &[];
    for (program, args) in [
        ("man", &["--warnings", "-l"][..]),
        ("groff", &["-ww", "-man", "-Tutf8"]),
        ("mandoc", &["-T", "lint", "-W", "warning"]),
        ("lexgrog", none),
    ] {
        let Some(read) = reads(program, args, &page) else { continue };
        assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""), "{program}");
        // mandoc tells on standard output what it finds; man shows the page there.
        match program {
            "mandoc" => assert_eq!(read.stdout, ""),
            "man" => assert!(read.stdout.contains("EXIT STATUS"), "{}", read.stdout),
            "lexgrog" => assert!(read.stdout.contains("kith - Joins"), "{}", read.stdout),
            _ => {}
        }
    }
}

#[test]
fn it_speaks_of_itself_by_the_name_it_was_called() {
    let home = home();
    let say = |done: Done| done.stdout + &done.stderr;
    for (args, named) in [
        (&["--version"][..], "kith "),
        (&["--help"], "Usage: kith"),
        (&["push", "--help"], "kith push --to"),
        (&["man"], ".TH KITH 1 "),
        (&["completions", "bash"], "complete -F _kith"),
        (&["status"], "start it with: kith"),
        (&["-c", "config", "-p", "bob", "peers"], "start it with: kith -c config -p bob"),
        (&["--port", "1", "stop"], "kith connect ADDR"),
        (&["init", "mine"], "start it with: kith -c mine"),
    ] {
        let said = say(kith(&home, args));
        assert!(said.contains(named), "{args:?}: {said}");
        let args: Vec<&str> =
            args.iter().map(|arg| if *arg == "mine" { "yours" } else { arg }).collect();
        let said = say(run(home.path(), &args));
        let name = named.replace("kith", "node").replace("KITH", "NODE").replace("mine", "yours");
        assert!(said.contains(&name), "{args:?}: {said}");
    }
    let written = fs::read_to_string(home.path().join("mine/network/home.toml")).expect("written");
    assert!(written.contains("kith config --origin"), "{written}");
}

/// What a daemon says names its verbs, too; the daemon may have been started by another name.
#[test]
fn the_words_of_a_daemon_name_what_is_typed_here() {
    let alice = crate::common::node("alice").start();
    let home = home();
    symlink(env!("CARGO_BIN_EXE_node"), home.path().join("kith")).expect("ours");
    let ask = |name: &Path| {
        let mut command = program(home.path());
        let mut other = Command::new(name);
        other.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        command = other;
        Done::of(
            command
                .env("KITH_STATE", &alice.state)
                .args(["path", "nobody"])
                .output()
                .expect("starts"),
        )
    };
    let done = ask(&home.path().join("kith"));
    assert!(done.stderr.contains("try: kith peers lists everyone known"), "{done:?}");
    let done = ask(Path::new(env!("CARGO_BIN_EXE_node")));
    assert!(done.stderr.contains("try: node peers lists everyone known"), "{done:?}");
}
