//! Standard output. A terminal that is paused, or a pipe nobody reads, must not hold up the mesh: lines are
//! handed to a thread of their own, and lost when too many wait.

use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::logs;
use crate::mesh::topology::Said;
use crate::text::{escape, escape_to};

/// Lines that may wait to be printed.
const WAITING_MAX: usize = 1024;
/// Most columns of what somebody says.
const COLUMNS_MAX: usize = 512;

/// Prints lines in the background.
#[derive(Clone, Debug)]
pub struct Voice(SyncSender<String>);

impl Voice {
    /// Starts the thread that prints. It ends with the last clone of the voice, or when standard output
    /// is closed.
    pub fn new() -> std::io::Result<Voice> {
        let (tx, rx) = sync_channel::<String>(WAITING_MAX);
        std::thread::Builder::new().name("voice".into()).spawn(move || {
            let mut stdout = std::io::stdout();
            for line in rx {
                let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
                if written.is_err() {
                    return;
                }
            }
        })?;
        Ok(Voice(tx))
    }

    /// A voice that nobody hears, and without a thread.
    pub fn silent() -> Voice {
        Voice(sync_channel(0).0)
    }

    /// Prints a line if there is room.
    pub fn line(&self, line: String) {
        if self.0.try_send(line).is_err() {
            log::debug!("standard output does not keep up: a line was lost");
        }
    }

    /// Prints a ping or a shout. Shouts are kept for those who look at the daemon from outside, too.
    pub fn say(&self, said: &Said) {
        let line = phrase(said);
        if said.shout {
            logs::keep("kith::shout", &line);
        }
        self.line(line);
    }
}

fn phrase(said: &Said) -> String {
    let what = if said.shout { "shout" } else { "ping" };
    let short = said.from.short();
    let name = if said.label.is_empty() { "?".to_owned() } else { escape(&said.label) };
    let text = escape_to(&said.text, COLUMNS_MAX);
    let rtt = said.rtt_us.map(|us| format!("{:.1} ms", f64::from(us) / 1000.0));
    let plural = if said.hops == 1 { "" } else { "s" };
    let far = said.rtt_us.is_none() || said.hops > 1;
    let hops = far.then(|| format!("{} hop{plural}", said.hops));
    let way = rtt.into_iter().chain(hops).collect::<Vec<_>>().join(", ");
    let gap = if way.is_empty() { "" } else { " " };
    format!("{what} from {name} ({short}): \"{text}\"{gap}{way}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::NodeId;

    #[test]
    fn what_peers_say_cannot_act_on_the_terminal() {
        let said = Said {
            from: NodeId([0x3f; 32]),
            label: "bob\x1b[2J".into(),
            text: "hi\nping from eve".into(),
            shout: false,
            rtt_us: Some(1234),
            hops: 1,
        };
        let line = r#"ping from bob\u{1b}[2J (3f3f3f3f): "hi\nping from eve" 1.2 ms"#;
        assert_eq!(phrase(&said), line);
    }

    #[test]
    fn how_far_it_came_is_said_where_it_did_not_come_straight() {
        let end = |rtt_us, hops| {
            let (from, text) = (NodeId([0x3f; 32]), "hi".into());
            let said = Said { from, label: "bob".into(), text, shout: false, rtt_us, hops };
            phrase(&said).split_once("\"hi\"").map(|(_, end)| end.to_owned())
        };
        assert_eq!(end(Some(1234), 1).as_deref(), Some(" 1.2 ms"));
        assert_eq!(end(Some(1234), 2).as_deref(), Some(" 1.2 ms, 2 hops"));
        assert_eq!(end(None, 3).as_deref(), Some(" 3 hops"));
        assert_eq!(end(None, 1).as_deref(), Some(" 1 hop"));
    }
}
