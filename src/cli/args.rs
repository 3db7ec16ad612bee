//! What can be said on the command line.

mod letters;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use letters::{LettersArgs, OneLetter, PullArgs, PushArgs};

use super::called::{called, renamed};
use super::trouble::Trouble;
use crate::settings::{Sources, process_environment};

/// Joins your machines into one private, encrypted, self-healing network, with no server in it.
///
/// Without a verb it runs the daemon in the foreground. With one it asks or steers a daemon that runs:
/// the one of -c and -p, else the one KITH_CONTROL (with KITH_TOKEN) or KITH_STATE name, else the only one
/// running here.
#[derive(Debug, Parser)]
#[command(name = "node", version, verbatim_doc_comment, after_help = EXITS)]
pub struct Cli {
    /// Flags that stand before or behind a verb.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do; nothing means: run.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

const EXITS: &str =
    "Exit status: 0 done, 1 failed, 2 usage or settings, 3 no daemon, 4 timed out, 70 internal.";

/// Flags that stand before or behind a verb.
#[derive(Clone, Debug, Default, Args)]
pub struct Flags {
    /// Directory with network/default.toml and network/PROFILE.toml
    #[arg(short, long, value_name = "DIR", global = true, display_order = 900)]
    pub config: Option<PathBuf>,
    /// Which profile of it
    #[arg(short, long, value_name = "NAME", global = true, display_order = 900, value_parser = profile)]
    pub profile: Option<String>,
    /// Set one setting, over all files: network.controller.listen.port=9001 (repeatable)
    #[arg(short, long, value_name = "KEY=VALUE", global = true, display_order = 900)]
    pub set: Vec<String>,
    /// Address of the control API to ask, as the daemon prints it at its start
    #[arg(long, value_name = "IP:PORT", global = true, help_heading = "Which daemon")]
    pub control: Option<String>,
    /// Its token; better in KITH_TOKEN, since other users can see flags
    #[arg(long, value_name = "TOKEN", global = true, help_heading = "Which daemon")]
    pub token: Option<String>,
    /// What the daemon runs with.
    #[command(flatten)]
    pub running: Running,
}

/// Short forms of settings, for running.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "For running")]
pub struct Running {
    /// Seconds between two pings to everyone
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub period: Option<f64>,
    /// Port to listen on; 0 is any free one
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Join the network of this node: IP:port or host:port (repeatable)
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub connect: Vec<String>,
    /// PEM file with an Ed25519 private key
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// PEM file with its certificate
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
}

impl Flags {
    /// Where the settings of this command line come from.
    pub fn sources(&self) -> Sources {
        let mut given: Vec<(String, String, toml::Value)> = Vec::new();
        let mut give = |flag: &str, key: &str, value: toml::Value| {
            given.push((flag.to_owned(), key.to_owned(), value));
        };
        let running = &self.running;
        if let Some(period) = running.period {
            give("--period", "network.period", toml::Value::Float(period));
        }
        if let Some(port) = running.port {
            give("--port", "network.controller.listen.port", i64::from(port).into());
        }
        if !running.connect.is_empty() {
            let addrs = running.connect.iter().cloned().map(toml::Value::String).collect();
            give("--connect", "network.controller.target.connect", toml::Value::Array(addrs));
        }
        for (flag, key, path) in
            [("--key", "network.key", &running.key), ("--cert", "network.cert", &running.cert)]
        {
            if let Some(path) = path {
                give(flag, key, path.to_string_lossy().into_owned().into());
            }
        }
        Sources {
            config_dir: self.config.clone(),
            profile: self.profile.clone(),
            env: process_environment(),
            flags: given,
            sets: self.set.clone(),
        }
    }
}

/// How a verb that shows what changes shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct ShowLive {
    /// Print JSON, exactly as the control API gives it (one line for each change with --watch)
    #[arg(long)]
    pub json: bool,
    /// Keep showing: redrawn each second on a terminal, printed anew when something changed elsewhere
    #[arg(short, long)]
    pub watch: bool,
}

/// What `graph` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// d2lang.com
    D2,
    /// Graphviz
    Dot,
    /// mermaid.js.org
    Mermaid,
    /// The JSON of the control API
    Json,
    /// A picture
    Svg,
}

impl GraphFormat {
    /// As the API's query names it.
    pub fn as_str(self) -> &'static str {
        match self {
            GraphFormat::D2 => "d2",
            GraphFormat::Dot => "dot",
            GraphFormat::Mermaid => "mermaid",
            GraphFormat::Json => "json",
            GraphFormat::Svg => "svg",
        }
    }
}

/// How the progress of a transfer is shown, on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// A line that is redrawn on a terminal, else a line a second at most
    #[default]
    Auto,
    /// One JSON object a line, for each change and for what went wrong
    Json,
    /// Nothing
    None,
}

