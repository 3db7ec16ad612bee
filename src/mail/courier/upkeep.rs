//! What happens by itself: keys change, who is there is looked at, old things are thrown away.

use std::sync::Arc;
use std::time::Duration;

use super::route::{GUARD_FOR_MS, GUARDS, GUARDS_FROM};
use super::{Courier, Note, Stage};
use crate::mail::LetterId;
use crate::mail::event::{Effect, Policy};
use crate::mail::keys::{KeyRing, MAILBOXES_MAX};
use crate::mail::onion::Hop;
use crate::mail::rows::{Change, State};
use crate::mesh::view::View;
use crate::mesh::{NodeId, Time};
use crate::wire::bounded::List;

/// How often the disk throws away what has expired.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Keys are looked at this often at least: clocks may be set.
const KEYS_EVERY: Duration = Duration::from_secs(3600);
/// Keys that the disk did not take are tried again after this.
const KEYS_AGAIN: Duration = Duration::from_secs(10);
/// A clock that is off by more than this was set: keys are looked at at once.
const JUMP_MS: u64 = 60 * 1000;

/// Nodes remembered as met or written to, about 40 bytes each.
const ACQUAINTANCES_MAX: usize = 65_536;

impl Courier {
    // ---- keys ----

    /// Makes new keys when it is time, and shows them once they are safe.
    pub(super) fn rotate_keys(&mut self, now: Time, out: &mut Vec<Effect>) {
        let (now_ms, seed) = (self.now_ms(now), self.secret());
        self.keys_changed += u64::from(self.change_keys(|keys| keys.rotate(now_ms, &seed)));
        let wait_ms = self.keys.next_rotation_ms().saturating_sub(now_ms).max(1000);
        self.keys_at = now + Duration::from_millis(wait_ms).min(KEYS_EVERY);
        self.replays.keep(&self.onion_keys(now_ms));
        if self.keys_safe < self.keys_changed {
            self.keep(Note::Keys(self.keys_changed), Change::Keys(self.keys.stored()), out);
        }
    }

    /// Keys are on the disk, or not: then they are tried again, and not shown until they are.
    pub(super) fn keys_kept(&mut self, now: Time, change: u64, safe: bool, out: &mut Vec<Effect>) {
        if safe {
            self.keys_safe = self.keys_safe.max(change);
            self.publish(out);
        } else {
            self.keys_at = self.keys_at.min(now + KEYS_AGAIN);
        }
    }

    /// The table of replays is full: the key it belongs to makes room for another one.
    pub(super) fn renew_onion(&mut self, now: Time, out: &mut Vec<Effect>) {
        let (now_ms, seed) = (self.now_ms(now), self.secret());
        self.change_keys(|keys| keys.rotate_onion(now_ms, &seed));
        self.replays.keep(&self.onion_keys(now_ms));
        self.publish(out);
        out.push(Effect::Notice(
            "more packets came than replays are remembered of: a new onion key".into(),
        ));
    }

    /// Sealers may hold the keys that are in force: they get to keep them.
    fn change_keys<T>(&mut self, change: impl FnOnce(&mut KeyRing) -> T) -> T {
        change(Arc::make_mut(&mut self.keys))
    }

    fn onion_keys(&self, now_ms: u64) -> Vec<[u8; 32]> {
        self.keys.onion_secrets(now_ms).iter().map(|secret| secret.public()).collect()
    }

    /// Puts our keys and mailboxes on our card.
    pub(super) fn publish(&mut self, out: &mut Vec<Effect>) {
        // A letter sealed for a key that a crash takes with it is never read.
        if self.keys_safe < self.keys_changed {
            return;
        }
        let mailboxes = self.memo.mailboxes.iter().map(|(id, _)| *id).take(MAILBOXES_MAX);
        let bytes = self.keys.published(List::first_of(mailboxes)).encode().to_vec();
        if bytes != self.published {
            self.published.clone_from(&bytes);
            out.push(Effect::Publish(bytes));
        }
    }

    /// Ourselves as the end of a way back.
    pub(super) fn own_hop(&self, now_ms: u64) -> Hop {
        let key = self.onion_keys(now_ms).first().copied().unwrap_or_default();
        Hop { id: self.me, key }
    }

    // ---- the network ----

