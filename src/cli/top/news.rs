//! What can be heard of a daemon.
//!
//! PURE: an event in, news out.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;

use super::super::client::Event;
use crate::api::shapes::{Gone, Letters, LogLine, Peers, Shaped, Status, Transfer};
use crate::pieces::event::TransferId;

/// One thing that was heard.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A daemon answers there, and will tell all it has to tell from the beginning.
    Found(SocketAddr),
    /// It does not answer any more, and why.
    Lost(String),
    /// How it is.
    Status(Box<Status>),
    /// All other nodes.
    Peers(Peers),
    /// The last letters that were sent, and all conversations.
    Letters(Letters),
    /// A transfer that is new or shown otherwise.
    Transfer(Box<Transfer>),
    /// A transfer that is shown no more.
    Gone(TransferId),
    /// A line of its log.
    Log(LogLine),
    /// An event that makes no sense, and why.
    Odd(String),
}

/// What an event is to us.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// News by itself.
    News(News),
    /// Something about nodes or letters has changed; asking tells what.
    Changed,
    /// Nothing that is shown.
    Nothing,
}

/// What this event says.
pub fn heard(event: &Event) -> Heard {
    let news = match event.name.as_str() {
        "transfer" => shape(event).map(|transfer| News::Transfer(Box::new(transfer))),
        "status" => shape(event).map(|status| News::Status(Box::new(status))),
        "log" => shape(event).map(News::Log),
        "gone" => match shape::<Gone>(event) {
            Ok(Gone { transfer: Some(transfer), .. }) => Ok(News::Gone(transfer)),
            Ok(Gone { file_id: Some(_), .. }) => return Heard::Nothing,
            // A node or a link.
            Ok(_) => return Heard::Changed,
            Err(why) => Err(why),
        },
        "node" | "letter" | "outbox" | "missed" => return Heard::Changed,
        _ => return Heard::Nothing,
    };
    Heard::News(news.unwrap_or_else(News::Odd))
}

fn shape<T: DeserializeOwned>(event: &Event) -> Result<T, String> {
    let read = serde_json::from_str::<Shaped<T>>(&event.data);
    read.map(|shaped| shaped.body).map_err(|error| {
        format!("an event of kind {} cannot be read: {error}; is the daemon newer?", event.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::shapes::Level;

    fn said(name: &str, data: &str) -> Heard {
        heard(&Event { name: name.into(), data: data.into() })
    }

    #[test]
    fn a_line_of_the_log_is_read() {
        let line = |level: &str| {
            format!(
                r#"{{"schema":1,"number":7,"at_ms":9,"level":"{level}","target":"net","text":"x"}}"#
            )
        };
        let read = |level: Level| {
            let (target, text) = ("net".into(), "x".into());
            Heard::News(News::Log(LogLine { number: 7, at_ms: 9, level, target, text }))
        };
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            assert_eq!(said("log", &line(level.as_str())), read(level));
        }
        assert_eq!(said("log", &line("fatal")), read(Level::Trace));
    }

    #[test]
    fn what_is_asked_for_is_only_noticed() {
        let id = "ab".repeat(32);
        let node = format!(r#"{{"schema":1,"node":"{id}"}}"#);
        let link = format!(r#"{{"schema":1,"link":{{"from":"{id}","to":"{id}"}}}}"#);
        for (name, data) in [
            ("node", r#"{"schema":1,"id":"x"}"#),
            ("letter", ""),
            ("outbox", ""),
            ("missed", "{}"),
            ("gone", node.as_str()),
            ("gone", link.as_str()),
        ] {
            assert_eq!(said(name, data), Heard::Changed, "{name}");
        }
        assert_eq!(said("gone", r#"{"schema":1,"transfer":3}"#), Heard::News(News::Gone(3)));
        let file = format!(r#"{{"schema":1,"file_id":"{}"}}"#, "aa".repeat(32));
        for (name, data) in [("gone", file.as_str()), ("piece", "{}"), ("link", "{}"), ("", "")] {
            assert_eq!(said(name, data), Heard::Nothing, "{name}");
        }
    }

    #[test]
    fn nonsense_is_told() {
        for (name, data) in
            [("log", "{}"), ("transfer", "nonsense"), ("gone", "[]"), ("status", "")]
        {
            match said(name, data) {
                Heard::News(News::Odd(why)) => assert!(why.contains(name), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
