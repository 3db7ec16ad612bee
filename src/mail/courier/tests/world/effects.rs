//! What the couriers ask for is done here, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use super::kith::mail::event::{Effect, Event};
use super::kith::mail::frame::MailFrame;
use super::kith::mail::rows::{Change, Outcome};
use super::kith::mail::work::{Opened, Sealer, What, Wrap, Wrapped};
use super::{Due, Load, World, ms, pair};

impl World {
    /// Does what a node asks for, and arms its timer again.
    pub(super) fn perform(&mut self, n: usize, out: Vec<Effect>) {
        for effect in out {
            self.effect(n, effect);
        }
        if self.nodes[n].core.is_some() {
            self.law_memory(n);
            self.arm(n);
        }
    }

    fn effect(&mut self, n: usize, effect: Effect) {
        match effect {
            Effect::SendPacket { peer, number, packet, relayed } => {
                if self.dice.below(1000) < self.weather.full_permille {
                    let event = Event::LaneFull { peer, number, packet, relayed };
                    return self.tell(n, Duration::from_micros(100), event);
                }
                if self.dice.below(1000) < self.weather.loss_permille {
                    return self.log(|| format!("n{n}: packet {number} is lost"));
                }
                let delay = self.between(self.weather.delay);
                let me = super::id(n);
                self.over(n, &peer, delay, Event::Packet { peer: me, number, packet });
            }
            Effect::Send { peer, frame } => {
                let Some(&to) = self.by_id.get(&peer) else { return };
                self.log(|| format!("n{n} -> n{to}: {}", frame_name(&frame)));
                self.nodes[n].frames.push((peer, frame.clone()));
                let delay = self.between(self.weather.delay);
                let until = self.frames_until.entry((n, to)).or_default();
                // Frames of a link keep their order.
                *until = (*until).max(self.now + delay);
                let delay = until.since(self.now);
                let me = super::id(n);
                self.over(n, &peer, delay, Event::FromPeer { peer: me, frame });
            }
            Effect::Wrap { job, wrap } => {
                self.law_wrap(n, &wrap);
                let result = self.with_sealer(n, |sealer| sealer.wrap(&wrap));
                self.log_wrap(n, &wrap, &result);
                let work = self.between(self.weather.work);
                self.tell(n, work, Event::Wrapped { job, result });
            }
            Effect::Peel { job, peel } => {
                let opened = self.with_sealer(n, |sealer| sealer.peel(peel));
                self.log(|| format!("n{n} peels: {}", kind(&opened)));
                let work = self.between(self.weather.work);
                self.tell(n, work, Event::Peeled { job, opened });
            }
            Effect::Keep { note, change } => {
                self.nodes[n].queued.push((note, change));
                if self.nodes[n].committing.is_empty() {
                    self.begin_commit(n);
                }
            }
            Effect::LoadBody(id) => self.load(n, Load::Body(id)),
            Effect::LoadKept { reader, but, bytes } => {
                self.load(n, Load::Kept { reader, but, bytes });
            }
            Effect::NeedLink(peer) => {
                let Some(&b) = self.by_id.get(&peer) else { return };
                self.log(|| format!("n{n} needs a link to n{b}"));
                let delay = self.between(self.weather.delay) * 3;
                self.plan(self.now + delay, Due::Link { a: n, b });
            }
            Effect::Publish(bytes) => {
                self.log(|| format!("n{n} publishes new keys"));
                self.nodes[n].published = bytes;
                self.news();
            }
            Effect::Pushed { ask, result } => {
                self.laws.asked.remove(&ask);
                self.law_acknowledged(n, &result);
                self.nodes[n].pushed.insert(ask, result);
            }
            Effect::Came { id, from } => self.law_came(n, from, id),
            Effect::Turned { id, to, state, why } => {
                self.log(|| format!("n{n}: {id:?} is {} {why}", state.as_str()));
                self.law_turned(n, id, to, state);
                self.nodes[n].turned.insert(id, state);
            }
            Effect::Notice(text) => {
                self.log(|| format!("n{n} says: {text}"));
                self.nodes[n].notices.push(text);
            }
        }
    }

    fn with_sealer<T>(&mut self, n: usize, act: impl FnOnce(&dyn Sealer) -> T) -> T {
        let sealer = self.nodes[n].sealer.take().expect("each has one");
        let result = act(&*sealer);
        self.nodes[n].sealer = Some(sealer);
        result
    }

