//! What can be said about letters.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::ShowLive;
use crate::api::letters::{HOPS_MAX, KEY_BYTES_MAX, LIMIT_MAX, TTL_S_MAX, shards};

const PUSH_HELP: &str = "\
Examples:
  node push --to erin --msg 'lunch at twelve?'
  node push --to 3f2a91bc --file notes.txt --wait
  date | node push --to 192.0.2.7:8090 -

WHO is an id, a name you pinned, the first 8 or more digits of an id, a label, an IP, or IP:port. What fits two
nodes is refused; nobody is ever guessed.";

const PULL_HELP: &str = "\
Examples:
  node pull
  node pull --with erin --peek
  node pull --follow --json

Letters count as seen once they have been printed. If this is ended before, the next pull prints them again.";

const LETTERS_HELP: &str = "\
Examples:
  node letters --with erin
  node letters show 3f2a91bc";

/// `push`
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["msg", "file", "stdin"])))]
#[command(after_help = PUSH_HELP)]
pub struct PushArgs {
    /// To whom
    #[arg(long, value_name = "WHO")]
    pub to: String,
    /// What to say
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub msg: Option<String>,
    /// Say what is in this file; share gives larger ones
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Say what comes from standard input
    #[arg(value_name = "-", value_parser = ["-"], hide_possible_values = true)]
    pub stdin: Option<String>,
    /// How many relays it passes, 0 to 4: fewer are quicker and hide less [default: mail.hops]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=i64::from(HOPS_MAX)))]
    pub hops: Option<u8>,
    /// Send it in N fragments on different ways, any K of which give it back: 3/5
    #[arg(long, value_name = "K/N", value_parser = whole_shards)]
    pub shards: Option<String>,
    /// Give it up after this long: 30s, 10m, 12h, 7d [default: mail.ttl]
    #[arg(long, value_name = "TIME", value_parser = ttl_s)]
    pub ttl: Option<u32>,
    /// Your own name for it: pushed again with the same name, it is the same letter and is not sent twice
    #[arg(long, value_name = "KEY", value_parser = key)]
    pub id: Option<String>,
    /// Wait until its reader has signed for it
    #[arg(short, long)]
    pub wait: bool,
    /// Wait no longer than this (exit status 4); the letter goes on
    #[arg(long, value_name = "SECONDS", requires = "wait",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print SUCCESS or FAIL and nothing else
    #[arg(long, conflicts_with = "json")]
    pub plain: bool,
}

/// `pull`
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = PULL_HELP)]
pub struct PullArgs {
    /// Only those from this node
    #[arg(long, value_name = "WHO")]
    pub with: Option<String>,
    /// Only look: also at those seen before, and they stay as new as they were
    #[arg(long)]
    pub peek: bool,
    /// Go on and print letters as they come
    #[arg(short, long)]
    pub follow: bool,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = limit)]
    pub limit: Option<usize>,
    /// Print JSON (with --follow: an object a line)
    #[arg(long)]
    pub json: bool,
    /// Print SUCCESS and their number, then a line for each: IP: ADDRESS MSG:TEXT
    #[arg(long, conflicts_with_all = ["json", "follow"])]
    pub plain: bool,
}

/// `letters`
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = LETTERS_HELP)]
pub struct LettersArgs {
    /// One of them.
    #[command(subcommand)]
    pub one: Option<OneLetter>,
    /// Only those with this node
    #[arg(long, value_name = "WHO")]
    pub with: Option<String>,
    /// Look at so many of the last that were sent [default: 100]
    #[arg(long, value_name = "N", value_parser = limit)]
    pub limit: Option<usize>,
    /// How.
    #[command(flatten)]
    pub show: ShowLive,
}

/// What can be asked of one letter.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum OneLetter {
    /// Show one that was sent from here: the path it took, how far it is, what comes next
    Show {
        /// Its id, or the first 8 or more digits
        id: String,
        /// How.
        #[command(flatten)]
        show: ShowLive,
    },
}

/// The text itself travels; here is only seen to it that it is right.
fn whole_shards(text: &str) -> Result<String, String> {
    shards(text).map(|_| text.into())
}

fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 1..=LIMIT_MAX) => Ok(limit),
        _ => Err(format!("a number from 1 to {LIMIT_MAX}")),
    }
}

fn key(text: &str) -> Result<String, String> {
    match text.len() {
        1..=KEY_BYTES_MAX => Ok(text.into()),
        _ => Err(format!("a name of 1 to {KEY_BYTES_MAX} bytes")),
    }
}

/// Seconds of `30s`, `10m`, `12h`, `7d`.
fn ttl_s(text: &str) -> Result<u32, String> {
    let wrong = || "a time from 1s to 7d: a number and s, m, h or d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds: u32 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number = &text[..text.len() - unit.len_utf8()];
    let number = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok());
    let ttl = number.flatten().and_then(|number: u32| number.checked_mul(seconds));
    ttl.filter(|ttl| (1..=TTL_S_MAX).contains(ttl)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_an_end() {
        for (text, seconds) in
            [("30s", 30), ("10m", 600), ("12h", 43_200), ("7d", 604_800), ("168h", 604_800)]
        {
            assert_eq!(ttl_s(text), Ok(seconds));
        }
        for text in ["", "7", "s", "0s", "8d", "-1d", "+1d", "1.5h", "7 d", "99999999999d", "7ö"] {
            assert!(ttl_s(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shards_are_two_numbers() {
        for text in ["1/1", "3/5", "128/128"] {
            assert_eq!(whole_shards(text), Ok(text.into()));
        }
        for text in
            ["", "3", "/", "3/", "/5", "0/5", "6/5", "3/129", "+3/5", "3/5/7", "3/ 5", "300/300"]
        {
            assert!(whole_shards(text).is_err(), "{text}");
        }
    }
}
