//! `completions` and `man`: made from the very flags that are parsed, so that they cannot fall behind.

use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::command;
use super::called::{called, hint};
use super::look::print;
use super::trouble::{Exit, Trouble};

/// The day of the words below.
const WRITTEN: &str = "2026-11-26";

/// What stands behind the name: to run a daemon, to ask one.
const SYNOPSIS: [&str; 2] = [
    " [-c DIR] [-p NAME] [-s KEY=VALUE]... [--port PORT] [--connect ADDR]...",
    " [-c DIR] [-p NAME] VERB...",
];

/// A section of the page: its heading, and what is explained in it, each with its explanation.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

/// What no flag knows.
const SECTIONS: [Section; 4] = [
    (
        "SETTINGS",
        &[
            (
                "node config --origin",
                "prints every setting in force and where each comes from. A later layer wins: the built-in \
                 defaults, DIR/network/default.toml, DIR/network/PROFILE.toml, the environment, flags, -s.",
            ),
            (
                "node check",
                "tells everything that is wrong with them. node init DIR writes a profile to begin with; \
                 node reload makes a running daemon read them again.",
            ),
        ],
    ),
    (
        "FILES",
        &[
            ("DIR/network/default.toml", "Settings of all profiles, with -c DIR."),
            ("DIR/network/PROFILE.toml", "Settings of one profile, with -p PROFILE."),
            (
                "profiles/PROFILE/, $XDG_DATA_HOME/kith/PROFILE/",
                "What a node keeps, with -c and with only -p: identity.key (who it is: keep a copy, show it \
                 to nobody), whom it knows, its letters, control.addr and control.token for these verbs, \
                 peers.json and peers.d2. state.dir names another place. Without -c and -p nothing is kept.",
            ),
            (
                "/etc/kith/, /var/lib/kith/",
                "The settings and the state of the system's own service.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            (
                "KITH__NETWORK__PERIOD",
                "Any setting, here network.period: two underscores for each dot.",
            ),
            ("KITH_CONTROL, KITH_TOKEN", "The control API of the daemon to ask, and its token."),
            ("KITH_STATE", "The state directory of the daemon to ask."),
            (
                "RUST_LOG",
                "How much is logged on standard error: off, error, warn, info, debug, trace.",
            ),
            ("NO_COLOR", "Print without colours."),
            (
                "NOTIFY_SOCKET, WATCHDOG_USEC",
                "Set by systemd, to be told when the daemon is ready and well.",
            ),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "Done."),
            ("1", "Not done."),
            ("2", "The command line or the settings are wrong."),
            ("3", "There is no daemon to ask."),
            ("4", "Not done in time; it may go on."),
            ("70", "A mistake of the program itself."),
            ("130", "Interrupted."),
        ],
    ),
];

/// What to type, and why.
const EXAMPLES: [(&str, &str); 5] = [
    ("node --period 5 --port 8080", "Run a node that keeps nothing."),
    ("node --connect 192.0.2.7:8080", "Join its network from another machine."),
    (
        "node init my-net -p alice",
        "Write a profile; node -c my-net -p alice runs it and keeps its state.",
    ),
    ("node -c my-net -p alice peers --watch", "Look at the others."),
    (
        "node share film.mkv",
        "Print a ticket; node get TICKET fetches the file anywhere in the network.",
    ),
];

/// `node completions SHELL`
pub fn completions(shell: Shell) -> Result<(), Trouble> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), called(), &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// `node man`
pub fn man() -> Result<(), Trouble> {
    let page = page(command()).map_err(|error| {
        Trouble::new(Exit::Internal, "cannot write the manual page", error.to_string(), "")
    })?;
    print(&page)
}