    fn log_wrap(&mut self, n: usize, wrap: &Wrap, result: &Result<Vec<Wrapped>, String>) {
        let routes: Vec<Vec<String>> = (wrap.parts.iter())
            .map(|part| part.route.iter().map(|hop| self.name(&hop.id)).collect())
            .collect();
        let what = match &wrap.what {
            What::Letter { kind, id, .. } => format!("{kind:?} {id:?}"),
            What::Reply { word, .. } => format!("{word:?}"),
        };
        let failed = result.as_ref().err();
        self.log(|| format!("n{n} wraps by {routes:?} ({failed:?}): {what}"));
    }

    fn over(&mut self, n: usize, peer: &super::NodeId, delay: Duration, event: Event) {
        let Some(&to) = self.by_id.get(peer) else { return };
        if let Some(&epoch) = self.links.get(&pair(n, to)) {
            self.plan(self.now + delay, Due::Over { from: n, to, epoch, event });
        }
    }

    // ---- the disk ----

    fn begin_commit(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.committing = std::mem::take(&mut node.queued);
        if node.committing.is_empty() {
            return;
        }
        let boot = node.boot;
        let long = self.between(self.weather.disk);
        self.plan(self.now + long, Due::Commit { node: n, boot });
    }

    /// The batch under way is on the disk, or all of it has failed.
    pub(super) fn committed(&mut self, n: usize) {
        let batch = std::mem::take(&mut self.nodes[n].committing);
        let mut results = Vec::with_capacity(batch.len());
        for (note, change) in batch {
            let outcome = match self.nodes[n].disk.fails {
                true => Err("no space left".to_owned()),
                false => Ok(self.apply(n, change)),
            };
            results.push((note, outcome));
        }
        self.begin_commit(n);
        self.give(n, Event::Kept(results));
    }

    /// Puts the batch under way on the disk, or not, as a crash does.
    pub(super) fn torn(&mut self, n: usize) {
        let batch = std::mem::take(&mut self.nodes[n].committing);
        self.nodes[n].queued.clear();
        if !self.nodes[n].disk.fails && self.dice.below(2) == 0 {
            for (_, change) in batch {
                self.apply(n, change);
            }
        }
    }

    fn apply(&mut self, n: usize, change: Change) -> Outcome {
        if self.trace {
            self.log(|| format!("n{n} has on its disk: {}", short(&format!("{change:?}"))));
        }
        self.nodes[n].disk.apply(change)
    }

    fn load(&mut self, n: usize, what: Load) {
        let (boot, long) = (self.nodes[n].boot, self.between(self.weather.disk));
        self.plan(self.now + long, Due::Load { node: n, boot, what });
    }

    pub(super) fn loaded(&mut self, n: usize, what: Load) {
        let disk = &self.nodes[n].disk;
        let event = match what {
            Load::Body(letter) => Event::Body { letter, body: disk.body(&letter) },
            Load::Kept { reader, but, bytes } => {
                let (letters, more) = disk.load(&reader, &but, bytes);
                Event::Handed { reader, letters, more }
            }
        };
        self.give(n, event);
    }

    // ---- the network ----

    /// Something about the network has changed: all hear of it soon.
    pub fn news(&mut self) {
        if !std::mem::replace(&mut self.news_planned, true) {
            self.plan(self.now + ms(10), Due::News);
        }
    }

    pub(super) fn spread_news(&mut self) {
        self.news_planned = false;
        let view = Arc::new(self.view());
        for n in 0..self.nodes.len() {
            // They come in order.
            let at = self.now + self.between(self.weather.news);
            let at = at.max(self.nodes[n].news_until);
            self.nodes[n].news_until = at;
            self.tell(n, at.since(self.now), Event::Graph(view.clone()));
        }
    }
}

fn kind(opened: &Opened) -> String {
    match opened {
        Opened::Forward { next, .. } => format!("for {}", next.short()),
        Opened::Letter { letter, .. } => {
            format!("{:?} {:?}", letter.inner.kind, letter.inner.id)
        }
        Opened::Store { .. } => "to be kept".into(),
        Opened::Reply { .. } => "an answer".into(),
        Opened::Bad(bad) => format!("{bad:?}"),
    }
}

fn frame_name(frame: &MailFrame) -> String {
    match frame {
        MailFrame::Fetch { but } => format!("Fetch but {}", but.len()),
        MailFrame::Fetched { tokens } => format!("Fetched {}", tokens.len()),
        other => short(&format!("{other:?}")),
    }
}

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}
