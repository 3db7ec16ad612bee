//! What happened: to letters, and in the log.

use super::super::shapes::{CameEvent, HexId, HexLetter, LogLine, Missed, OutboxEvent};
use super::{CHUNK_BYTES, event};
use crate::actors::messages::{Happened, MailView};
use crate::logs::Lines;

/// Says what happened to letters after number `told`, until about a chunk is full: the last number that is told
/// now. Where the numbers begin anew (the daemon has built its actors again), so does what is told.
pub fn say_news(mail: &MailView, told: u64, text: &mut String) -> u64 {
    let (Some(first), Some(last)) = (mail.news.front(), mail.news.back()) else { return told };
    let mut told = if last.number < told { first.number.saturating_sub(1) } else { told };
    if first.number > told + 1 {
        event("missed", Missed { count: first.number - told - 1 }, text);
        told = first.number - 1;
    }
    let begun = told;
    for news in mail.news.iter().filter(|news| news.number > begun) {
        let at_ms = news.at_ms;
        match &news.what {
            Happened::Came { id, from } => {
                let (id, from) = (HexLetter(*id), HexId(*from));
                event("letter", CameEvent { id, from, at_ms }, text);
            }
            Happened::Turned { id, to, state, why } => {
                let (id, to, why) = (HexLetter(*id), HexId(*to), why.clone());
                event("outbox", OutboxEvent { id, to, state: (*state).into(), why, at_ms }, text);
            }
        }
        told = news.number;
        if text.len() >= CHUNK_BYTES {
            break;
        }
    }
    told
}

/// Says the lines of the log after number `told`, until about a chunk is full; whether there are more.
pub fn say_lines(lines: &Lines, told: &mut u64, text: &mut String) -> bool {
    let begun = *told;
    for line in lines.iter().filter(|line| line.number > begun) {
        if text.len() >= CHUNK_BYTES {
            return true;
        }
        event("log", LogLine::from(line), text);
        *told = line.number;
    }
    false
}
