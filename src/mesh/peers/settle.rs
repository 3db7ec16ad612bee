//! Which connections become links, and what the end of one means.

use std::net::SocketAddr;
use std::time::Duration;

use super::words::in_words;
use super::{Bye, Conn, Down, Effect, Ended, LIMBO, Peers, REFUSALS_MAX, Up};
use crate::mesh::book::Entry;
use crate::mesh::record::{ADDRS_MAX, Card, Direction, Record};
use crate::mesh::trust::{self, Denied};
use crate::mesh::{ConnId, NodeId, Time};

/// How long we leave a peer alone that closed on purpose.
const LEFT_ALONE: Duration = Duration::from_secs(300);

impl Peers {
    /// Somebody connected: is there room to listen to it?
    pub(super) fn arrived(
        &mut self,
        now: Time,
        conn: ConnId,
        from: SocketAddr,
        out: &mut Vec<Effect>,
    ) {
        let ip = from.ip().to_canonical();
        let same = self.conns.values().filter(|c| c.addr.ip().to_canonical() == ip).count();
        if !ip.is_loopback() && same >= self.policy.per_address_max || self.leaving {
            self.count("connections_refused");
            return out.push(Effect::Close { conn, bye: Bye::Full });
        }
        let pending = |c: &Conn| c.dir == Direction::In && !c.greeted;
        if self.conns.values().filter(|c| pending(c)).count() >= self.policy.pending_max {
            // Not the oldest: in a crowd larger than the room for it nobody's handshake would last to its end.
            let waiting: Vec<ConnId> =
                self.conns.iter().filter(|(_, c)| pending(c)).map(|(conn, _)| *conn).collect();
            let pick = self.dice.index(waiting.len());
            if let Some(conn) = waiting.get(pick).copied() {
                out.push(Effect::Close { conn, bye: Bye::Full });
                self.conns.remove(&conn);
                self.count("handshakes_evicted");
            }
        }
        let dir = Direction::In;
        let arrived =
            Conn { dir, addr: from, since: now, peer: None, greeted: false, ticket: None };
        self.conns.insert(conn, arrived);
        out.push(Effect::Admit(conn));
    }

    /// A connection knows its peer: keep it or not.
    pub(super) fn handshaken(
        &mut self,
        now: Time,
        conn: ConnId,
        card: Record,
        rtt_us: u32,
        local: SocketAddr,
        out: &mut Vec<Effect>,
    ) {
        let Some(c) = self.conns.get_mut(&conn) else { return };
        let id = card.id();
        c.peer = Some(id);
        c.greeted = true;
        let (dir, addr, ticket) = (c.dir, c.addr, c.ticket.take());
        let Some(said) = card.card().cloned() else { return };
        self.learn_seed(now, conn, id);
        self.near_answered(now, conn);
        if let Some(member) = self.members.get_mut(&id)
            && member.dialing == Some(conn)
        {
            member.dialing = None;
        }
        let verdict = self.judge(now, id, &said, (dir, addr), ticket.is_some());
        if let Some(ticket) = ticket {
            // A duplicate of a link that stays is what the person wanted, too.
            let result = match &verdict {
                Ok(()) | Err(Bye::Duplicate) => Ok(id),
                Err(bye) => Err(format!("{} answered and was refused: {bye:?}", id.short())),
            };
            out.push(Effect::Connected { ticket, result });
        }
        if let Err(bye) = verdict {
            return self.refuse(now, conn, id, &said, addr, bye, out);
        }
        out.push(Effect::Keep(conn));
        self.found_addrs(Some(local), out);
        self.link_up(now, conn, dir, addr, rtt_us, card, out);
    }