/// How `share` and `get` wait for what they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct Follow {
    /// How to show progress, on stderr
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub progress: Progress,
    /// Do not wait for the end; print the number of the transfer
    #[arg(long)]
    pub no_wait: bool,
    /// Wait no longer than this for all of it (exit status 4); it goes on in the daemon
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What to ask or tell a daemon. WHO is an id, its first 8 or more digits, a label, or IP:port.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Show how the daemon is
    Status {
        /// How.
        #[command(flatten)]
        show: ShowLive,
    },
    /// List the other nodes: state, link, round-trip time
    Peers {
        /// How.
        #[command(flatten)]
        show: ShowLive,
    },
    /// Show all of it on the full screen, as it goes: peers, transfers, letters, the log
    Top,
    /// Show all nodes and links of the network
    Graph {
        /// Print the graph for another program
        #[arg(short, long, value_name = "FORMAT", conflicts_with_all = ["json", "watch"])]
        format: Option<GraphFormat>,
        /// How.
        #[command(flatten)]
        show: ShowLive,
    },
    /// Show the cheapest path to a node, and measure the one that a message takes
    Path {
        /// Id, its beginning, label, or IP:port
        who: String,
        /// How.
        #[command(flatten)]
        show: ShowLive,
    },
    /// Measure the round trip to a node now, over other nodes if there is no link
    Ping {
        /// Id, its beginning, label, or IP:port
        who: String,
        /// Print JSON (one object a line with --watch)
        #[arg(long)]
        json: bool,
        /// Measure anew each second, a line each; goes on when there is no answer
        #[arg(short, long)]
        watch: bool,
    },
    /// Show what was seen of a node, behind the last verdicts on it
    Why {
        /// Id, its beginning, label, or IP:port
        who: String,
        /// How.
        #[command(flatten)]
        show: ShowLive,
    },
    /// Give files and directories to any node of this network that has the ticket it prints, or the id;
    /// they stay where they are
    Share {
        /// Files or directories
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// How.
        #[command(flatten)]
        follow: Follow,
    },
    /// Get a file or directory from everyone who holds it; prints its path once it is verified
    Get {
        /// What share printed, or a file id
        ticket: String,
        /// Where to: a directory that exists, or the path it is to have [default: here]
        #[arg(short, long, value_name = "PATH")]
        out: Option<PathBuf>,
        /// Overwrite what is there
        #[arg(short, long)]
        force: bool,
        /// How.
        #[command(flatten)]
        follow: Follow,
    },
    /// List what is being shared and got: how far, how fast, what limits it
    Transfers {
        /// Stop this one; what is there stays, and get goes on with it
        #[arg(long, value_name = "NR", conflicts_with_all = ["json", "watch"])]
        stop: Option<u64>,
        /// How.
        #[command(flatten)]
        show: ShowLive,
    },
    /// List the files known here, and who else holds them
    Pieces {
        /// How.
        #[command(flatten)]
        show: ShowLive,
    },
    /// Give a file to nobody any more; removes only what is there of an unfinished download
    Forget {
        /// File id, its first 8 or more digits, a ticket, or the exact name
        file: String,
    },
    /// Send a letter: sealed for its reader, over other nodes each time, tried until the reader has signed
    Push(Box<PushArgs>),
    /// Print the letters that came and were not seen yet, by correspondent
    Pull(PullArgs),
    /// List conversations, and the letters from here that are under way or failed
    Letters(LettersArgs),
    /// List who passes letters on and who keeps them, and how that goes
    Relays {
        /// How.
        #[command(flatten)]
        show: ShowLive,
    },
    /// Print the address of the daemon's page, to be opened in a browser here; it lets one browser in, once
    Open {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Dial an address now
    Connect {
        /// IP:port or host:port
        addr: String,
    },
    /// Close the link to a node and do not dial it again
    Disconnect {
        /// Id, its beginning, label, or IP:port
        who: String,
    },
    /// Trust a node by hand
    Pin {
        /// Id, its beginning, label, or IP:port
        who: String,
    },
    /// Forget what is pinned for a node or a label
    Unpin {
        /// Id, its beginning, label, or IP:port
        who: String,
    },
    /// Close the link to a node and refuse it from now on
    Ban {
        /// Id, its beginning, label, or IP:port
        who: String,
    },
    /// Let a banned node in again
    Unban {
        /// Id, its beginning, label, or IP:port
        who: String,
    },
    /// Say goodbye to the network, then stop the daemon
    Leave,
    /// Stop the daemon
    Stop,
    /// Make the daemon read its settings again
    Reload,
    /// Check the settings; tells all that is wrong with them
    Check {
        /// Print JSON: each problem with its key, value, range and layer
        #[arg(long)]
        json: bool,
    },
    /// Print the settings in force
    Config {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Say where each comes from
        #[arg(long)]
        origin: bool,
        /// Ask the running daemon instead of reading the files
        #[arg(long)]
        running: bool,
    },
    /// Write a profile to begin with
    Init {
        /// The directory to give to -c later
        dir: PathBuf,
        /// Where the node is to keep its state, for a service [default: profiles/NAME, where it is started]
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
    },
    /// Print what a shell needs to complete these verbs and flags
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page: man -l - shows it
    Man,
    /// Look at this node and its machine from all sides: what is wrong, and what to do
    Doctor(DoctorArgs),
    /// Say something to everyone
    Shout {
        /// What; at most 16 KiB
        #[arg(required = true)]
        text: Vec<String>,
    },
}

