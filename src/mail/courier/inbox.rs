//! Letters that come for us: kept once, and signed for once they are safe.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::partial::Joined;
use super::route::Wanted;
use super::send::relays_wanted;
use super::{Courier, JOBS_MAX, Job, Note};
use crate::mail::event::{Effect, Fallback};
use crate::mail::rows::{Change, InLetter, Outcome};
use crate::mail::seal::{self, Kind};
use crate::mail::work::{Part, Store, What, Wrap};
use crate::mail::{CLOCK_TOLERANCE_MS, LetterId, shards};
use crate::mesh::{NodeId, Time};
use crate::wire::bounded::{Blob, List};

/// Most letters one receipt is for.
const SIGNED_MAX: usize = 64;
/// Nodes to which receipts may be owed at once.
const OWED_MAX: usize = 1024;
/// How long a receipt is worth anything, seconds: the letter is sent again long before.
const RECEIPT_TTL_S: u32 = 24 * 60 * 60;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is said of one letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Said {
    /// It is safe on our disk.
    Safe,
    /// Somebody has been shown it.
    Shown,
    /// These fragments of it are here (one bit each, the first one lowest); the others are wanted.
    Has(Blob<{ shards::FRAGMENTS_MAX as usize / 8 }>),
}

/// The body of a receipt.
type Receipt = List<(LetterId, Said), SIGNED_MAX>;

/// Where a letter came from, when it was not by onion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FromMailbox {
    pub(super) mailbox: NodeId,
    pub(super) token: [u8; 16],
}

/// A letter that is being put on the disk.
#[derive(Clone, Debug)]
pub(super) struct Coming {
    from: NodeId,
    id: LetterId,
    /// Its sender is a stranger.
    request: bool,
    /// Where copies or fragments of it lie, to be thrown away once it is safe.
    lies: Vec<FromMailbox>,
}

/// How many letters strangers have sent of late.
#[derive(Debug, Default)]
pub(super) struct Requests {
    since: Time,
    count: u32,
}

impl Courier {
    /// An opened letter: its signature is right.
    pub(super) fn letter_came(
        &mut self,
        now: Time,
        letter: seal::Opened,
        from: Option<FromMailbox>,
        out: &mut Vec<Effect>,
    ) {
        let seal::Opened { sender, inner, .. } = letter;
        if !seal::in_time(&inner, self.now_ms(now)) || sender == self.me {
            self.counters.dropped_untimely += 1;
            return self.let_go(from.into_iter().collect());
        }
        match inner.kind {
            Kind::Receipt => {
                self.receipt_came(now, sender, &inner.body, out);
                self.let_go(from.into_iter().collect());
            }
            Kind::Text => self.take_in(now, sender, inner, from.into_iter().collect(), out),
            Kind::Fragment => match self.partials.add(now, sender, &inner, from) {
                Joined::Whole { body, lies } => {
                    let inner = seal::Inner { kind: Kind::Text, body, ..inner };
                    self.take_in(now, sender, inner, lies, out);
                }
                Joined::NotYet => {}
                Joined::Late { say } => {
                    // This one only came too late, or the receipt was lost.
                    if say {
                        self.owed_again.insert(sender);
                        self.owe(sender, inner.id, Said::Safe);
                    }
                    self.let_go(from.into_iter().collect());
                }
                Joined::Bad { lies } => {
                    self.counters.dropped_malformed += 1;
                    self.let_go(lies);
                }
            },
        }
    }

    /// Puts a whole letter on the disk.
    fn take_in(
        &mut self,
        now: Time,
        from: NodeId,
        inner: seal::Inner,
        mut lies: Vec<FromMailbox>,
        out: &mut Vec<Effect>,
    ) {
        let known = self.acquaintances.contains(&from);
        if !known && !self.allows_request(now) {
            // What lies in a mailbox stays there for another day.
            self.counters.dropped_requests += 1;
            lies.extend(self.partials.kept(now, (from, inner.id), false));
            return self.leave(now, lies);
        }
        let seal::Inner { id, created_ms, ttl_s, body, .. } = inner;
        let ends_ms = created_ms.saturating_add(u64::from(ttl_s) * 1000);
        let letter = InLetter {
            seq: 0,
            id,
            from,
            created_ms,
            received_ms: self.now_ms(now),
            seen_until_ms: ends_ms.saturating_add(CLOCK_TOLERANCE_MS),
            read: false,
            request: !known,
            body,
        };
        let note = Note::Came(Coming { from, id, request: !known, lies });
        self.keep(note, Change::Receive(letter), out);
    }

    /// Whether one more letter of a stranger is taken today.
    fn allows_request(&mut self, now: Time) -> bool {
        if now.since(self.requests.since) >= DAY {
            self.requests = Requests { since: now, count: 0 };
        }
        self.requests.count < self.policy.requests_per_day
    }

    /// A letter is on the disk, or not.
    pub(super) fn taken_in(
        &mut self,
        now: Time,
        coming: Coming,
        outcome: Result<Outcome, String>,
        out: &mut Vec<Effect>,
    ) {
        let Coming { from, id, request, mut lies } = coming;
        let safe = matches!(outcome, Ok(Outcome::Done | Outcome::Duplicate));
        lies.extend(self.partials.kept(now, (from, id), safe));
        match outcome {
            Ok(Outcome::Done) => {
                self.counters.letters_received += 1;
                self.requests.count = self.requests.count.saturating_add(u32::from(request));
                out.push(Effect::Came { id, from });
            }
            Ok(Outcome::Duplicate) => {
                self.counters.duplicates += 1;
                self.owed_again.insert(from);
            }
            // What lies in a mailbox stays there, and is fetched again later.
            Ok(Outcome::Full) => {
                self.counters.dropped_full += 1;
                let text = "the inbox is full (mail.inbox_letters_max, mail.inbox_bytes_max): letters that \
                            come are not taken, their senders try again";
                return out.push(Effect::Notice(text.into()));
            }
            Err(why) => {
                let text = format!("a letter could not be kept, its sender tries again: {why}");
                return out.push(Effect::Notice(text));
            }
        }
        self.owe(from, id, Said::Safe);
        self.let_go(lies);
    }

