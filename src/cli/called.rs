//! The name this program is called by, and texts that show it.
//!
//! Packages install it as `kith`, because `node` is Node.js to most systems. Texts in the code, and those a
//! daemon sends, say `node VERB`; whatever prints one of them to a person passes it through [`hint`].

use std::ffi::OsString;
use std::path::Path;
use std::sync::LazyLock;

use clap::CommandFactory;

use super::args::Cli;

/// The name in the code.
const NODE: &str = "node";
/// The name it is installed by.
const KITH: &str = "kith";

/// `kith` if this program was started by that name, else `node`.
pub fn called() -> &'static str {
    static CALLED: LazyLock<&str> = LazyLock::new(|| name(std::env::args_os().next()));
    *CALLED
}

fn name(started: Option<OsString>) -> &'static str {
    let started = started.unwrap_or_default();
    if Path::new(&started).file_name().is_some_and(|name| name == KITH) { KITH } else { NODE }
}

/// A text with its commands (`node peers`, `node -c config`) as they are to be typed here.
pub fn hint(text: &str) -> String {
    renamed(text, called())
}

/// Only `node` before a verb or a flag is the program; elsewhere it is what every text here is about.
pub(super) fn renamed(text: &str, name: &str) -> String {
    if name == NODE {
        return text.into();
    }
    let verbs = Cli::command();
    let is_command = |behind: &str| {
        let word = behind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let flag = behind.trim_start_matches('-');
        let flag = flag.len() < behind.len() && flag.starts_with(char::is_alphabetic);
        flag || verbs.get_subcommands().any(|verb| verb.get_name() == word)
    };
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("node ") {
        let whole =
            !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/'));
        shown += before;
        shown += if whole && is_command(behind) { name } else { NODE };
        shown += " ";
        rest = behind;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::super::args;
    use super::*;

    #[test]
    fn only_one_other_name_is_taken() {
        for (started, expected) in [
            ("/usr/bin/kith", "kith"),
            ("kith", "kith"),
            ("target/debug/node", "node"),
            ("kith/node", "node"),
            ("kith-4f2a", "node"),
            ("kith\nnode", "node"),
            ("", "node"),
        ] {
            assert_eq!(name(Some(started.into())), expected, "{started}");
        }
        assert_eq!(name(None), "node");
    }

    #[test]
    fn commands_are_renamed_and_nodes_are_not() {
        for (text, expected) in [
            ("node peers lists everyone known", "kith peers lists everyone known"),
            ("(node transfers lists them)", "(kith transfers lists them)"),
            ("it goes on: node letters show 1f", "it goes on: kith letters show 1f"),
            ("start it with: node -c config -p bob", "start it with: kith -c config -p bob"),
            ("node --port 8080, node - or -", "kith --port 8080, node - or -"),
            ("node node stop", "node kith stop"),
            ("this node is away; no other node - none - is there", ""),
            ("node peersistent, anode peers, my-node peers, bin/node peers", ""),
            ("the last word is node ", ""),
            ("node", ""),
            ("", ""),
        ] {
            let expected = if expected.is_empty() { text } else { expected };
            assert_eq!(renamed(text, KITH), expected);
            assert_eq!(renamed(text, NODE), text);
        }
    }

    #[test]
    fn help_shows_the_name_that_was_called() {
        fn look(command: &clap::Command) {
            let own = [command.get_about(), command.get_long_about(), command.get_after_help()];
            let args =
                command.get_arguments().flat_map(|arg| [arg.get_help(), arg.get_long_help()]);
            for text in own.into_iter().chain(args).flatten().map(ToString::to_string) {
                assert_eq!(
                    renamed(&text, KITH),
                    text,
                    "in {}: leave out `node`",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(look);
        }
        look(&args::under(KITH));
    }
}