/// What can be said, under the name this program is called by.
pub(super) fn command() -> Command {
    under(called())
}

/// The same under this name. Examples behind a verb's help show it; other help does without.
pub(super) fn under(name: &'static str) -> Command {
    Cli::command().name(name).mut_subcommands(|verb| {
        let help = verb.get_after_help().map(|help| renamed(&help.to_string(), name));
        match help {
            Some(help) => verb.after_help(help),
            None => verb,
        }
    })
}

/// Reads the command line.
pub(super) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let said = command().try_get_matches_from(words)?;
    Cli::from_arg_matches(&said).map_err(|error| error.format(&mut command()))
}

/// What `doctor` is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write a file for a bug report: no key, token, secret or letter in it
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Leave the names of files in the bundle
    #[arg(long, requires = "bundle")]
    pub with_names: bool,
}

/// A profile's name is also a file's and a directory's.
fn profile(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > 64 || text.starts_with('.') || !text.chars().all(plain) {
        return Err("a profile's name has 1 to 64 letters, digits, -, _ or . (not first)".into());
    }
    Ok(text.into())
}

/// Refuses flags for running beside a verb that runs nothing: they would be without effect.
pub(super) fn fits(cli: &Cli) -> Result<(), Trouble> {
    let reads_settings = matches!(
        cli.verb,
        None | Some(Verb::Check { .. } | Verb::Doctor(_) | Verb::Config { running: false, .. })
    );
    if reads_settings || cli.flags.running == Running::default() {
        return Ok(());
    }
    Err(Trouble::usage(
        "this verb asks a daemon that runs already",
        "--period, --port, --connect, --key and --cert are for running one",
        "leave them out; node connect ADDR makes a running daemon dial",
    ))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::{Exit, parse};
    use super::*;

    fn read(line: &str) -> Result<Cli, Exit> {
        parse(line.split(' ').map(Into::into))
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_older_systems_lines_are_read() {
        let cli = read("node --period 5 --port 8080").expect("p2p-gossip's line");
        assert_eq!((cli.flags.running.period, cli.flags.running.port), (Some(5.0), Some(8080)));
        let cli = read("node --period 3 --port 8081 --connect 127.0.0.1:8080").expect("joins");
        assert_eq!(cli.flags.running.connect, ["127.0.0.1:8080"]);
        let cli = read("node -c config -p alice -s \"network.controller.d2\"=true -s a=1");
        assert_eq!(cli.expect("area-net's line").flags.set.len(), 2);
    }

    #[test]
    fn flags_stand_before_or_behind_the_verb() {
        for line in ["node -c config -p bob peers --json", "node peers --json -c config -p bob"] {
            let cli = read(line).expect(line);
            assert_eq!(cli.flags.profile.as_deref(), Some("bob"));
            let show = ShowLive { json: true, watch: false };
            assert_eq!(cli.verb, Some(Verb::Peers { show }));
        }
        let cli = read("node --connect 127.0.0.1:1 --connect 127.0.0.1:2,host:3").expect("three");
        assert_eq!(cli.flags.running.connect.len(), 3);
    }

    #[test]
    fn a_letter_may_say_what_looks_like_a_flag() {
        let said = |line: &[&str]| {
            let words = ["node", "push", "--to", "bob"].iter().chain(line);
            match parse(words.map(Into::into)).expect("good").verb {
                Some(Verb::Push(push)) => (push.msg, push.stdin),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(said(&["--msg", "-"]), (Some("-".into()), None));
        assert_eq!(said(&["--msg", "--json"]), (Some("--json".into()), None));
        assert_eq!(said(&["--msg=", "--wait"]), (Some(String::new()), None));
        assert_eq!(said(&["-"]), (None, Some("-".into())));
        assert!(read("node letters show 3f2a91bc --json").is_ok());
        assert!(read("node pull --with bob --peek --limit 3").is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "node nosuchverb",
            "node path",
            "node --port 99999",
            "node --port 8080 peers",
            "node graph --format gif",
            "node -p ../../etc peers",
            "node -p .hidden",
            "node shout",
            "node share",
            "node get",
            "node get x --progress loud",
            "node get x --timeout 0",
            "node get x --timeout 1 --no-wait",
            "node transfers --stop x",
            "node transfers --stop 1 --json",
            "node push --to bob",
            "node push --msg hi",
            "node push --to bob --msg hi -",
            "node push --to bob --msg hi --file x",
            "node push --to bob hi",
            "node push --to bob --msg hi --hops 5",
            "node push --to bob --msg hi --hops -1",
            "node push --to bob --msg hi --shards 6/5",
            "node push --to bob --msg hi --ttl 8d",
            "node push --to bob --msg hi --timeout 3",
            "node push --to bob --msg hi --plain --json",
            "node pull --limit 0",
            "node pull --plain --follow",
            "node letters show",
            "node letters --with bob show 3f2a91bc",
        ] {
            assert_eq!(read(line).err(), Some(Exit::Usage), "{line}");
        }
        assert_eq!(read("node --version").err(), Some(Exit::Done));
    }
}