    /// Whether a handshaken connection may be the link to `id`.
    fn judge(
        &mut self,
        now: Time,
        id: NodeId,
        card: &Card,
        (dir, addr): (Direction, SocketAddr),
        asked: bool,
    ) -> Result<(), Bye> {
        if id == self.home.me {
            return Err(Bye::Myself);
        }
        if self.leaving {
            return Err(Bye::Leaving);
        }
        trust::admit(&self.policy.rules, &self.book, &id, &card.label).map_err(|denied| {
            match denied {
                Denied::Banned => Bye::Banned,
                Denied::NotNamed => Bye::NotNamed,
                Denied::LabelTaken(_) => Bye::LabelTaken,
            }
        })?;
        let me = self.home.me;
        let full = !self.has_room(&id, dir, &addr);
        let Some(member) = self.member(now, id) else { return Err(Bye::Full) };
        if asked {
            member.held = false;
        }
        if member.held {
            return Err(Bye::Disconnected);
        }
        let Some(up) = &member.up else {
            return if full { Err(Bye::Full) } else { Ok(()) };
        };
        let epoch = card.ver.epoch;
        let dialler = if dir == Direction::Out { me } else { id };
        match () {
            () if epoch < up.epoch => Err(Bye::Superseded),
            () if epoch > up.epoch || member.limbo.is_some() => Ok(()),
            // We dialled twice: the first stays. It dialled twice: it knows that the first is dead.
            () if dir == up.dir && dir == Direction::Out => Err(Bye::Duplicate),
            () if dir == up.dir || dialler == me.min(id) => Ok(()),
            () => Err(Bye::Duplicate),
        }
    }

    #[allow(clippy::too_many_arguments)] // Everything there is to say about one refusal.
    fn refuse(
        &mut self,
        now: Time,
        conn: ConnId,
        id: NodeId,
        card: &Card,
        addr: SocketAddr,
        bye: Bye,
        out: &mut Vec<Effect>,
    ) {
        self.conns.remove(&conn);
        out.push(Effect::Close { conn, bye });
        if let Some(member) = self.members.get_mut(&id)
            && member.up.is_none()
            && member.dialing.is_none()
        {
            // That nobody more is let in keeps us from dialling nobody.
            member.rebuffed = bye != Bye::Full;
            if member.rebuffed || !self.partial {
                self.retry_later(now, id, LEFT_ALONE);
            }
        }
        match bye {
            Bye::Myself => {
                for seed in self.seeds.iter_mut().filter(|s| s.addr == addr) {
                    seed.myself = true;
                }
            }
            Bye::LabelTaken => self.tell_label_taken(now, id, &card.label, out),
            Bye::Superseded => {
                let text = format!(
                    "an older boot of {} wants to link: a second daemon with the same key?",
                    id.short()
                );
                self.remember_refusal(now, id, text, out);
            }
            Bye::Banned | Bye::NotNamed => self.count("links_denied"),
            Bye::Full => self.count("links_refused_full"),
            _ => {}
        }
    }

    pub(super) fn tell_label_taken(
        &mut self,
        now: Time,
        id: NodeId,
        label: &str,
        out: &mut Vec<Effect>,
    ) {
        let first = self.book.label_pins.get(label).map_or_else(String::new, NodeId::short);
        let text = format!(
            "identity changed behind label {label:?}: {} says it is {label:?}, but that was {first} \
             first; refused (if this is right: node unpin {first})",
            id.short()
        );
        self.remember_refusal(now, id, text, out);
    }

    /// Shown in `node peers`; said aloud once a minute.
    fn remember_refusal(&mut self, now: Time, id: NodeId, text: String, out: &mut Vec<Effect>) {
        let before = self.refusals.get(&id).map(|(at, _)| *at);
        if before.is_some_and(|at| now.since(at) < Duration::from_secs(60)) {
            return;
        }
        if self.refusals.len() >= REFUSALS_MAX && before.is_none() {
            let oldest = self.refusals.iter().min_by_key(|(_, (at, _))| *at).map(|(id, _)| *id);
            oldest.and_then(|id| self.refusals.remove(&id));
        }
        out.push(Effect::Notice(text.clone()));
        self.refusals.insert(id, (now, text));
    }