    /// A receipt is owed; it goes out when the batch of the disk has been heard of.
    pub(super) fn owe(&mut self, to: NodeId, id: LetterId, said: Said) {
        if self.owed.len() >= OWED_MAX && !self.owed.contains_key(&to) {
            // The sender asks again by sending again.
            return;
        }
        self.owed.entry(to).or_default().push((id, said));
    }

    /// Sends what is owed: one packet for up to 64 letters of one sender.
    pub(super) fn pay(&mut self, now: Time, out: &mut Vec<Effect>) {
        let again = std::mem::take(&mut self.owed_again);
        for (to, owed) in std::mem::take(&mut self.owed) {
            let again = again.contains(&to);
            for some in owed.chunks(SIGNED_MAX) {
                let receipt = Receipt::first_of(some.iter().cloned());
                self.send_receipt(now, to, receipt, again, out);
            }
        }
    }

    fn send_receipt(
        &mut self,
        now: Time,
        to: NodeId,
        receipt: Receipt,
        again: bool,
        out: &mut Vec<Effect>,
    ) {
        let now_ms = self.now_ms(now);
        let there = self.members.hop(&to, now_ms);
        let mailbox = match there {
            None => self.pick_mailbox(&to, None, now_ms),
            Some(_) => None,
        };
        let Some(last) = there.or(mailbox) else { return };
        let Some(key) = self.members.prekey(&to, now_ms, there.is_none()) else { return };
        let Ok(body) = postcard::to_stdvec(&receipt) else { return };
        if self.jobs.len() >= JOBS_MAX {
            // The letter comes again, and asks for it.
            return;
        }
        let avoid = [to, last.id];
        let hops = relays_wanted(self.policy.hops);
        let candidates = self.ways.candidates(&self.members, now, now_ms, &avoid, hops);
        if candidates.is_empty() && hops > 0 && self.policy.fallback == Fallback::Never {
            return;
        }
        // No word comes back of receipts: perhaps none of our first hops reaches whom it is for.
        let guards = if again { Vec::new() } else { self.guards(now_ms, &candidates) };
        let used = &BTreeMap::new();
        let wanted = Wanted { end: last.id, hops, used, from: self.me, guards: &guards };
        let path = self.ways.choose(&self.members, &candidates, &wanted, &mut self.dice);
        let path = path.unwrap_or_default();
        let route = self.members.route(&path, last, now_ms);
        let expires_ms = now_ms.saturating_add(u64::from(RECEIPT_TTL_S) * 1000);
        // Nobody waits for word of a receipt: what is lost is asked for by sending the letter again.
        let store = mailbox.map(|_| Store { token: self.chance(), expires_ms, back: None });
        let what = What::Letter {
            reader: to,
            to: key,
            kind: Kind::Receipt,
            id: LetterId(self.chance()),
            created_ms: now_ms,
            ttl_s: RECEIPT_TTL_S,
            body: body.into(),
            split: None,
        };
        let (parts, seed) = (vec![Part { index: 0, route, store }], self.secret());
        let job = self.name_job(Job::Receipt);
        self.counters.receipts_sent += 1;
        out.push(Effect::Wrap { job, wrap: Box::new(Wrap { what, parts, seed }) });
    }

    fn receipt_came(&mut self, now: Time, from: NodeId, body: &[u8], out: &mut Vec<Effect>) {
        let Ok((receipt, [])) = postcard::take_from_bytes::<Receipt>(body) else {
            self.counters.dropped_malformed += 1;
            return;
        };
        for (id, said) in receipt.into_vec() {
            match said {
                Said::Safe => self.signed_for(now, from, id, out),
                Said::Shown => self.was_shown(now, from, id, out),
                Said::Has(have) => self.asked_for_more(now, from, id, &have, out),
            }
        }
        self.pump(now, out);
    }

    /// Somebody here has been shown letters: their senders hear of it, once, and perhaps never.
    pub(super) fn shown(
        &mut self,
        now: Time,
        letters: Vec<(NodeId, LetterId)>,
        out: &mut Vec<Effect>,
    ) {
        if !self.policy.read_receipts {
            return;
        }
        for (from, id) in letters {
            self.owe(from, id, Said::Shown);
        }
        self.pay(now, out);
    }

    /// Asks for the fragments that are missing of letters that have not grown for a while.
    pub(super) fn ask_for_fragments(&mut self, now: Time, out: &mut Vec<Effect>) {
        let given_up = self.partials.give_up(now);
        self.let_go(given_up);
        for (from, id, have) in self.partials.stalled(now) {
            if let Ok(have) = Blob::new(have) {
                self.owe(from, id, Said::Has(have));
            }
        }
        self.pay(now, out);
        self.tell_fetched(now, out);
    }

    /// These lie in mailboxes and are not needed there any more.
    pub(super) fn let_go(&mut self, lies: Vec<FromMailbox>) {
        let mut by: BTreeMap<NodeId, Vec<[u8; 16]>> = BTreeMap::new();
        for FromMailbox { mailbox, token } in lies {
            by.entry(mailbox).or_default().push(token);
        }
        for (mailbox, tokens) in by {
            self.has_fetched(mailbox, tokens);
        }
    }
}
