//! What is known of the daemon that is looked at.
//!
//! PURE: news and the time in; everything kept is bounded, whatever the daemon tells.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::news::News;
use crate::api::shapes::{HexId, Letter, Letters, Level, LogLine, Peer, Peers, Status, Transfer};
use crate::pieces::event::TransferId;

/// Round trips kept of each peer.
pub const SAMPLES_MAX: usize = 60;
/// Peers that are shown, far more than a network has.
pub const PEERS_MAX: usize = 10_000;
/// Lines kept of the log.
pub const LOG_MAX: usize = 1000;
/// Transfers that are shown; the daemon keeps fewer.
pub const TRANSFERS_MAX: usize = 1000;
/// Letters that are shown.
pub const LETTERS_MAX: usize = 100;
/// Shortest time between two round trips that are kept, milliseconds; a little less than the pause between asking.
const SAMPLE_MS: u64 = 900;
/// What this view calls itself in the log.
const OURSELVES: &str = "top";

/// All there is to see.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// How the daemon is, once that is known.
    pub status: Option<Status>,
    /// It has told of its peers.
    pub met: bool,
    /// The other nodes, by label and id as the daemon sorts them.
    pub peers: Vec<Row>,
    /// Transfers by number.
    pub transfers: BTreeMap<TransferId, Transfer>,
    /// The last letters that were sent, newest first.
    pub letters: Vec<Letter>,
    /// Letters that came and nobody has been shown.
    pub unread: u64,
    /// The log, oldest first.
    pub log: VecDeque<LogLine>,
    /// How many lines there ever were.
    pub logged: u64,
    /// Since when (Unix milliseconds) and why the daemon does not answer; none: it does.
    pub lost: Option<(u64, String)>,
    /// When round trips were kept last, Unix milliseconds.
    sampled_ms: u64,
}

/// A peer and how its link was lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As the daemon shows it.
    pub peer: Peer,
    /// Round trips, microseconds, oldest first, one a second; 0: there was none.
    pub rtts: VecDeque<u32>,
}

/// What stays the same about a peer.
type Key = (Option<HexId>, Option<SocketAddr>);

fn key(peer: &Peer) -> Key {
    // An address may change below a node; before the id is known there is nothing else.
    (peer.id, if peer.id.is_some() { None } else { peer.addr })
}

impl Model {
    /// Takes one piece of news at `now_ms` (Unix milliseconds).
    pub fn hear(&mut self, news: News, now_ms: u64) {
        match news {
            News::Found(addr) => {
                // It begins with every transfer there is; those of before may be gone.
                self.transfers.clear();
                self.lost = None;
                self.note(Level::Info, format!("asking the daemon at {addr}"), now_ms);
            }
            News::Lost(why) => self.lose(why, now_ms),
            News::Status(status) => self.stand(*status, now_ms),
            News::Peers(peers) => self.meet(peers, now_ms),
            News::Letters(letters) => self.sort(letters),
            News::Transfer(transfer) => {
                self.transfers.insert(transfer.transfer, *transfer);
                if self.transfers.len() > TRANSFERS_MAX {
                    self.transfers.pop_first();
                }
            }
            News::Gone(transfer) => {
                self.transfers.remove(&transfer);
            }
            News::Log(line) => self.log(line),
            News::Odd(why) => self.note(Level::Warn, why, now_ms),
        }
    }

    fn lose(&mut self, why: String, now_ms: u64) {
        match &mut self.lost {
            Some((_, told)) => *told = why,
            None => {
                self.note(Level::Warn, format!("lost the daemon: {why}"), now_ms);
                self.lost = Some((now_ms, why));
            }
        }
    }

    fn stand(&mut self, status: Status, now_ms: u64) {
        let before = self.status.as_ref();
        if before.is_some_and(|before| before.id != status.id) {
            // What was known is about another node.
            (self.met, self.peers, self.letters, self.unread) = Default::default();
            self.note(Level::Warn, "this is another node than before".into(), now_ms);
        }
        self.status = Some(status);
    }

    fn meet(&mut self, peers: Peers, now_ms: u64) {
        (self.lost, self.met) = (None, true);
        let mut before: BTreeMap<Key, VecDeque<u32>> =
            self.peers.drain(..).map(|row| (key(&row.peer), row.rtts)).collect();
        // A clock that was set back must not end the sampling.
        let sampling = now_ms.abs_diff(self.sampled_ms) >= SAMPLE_MS;
        if sampling {
            self.sampled_ms = now_ms;
        }
        let row = |peer: Peer| {
            let mut rtts = before.remove(&key(&peer)).unwrap_or_default();
            if sampling {
                if rtts.len() == SAMPLES_MAX {
                    rtts.pop_front();
                }
                rtts.push_back(peer.rtt_us.unwrap_or(0));
            }
            Row { peer, rtts }
        };
        self.peers = peers.peers.into_iter().take(PEERS_MAX).map(row).collect();
    }

    fn sort(&mut self, letters: Letters) {
        let unread = letters.conversations.iter().map(|with| with.unread);
        self.unread = unread.fold(0, u64::saturating_add);
        self.letters = letters.letters;
        self.letters.truncate(LETTERS_MAX);
    }

    fn log(&mut self, line: LogLine) {
        // A stream that begins anew tells the last lines again.
        let same = |old: &LogLine| (old.number, old.at_ms) == (line.number, line.at_ms);
        if line.number == 0 || !self.log.iter().any(same) {
            self.log.push_back(line);
            self.logged += 1;
        }
        if self.log.len() > LOG_MAX {
            self.log.pop_front();
        }
    }