/// The page of the whole program, in the language of man.
fn page(mut command: Command) -> std::io::Result<String> {
    command = command.disable_help_subcommand(true);
    command.build();
    let name = called();
    let version = format!("kith {}", env!("CARGO_PKG_VERSION"));
    let mut roff = Roff::new();
    roff.control("TH", [name.to_uppercase().as_str(), "1", WRITTEN, &version, "kith"]);
    let mut out = Vec::new();
    roff.to_writer(&mut out)?;
    let whole = Man::new(command.clone());
    whole.render_name_section(&mut out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for (at, rest) in SYNOPSIS.into_iter().enumerate() {
        if at > 0 {
            roff.control("br", []);
        }
        roff.text([bold(name), roman(rest)]);
    }
    roff.to_writer(&mut out)?;
    whole.render_description_section(&mut out)?;
    whole.render_options_section(&mut out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["VERBS"]);
    for verb in command.get_subcommands() {
        describe(&mut roff, verb);
    }
    for (heading, terms) in SECTIONS {
        roff.control("SH", [heading]);
        for (term, text) in terms {
            explain(&mut roff, [bold(hint(term))], &hint(text));
        }
    }
    roff.control("SH", ["EXAMPLES"]);
    for (line, why) in EXAMPLES {
        explain(&mut roff, [bold(hint(line))], &hint(why));
    }
    roff.to_writer(&mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// One verb: how it is written, what it does, its own flags. Those of every verb stand in the options already.
fn describe(roff: &mut Roff, verb: &Command) {
    let usage = verb.clone().render_usage().to_string();
    let usage = usage.lines().next().unwrap_or_default().replace(" [OPTIONS]", "");
    let usage = usage.trim_start_matches("Usage: ");
    let behind_name = usage.split_once(' ').map_or(usage, |(_, behind)| behind);
    roff.control("SS", [behind_name.replace('-', r"\-").as_str()]);
    if let Some(about) = verb.get_long_about().or(verb.get_about()) {
        roff.text([roman(about.to_string())]);
    }
    let own = verb.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set());
    for arg in own.filter(|arg| arg.get_id() != "help") {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> =
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let takes = arg.get_action().takes_values() && !values.is_empty();
        let values = if takes { format!("{help}: {}", values.join(", ")) } else { help };
        explain(roff, name(arg), &values);
    }
    if let Some(more) = verb.get_after_help() {
        roff.control("PP", []);
        for line in more.to_string().lines() {
            match line.trim_start() {
                "" => roff.control("PP", []),
                indented if indented != line => roff.control("br", []).text([bold(indented)]),
                line => roff.text([roman(line)]),
            };
        }
    }
    for one in verb.get_subcommands() {
        describe(roff, one);
    }
}

/// `-f, --format FORMAT`
fn name(arg: &Arg) -> Vec<Inline> {
    let flags = arg.get_short().map(|short| format!("-{short}")).into_iter();
    let flags: Vec<String> = flags.chain(arg.get_long().map(|long| format!("--{long}"))).collect();
    let mut name = vec![bold(flags.join(", "))];
    if arg.get_action().takes_values() {
        let values = arg.get_value_names().unwrap_or_default().join(" ");
        name.extend([roman(if flags.is_empty() { "" } else { " " }), italic(values)]);
    }
    name
}

fn explain(roff: &mut Roff, term: impl Into<Vec<Inline>>, text: &str) {
    roff.control("TP", []).text(term).text([roman(text)]);
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    /// Every verb, with the verbs below it.
    fn verbs() -> Vec<String> {
        let below = |verb: &Command| {
            let name = verb.get_name().to_owned();
            let below: Vec<String> =
                verb.get_subcommands().map(|one| format!("{name} {}", one.get_name())).collect();
            [vec![name], below].concat()
        };
        command().get_subcommands().flat_map(below).collect()
    }

    #[test]
    fn every_verb_is_on_the_page_and_is_completed() {
        let page = page(command()).unwrap();
        for verb in verbs() {
            let heading = |line: &str| {
                let line = line.strip_prefix(".SS ").map(|line| line.trim_matches('"'));
                line.is_some_and(|line| line == verb || line.starts_with(&format!("{verb} ")))
            };
            assert!(page.lines().any(heading), "{verb} has no place on the page");
            for shell in Shell::value_variants() {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut command(), "node", &mut script);
                let script = String::from_utf8(script).unwrap();
                let last = verb.split(' ').next_back().unwrap();
                assert!(script.contains(last), "{verb} is not completed by {shell}");
            }
        }
    }
}