    pub(super) fn look_around(&mut self, now: Time, view: Arc<View>, out: &mut Vec<Effect>) {
        let back = self.members.update(view);
        if !back.is_empty() {
            self.readers_back(now, &back);
            self.seek_readers(now, out);
        }
        let strangers = self.members.iter().map(|(id, _)| *id);
        let strangers = strangers.filter(|id| !self.acquaintances.contains(id));
        // None, nearly always.
        for id in strangers.collect::<Vec<_>>() {
            self.meet(id);
        }
        self.tell_fetched(now, out);
        self.ways.keep(&self.members);
        self.srtt.retain(|id, _| self.members.get(id).is_some());
        let members = &self.members;
        self.budgets.keep(|peer| members.get(peer).is_some());
        if self.memo.mailboxes.len() < self.policy.mailboxes {
            self.ask_for_mailboxes(now, out);
        }
    }

    /// A node that is no stranger from now on.
    pub(super) fn meet(&mut self, id: NodeId) {
        if self.acquaintances.len() < ACQUAINTANCES_MAX {
            self.acquaintances.insert(id);
        }
    }

    /// The first hops that are kept for long; none in a network so small that they would be most of it.
    pub(super) fn guards(&mut self, now_ms: u64, candidates: &[NodeId]) -> Vec<NodeId> {
        if candidates.len() < GUARDS_FROM {
            return Vec::new();
        }
        self.memo.guards.retain(|(_, since)| now_ms.saturating_sub(*since) < GUARD_FOR_MS);
        let usable = |(id, _): &&(NodeId, u64)| candidates.contains(id);
        let mut guards: Vec<NodeId> =
            self.memo.guards.iter().filter(usable).map(|(id, _)| *id).take(GUARDS).collect();
        while guards.len() < GUARDS {
            let mut others: Vec<NodeId> =
                candidates.iter().copied().filter(|id| !guards.contains(id)).collect();
            // Rather one that can be reached.
            if others.iter().any(|id| self.hops.is_linked(id)) {
                others.retain(|id| self.hops.is_linked(id));
            }
            let at = usize::try_from(self.dice.below(others.len() as u64)).unwrap_or(0);
            let Some(guard) = others.get(at) else { break };
            guards.push(*guard);
            // One that is away for a while keeps its place for when it is back, up to as many again.
            if self.memo.guards.len() >= 2 * GUARDS {
                self.memo.guards.remove(0);
            }
            self.memo.guards.push((*guard, now_ms));
        }
        guards
    }

    pub(super) fn is_guard(&self, id: &NodeId) -> bool {
        self.memo.guards.iter().any(|(guard, _)| guard == id)
    }

    // ---- time ----

    pub(super) fn set_clock(&mut self, now: Time, unix_ms: u64, out: &mut Vec<Effect>) {
        let (plain, before) = (self.start_ms + now.as_ms(), self.now_ms(now));
        let drift = i128::from(unix_ms) - i128::from(plain);
        self.drift_ms = i64::try_from(drift).unwrap_or(0);
        // Nobody writes to a node whose keys are from the future.
        if self.keys.next_rotation_ms() <= unix_ms || before.abs_diff(unix_ms) > JUMP_MS {
            self.rotate_keys(now, out);
        }
    }

    pub(super) fn sweep(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.sweep_at = now + SWEEP_EVERY;
        let now_ms = self.now_ms(now);
        self.keep(Note::Nothing, Change::Sweep { now_ms }, out);
        self.keep(Note::Mailboxes, Change::Memo(self.memo.clone()), out);
    }

    pub(super) fn configure(&mut self, policy: Policy) {
        self.budgets.configure(policy.packets_per_second, policy.packets_per_second_per_link);
        self.policy = policy;
    }

    // ---- the disk ----

    /// A text that was on the disk.
    pub(super) fn body_came(
        &mut self,
        now: Time,
        id: LetterId,
        body: Option<Arc<[u8]>>,
        out: &mut Vec<Effect>,
    ) {
        if self.outbox.get(&id).is_none_or(|entry| entry.stage != Stage::Loads) {
            return;
        }
        match body {
            Some(body) => {
                self.outbox.set_body(&id, body);
                // At once: a letter that waits may lose its text again.
                self.start(now, id, out);
            }
            None => {
                self.finish(now, id, State::Failed, "its text is not on the disk any more", out)
            }
        }
    }
}