    /// Says something beside what the daemon says.
    fn note(&mut self, level: Level, text: String, at_ms: u64) {
        let text = crate::text::escape_to(&text, 400);
        self.log(LogLine { number: 0, at_ms, level, target: OURSELVES.into(), text });
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{NOW_MS, letter, line, peers, status};
    use super::*;
    use crate::api::samples::{fetching, id};

    fn bob(model: &Model) -> &Row {
        model.peers.iter().find(|row| row.peer.label == "bob").expect("bob is there")
    }

    #[test]
    fn a_round_trip_is_kept_once_a_second_and_the_last_minute_only() {
        let mut model = Model::default();
        for second in 0..100 {
            let mut peers = peers();
            peers.peers.iter_mut().for_each(|p| p.rtt_us = p.rtt_us.map(|_| second));
            // A change of something else brings the same peers twice.
            for ms in [0, 150] {
                model.hear(News::Peers(peers.clone()), NOW_MS + u64::from(second) * 1000 + ms);
            }
        }
        assert_eq!(bob(&model).rtts, (40..100).collect::<VecDeque<_>>());
        let carol = &model.peers.iter().find(|row| row.peer.label == "carol").unwrap().rtts;
        assert_eq!(carol, &VecDeque::from([0; SAMPLES_MAX]), "not linked");
        // The clock is set back by an hour.
        model.hear(News::Peers(peers()), NOW_MS - 3_600_000);
        model.hear(News::Peers(peers()), NOW_MS - 3_599_000);
        assert_eq!(bob(&model).rtts.iter().rev().take(2).collect::<Vec<_>>(), [&321, &321]);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let mut model = Model::default();
        model.hear(News::Peers(peers()), NOW_MS);
        assert_eq!(model.peers.len(), peers().peers.len());
        model.hear(News::Peers(Peers { peers: vec![] }), NOW_MS + 1000);
        assert!(model.peers.is_empty());
        model.hear(News::Peers(peers()), NOW_MS + 2000);
        assert_eq!(bob(&model).rtts, [321], "as one that is new");

        for transfer in [1, 2] {
            let shown = Transfer::from(&fetching(transfer));
            model.hear(News::Transfer(Box::new(shown)), NOW_MS);
        }
        model.hear(News::Gone(1), NOW_MS);
        model.hear(News::Gone(9), NOW_MS);
        assert_eq!(model.transfers.keys().collect::<Vec<_>>(), [&2]);
    }

    #[test]
    fn nothing_grows_without_end() {
        let mut model = Model::default();
        for number in 1..=3000 {
            model.hear(News::Log(line(number, Level::Info, "x")), NOW_MS);
            model.hear(News::Odd("what?".into()), NOW_MS);
            let shown = Transfer::from(&fetching(number));
            model.hear(News::Transfer(Box::new(shown)), NOW_MS);
        }
        assert_eq!((model.log.len(), model.transfers.len()), (LOG_MAX, TRANSFERS_MAX));
        assert_eq!(model.log.iter().rev().nth(1).unwrap().number, 3000);
        assert_eq!(model.transfers.keys().next_back(), Some(&3000));

        let one = peers().peers.remove(0);
        let peers = vec![one; PEERS_MAX + 5];
        model.hear(News::Peers(Peers { peers }), NOW_MS);
        assert_eq!(model.peers.len(), PEERS_MAX);
        let letters = vec![letter(3); LETTERS_MAX + 5];
        model.hear(News::Letters(Letters { letters, conversations: vec![] }), NOW_MS);
        assert_eq!(model.letters.len(), LETTERS_MAX);
    }

    #[test]
    fn a_restart_is_told_and_survived() {
        let addr = ([127, 0, 0, 1], 4000).into();
        let mut model = Model::default();
        let begin = |model: &mut Model, run: u64| {
            model.hear(News::Found(addr), NOW_MS + run);
            for number in 1..=3 {
                let line = LogLine { at_ms: NOW_MS + run, ..line(number, Level::Info, "x") };
                model.hear(News::Log(line), NOW_MS + run);
            }
            model.hear(News::Status(Box::new(status())), NOW_MS + run);
            model.hear(News::Peers(peers()), NOW_MS + run);
        };
        begin(&mut model, 0);
        model.hear(News::Transfer(Box::new(Transfer::from(&fetching(1)))), NOW_MS);
        model.hear(News::Lost("it ended".into()), NOW_MS + 5);
        model.hear(News::Lost("nobody is there".into()), NOW_MS + 9);
        assert_eq!(model.lost, Some((NOW_MS + 5, "nobody is there".into())));
        assert_eq!(bob(&model).rtts.len(), 1, "what was known last is still shown");

        begin(&mut model, 1000);
        assert_eq!(model.lost, None);
        assert!(model.transfers.is_empty(), "those of the run before");
        assert_eq!(bob(&model).rtts.len(), 2, "the peers are the same");
        let texts: Vec<&str> = model.log.iter().map(|line| line.text.as_str()).collect();
        let asking = "asking the daemon at 127.0.0.1:4000";
        assert_eq!(
            texts,
            [asking, "x", "x", "x", "lost the daemon: it ended", asking, "x", "x", "x"]
        );

        // Only the stream broke: the last lines of the same run are told again.
        model.hear(News::Lost("closed".into()), NOW_MS + 2000);
        let lines = model.log.len();
        begin(&mut model, 1000);
        assert_eq!(model.log.len(), lines + 1, "the one that says who is asked");
    }

    #[test]
    fn another_node_begins_with_nothing() {
        let mut model = Model::default();
        model.hear(News::Status(Box::new(status())), NOW_MS);
        model.hear(News::Peers(peers()), NOW_MS);
        let other = Status { id: HexId(id(9)), ..status() };
        model.hear(News::Status(Box::new(other)), NOW_MS + 1);
        assert!(model.peers.is_empty());
        assert_eq!(model.log.back().unwrap().level, Level::Warn);
    }
}