    #[allow(clippy::too_many_arguments)] // Everything a link is made of.
    fn link_up(
        &mut self,
        now: Time,
        conn: ConnId,
        dir: Direction,
        addr: SocketAddr,
        rtt_us: u32,
        card: Record,
        out: &mut Vec<Effect>,
    ) {
        let id = card.id();
        let (Some(said), seen_ms) = (card.card(), self.home.start_ms + now.as_ms()) else { return };
        let alone = self.counts().0 == 0;
        let Some(member) = self.members.get_mut(&id) else { return };
        if let Some(old) = member.up.take()
            && self.conns.remove(&old.conn).is_some()
        {
            out.push(Effect::Close { conn: old.conn, bye: Bye::Duplicate });
        }
        member.up = Some(Up { conn, dir, addr, rtt_us, since: now, epoch: said.ver.epoch });
        member.limbo = None;
        member.need = None;
        member.next_dial = None;
        member.rebuffed = false;
        member.fails = 0;
        member.left = false;
        member.problem = None;
        member.since = now;
        member.label = said.label.to_string();
        member.addrs = said.addrs.to_vec();
        let entry = Entry {
            label: said.label.to_string(),
            addrs: said.addrs.iter().copied().take(ADDRS_MAX).collect(),
            seen_ms,
            anchor: true,
        };
        let known = self.book.entries.insert(id, entry).is_some();
        let dialled = (dir == Direction::Out).then_some(addr);
        let pinned = trust::pin(&mut self.book, id, &said.label, dialled);
        self.trim_book();
        self.refusals.remove(&id);
        out.push(Effect::Remember { urgent: pinned || !known });
        let how = if dir == Direction::Out { "dialled" } else { "accepted from" };
        self.count_up(dir);
        self.note(now, id, format!("link up, {how} {addr}"));
        out.push(Effect::Up { peer: id, conn, dir, rtt_us, addr, card });
        self.first_up.get_or_insert(now);
        if alone {
            self.wake_everyone(now);
        }
    }

    /// A connection is over.
    pub(super) fn closed(&mut self, now: Time, conn: ConnId, how: Ended, out: &mut Vec<Effect>) {
        let Some(c) = self.conns.remove(&conn) else { return };
        if c.dir == Direction::Out && !c.greeted {
            self.count_failed_dial(&how);
        }
        if let Some(ticket) = c.ticket {
            out.push(Effect::Connected { ticket, result: Err(in_words(&how, c.addr)) });
        }
        let mut offered = Vec::new();
        // Whoever dials us has no room to refuse, and before its hello it is anybody.
        if let Ended::Said(Bye::Full | Bye::Surplus, cards) = &how
            && c.greeted
            && c.dir == Direction::Out
        {
            out.extend(cards.iter().cloned().map(Effect::Learned));
            offered.clone_from(cards);
        }
        self.seed_closed(now, conn, c.peer, &how, out);
        self.near_closed(now, conn, &how);
        if let Some(id) = c.peer {
            self.ended(now, conn, id, how, out);
        } else if c.dir == Direction::In {
            self.count("handshakes_failed");
        }
        self.offered(now, &offered);
    }

    /// The connection with a known node is over.
    fn ended(&mut self, now: Time, conn: ConnId, id: NodeId, how: Ended, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if member.dialing == Some(conn) {
            member.dialing = None;
            return self.dial_failed(now, id, how, out);
        }
        if member.up.as_ref().is_some_and(|up| up.conn == conn) {
            self.link_lost(now, id, how, out);
        }
    }

