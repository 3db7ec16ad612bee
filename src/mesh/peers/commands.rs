//! What people ask of the registry.

use super::{Bye, Command, Effect, Peers};
use crate::mesh::{NodeId, Time, trust};

impl Peers {
    pub(super) fn command(&mut self, now: Time, command: Command, out: &mut Vec<Effect>) {
        match command {
            Command::Connect { addr, ticket } => {
                let expect = self.book.addr_pins.get(&addr).copied();
                self.open(now, addr, expect, Some(ticket), out);
            }
            Command::Disconnect(id) => {
                self.close_link(now, id, Bye::Disconnected, out);
                if let Some(member) = self.member(now, id) {
                    member.held = true;
                }
                self.note(now, id, "disconnected by its owner's hand");
            }
            Command::Pin(id) => {
                self.book.trusted.insert(id);
                self.release(now, id);
                out.push(Effect::Remember { urgent: true });
            }
            Command::Unpin(id) => {
                trust::unpin(&mut self.book, &id);
                self.forget_seed_pins();
                self.refusals.clear();
                self.reconsider(now);
                out.push(Effect::Remember { urgent: true });
            }
            Command::UnpinLabel(label) => {
                self.book.label_pins.remove(&label);
                self.refusals.clear();
                self.reconsider(now);
                out.push(Effect::Remember { urgent: true });
            }
            Command::Ban(id) => {
                if self.book.banned.len() < self.policy.banned_max {
                    self.book.banned.insert(id, self.home.start_ms + now.as_ms());
                    self.close_link(now, id, Bye::Banned, out);
                    self.note(now, id, "banned by hand");
                } else {
                    out.push(Effect::Notice(format!(
                        "not banned: {} ids are banned already (max_banned_count)",
                        self.book.banned.len()
                    )));
                }
                out.push(Effect::Remember { urgent: true });
            }
            Command::Unban(id) => {
                self.book.banned.remove(&id);
                self.release(now, id);
                out.push(Effect::Remember { urgent: true });
            }
        }
    }

    /// The owner wants this node again: dial it as if it were new.
    fn release(&mut self, now: Time, id: NodeId) {
        let base = self.policy.delay.0;
        if let Some(member) = self.members.get_mut(&id) {
            member.held = false;
            member.rebuffed = false;
            member.delay = base;
            if member.up.is_none() && member.dialing.is_none() {
                member.next_dial = Some(now);
            }
        }
    }

    /// Seeds follow the address pins.
    fn forget_seed_pins(&mut self) {
        for seed in &mut self.seeds {
            seed.id = self.book.addr_pins.get(&seed.addr).copied();
            seed.problem = None;
            seed.next_dial = Time(0);
        }
    }
}
