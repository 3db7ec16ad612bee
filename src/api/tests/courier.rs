//! What the fake knows of letters: it lends, remembers and tells as the Courier does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::actors::messages::*;
use crate::api::samples::{self, id};
use crate::mail::LetterId;
use crate::mail::event::Draft;
use crate::mail::rows::{InLetter, OutLetter, State};
use crate::mesh::NodeId;

/// Letters, without any disk or path.
pub struct Mail {
    pub view: watch::Sender<Arc<MailView>>,
    pub sent: Mutex<Vec<OutLetter>>,
    pub came: Mutex<Vec<InLetter>>,
    pub pins: Mutex<Pins>,
    lent: Mutex<BTreeSet<u64>>,
}

impl Default for Mail {
    fn default() -> Mail {
        Mail {
            view: watch::Sender::new(Arc::default()),
            sent: Mutex::new(vec![
                samples::letter(3, State::Failed),
                samples::letter(2, State::Delivered),
                samples::letter(1, State::Sent),
            ]),
            came: Mutex::default(),
            pins: Mutex::default(),
            lent: Mutex::default(),
        }
    }
}

/// What is noted of a push.
pub fn asked(m: &Push) -> String {
    let Push(Draft { to, body, key, hops, shards, ttl_s }) = m;
    let said = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
    let shards = shards.map(|s| (s.k, s.n));
    format!("push {to:?} {said:?} of {} {key:?} {hops:?} {shards:?} {ttl_s:?}", body.len())
}

impl Mail {
    pub fn tell(&self, what: Happened) {
        self.view.send_modify(|view| {
            let view = Arc::make_mut(view);
            let number = view.news.back().map_or(1, |news| news.number + 1);
            view.news.push_back(News { number, at_ms: 1_700_000_000_000 + number, what });
            if view.news.len() > NEWS_MAX {
                view.news.pop_front();
            }
        });
    }

    /// A letter is in another state from now on.
    pub fn turn(&self, which: LetterId, state: State, why: &str) {
        let mut sent = self.sent.lock().unwrap();
        let letter = sent.iter_mut().find(|l| l.id == which).expect("it was sent");
        (letter.state, letter.why) = (state, why.into());
        let to = letter.reader;
        drop(sent);
        self.tell(Happened::Turned { id: which, to, state, why: why.into() });
    }

    /// A letter comes.
    pub fn arrive(&self, mut letter: InLetter) {
        let mut came = self.came.lock().unwrap();
        letter.seq = came.len() as u64 + 1;
        let (id, from) = (letter.id, letter.from);
        came.push(letter);
        drop(came);
        self.view.send_modify(|view| Arc::make_mut(view).unread += 1);
        self.tell(Happened::Came { id, from });
    }

    /// Nobody is shown anything any more, as after half a minute.
    pub fn forget_loans(&self) {
        self.lent.lock().unwrap().clear();
    }

    pub fn pins(&self) -> Pins {
        self.pins.lock().unwrap().clone()
    }

    pub fn push(&self, m: &Push) -> OutLetter {
        let mut letter = samples::letter(9, State::Queued);
        letter.reader = m.0.to;
        letter.bytes = u32::try_from(m.0.body.len()).unwrap();
        (letter.hops, letter.shards) = (m.0.hops, m.0.shards);
        self.sent.lock().unwrap().insert(0, letter.clone());
        letter
    }

    pub fn letters(&self, with: Option<NodeId>, limit: usize) -> Letters {
        let wanted = |l: &&OutLetter| with.is_none_or(|with| with == l.reader);
        let sent = self.sent.lock().unwrap().iter().filter(wanted).take(limit).cloned().collect();
        let mut conversations = vec![samples::conversation(2), samples::conversation(9)];
        conversations.retain(|c| with.is_none_or(|with| with == c.with));
        Letters { sent, conversations }
    }

    pub fn letter(&self, which: LetterId) -> Option<OutLetter> {
        self.sent.lock().unwrap().iter().find(|l| l.id == which).cloned()
    }

    pub fn pull(&self, m: &Pull) -> Vec<InLetter> {
        let mut lent = self.lent.lock().unwrap();
        let came = self.came.lock().unwrap();
        let wanted = |l: &&InLetter| {
            let with = m.with.is_none_or(|with| with == l.from);
            with && l.seq > m.after && (m.peek || !l.read && !lent.contains(&l.seq))
        };
        let pulled: Vec<InLetter> = came.iter().filter(wanted).take(m.limit).cloned().collect();
        if !m.peek {
            lent.extend(pulled.iter().map(|l| l.seq));
        }
        pulled
    }

    pub fn acknowledge(&self, seen: &[(NodeId, LetterId)]) -> usize {
        let mut came = self.came.lock().unwrap();
        let new = came.iter_mut().filter(|l| !l.read && seen.contains(&(l.from, l.id)));
        let count = new.map(|l| l.read = true).count();
        self.view.send_modify(|view| Arc::make_mut(view).unread -= count as u64);
        count
    }
}

/// Bob says this.
pub fn bob_says(number: u8, text: &str) -> InLetter {
    samples::came(number, id(2), text.as_bytes())
}