    fn link_lost(&mut self, now: Time, id: NodeId, how: Ended, out: &mut Vec<Effect>) {
        let text = in_words(&how, self.home.listen);
        self.note(now, id, format!("link closed: {text}"));
        let (base, stable) = (self.policy.delay.0, super::STABLE);
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(up) = member.up.take() else { return };
        if now.since(up.since) >= stable {
            member.delay = base;
        }
        member.since = now;
        match how {
            Ended::Said(Bye::Leaving, _) => {
                member.left = true;
                self.down(id, Down::Left, out);
            }
            Ended::Lost | Ended::Said(Bye::Duplicate, _) | Ended::Broken(_) if !self.leaving => {
                // Tell nobody yet: most broken links are made again at once.
                member.limbo = Some(now + LIMBO);
                let redial =
                    !matches!(how, Ended::Said(..)) && !member.held && member.dialing.is_none();
                self.count("links_broken");
                if !redial || !self.dial_member(now, id, out) {
                    self.end_limbo_if_hopeless(now, id, redial, out);
                }
            }
            Ended::Said(bye, _) => {
                if bye == Bye::Superseded {
                    let text = format!(
                        "{} is linked with a newer boot of this node: does a second daemon run with its key?",
                        id.short()
                    );
                    self.remember_refusal(now, id, text, out);
                }
                let patient = !matches!(bye, Bye::Silent | Bye::Stalled | Bye::Protocol);
                let room = !matches!(bye, Bye::Full | Bye::Surplus);
                if let Some(member) = self.members.get_mut(&id) {
                    member.rebuffed = patient && room;
                }
                if !room {
                    self.rest(now, id);
                }
                self.retry_later(now, id, if patient { LEFT_ALONE } else { base });
                self.down(id, Down::Closed, out);
            }
            _ => {
                self.retry_later(now, id, base);
                self.down(id, Down::Lost, out);
            }
        }
    }

    /// No address to dial: the link is lost for good. (A duplicate's survivor may still be on its way.)
    fn end_limbo_if_hopeless(
        &mut self,
        now: Time,
        id: NodeId,
        redial: bool,
        out: &mut Vec<Effect>,
    ) {
        if redial && let Some(member) = self.members.get_mut(&id) {
            member.limbo = None;
            self.retry_later(now, id, self.policy.delay.0);
            self.down(id, Down::Lost, out);
        }
    }

    pub(super) fn down(&mut self, id: NodeId, why: Down, out: &mut Vec<Effect>) {
        self.count_down(why);
        out.push(Effect::Down { peer: id, why });
        out.push(Effect::Remember { urgent: false });
    }

    /// The pulse gave up a peer.
    pub(super) fn silent(
        &mut self,
        now: Time,
        id: NodeId,
        silent: Duration,
        vouched: bool,
        out: &mut Vec<Effect>,
    ) {
        let whose =
            if vouched { "others hear it: only our link is bad" } else { "nobody hears it" };
        self.note(now, id, format!("silent for {:.1} s; {whose}", silent.as_secs_f64()));
        let base = self.policy.delay.0;
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(up) = member.up.take() else { return };
        member.since = now;
        self.conns.remove(&up.conn);
        self.count(if vouched { "verdicts_vouched" } else { "verdicts_silent" });
        out.push(Effect::Close { conn: up.conn, bye: Bye::Silent });
        self.retry_later(now, id, base);
        self.down(id, if vouched { Down::Lost } else { Down::Silent }, out);
    }

    /// Closes links that the rules do not allow any more.
    pub(super) fn enforce_rules(&mut self, now: Time, out: &mut Vec<Effect>) {
        let linked = self.members.iter().filter(|(_, m)| m.up.is_some());
        let denied: Vec<(NodeId, Bye)> = linked
            .filter_map(|(id, m)| {
                match trust::admit(&self.policy.rules, &self.book, id, &m.label) {
                    Err(Denied::Banned) => Some((*id, Bye::Banned)),
                    Err(Denied::NotNamed) => Some((*id, Bye::NotNamed)),
                    Err(Denied::LabelTaken(_)) | Ok(()) => None,
                }
            })
            .collect();
        for (id, bye) in denied {
            self.close_link(now, id, bye, out);
        }
    }

    pub(super) fn close_link(&mut self, now: Time, id: NodeId, bye: Bye, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.next_dial = None;
        let Some(up) = member.up.take() else { return };
        member.since = now;
        self.conns.remove(&up.conn);
        out.push(Effect::Close { conn: up.conn, bye });
        self.down(id, Down::Closed, out);
    }
}
