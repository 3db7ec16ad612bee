//! What people and services ask of the PeerRegistry.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use actix::{Context, Handler, MessageResult, ResponseFuture};
use tokio::sync::oneshot;

use super::super::messages::{
    Connect, Disconnect, Evidence, NeedLink, PeerRow, PeersWanted, Pins, PinsWanted, Refused,
    RegistryStatus, SetBanned, SetPinned, StatusWanted, UnpinLabel, WhyWanted,
};
use super::super::turn::Driver;
use super::{Registry, TICKETS_MAX};
use crate::mesh::NodeId;
use crate::mesh::peers::{Command, Event};

impl Registry {
    fn command(
        &mut self,
        name: &'static str,
        peer: NodeId,
        command: Command,
        ctx: &mut Context<Self>,
    ) -> Result<(), Refused> {
        if !self.turn.core.knows(&peer) && !matches!(command, Command::Pin(_) | Command::Ban(_)) {
            return Err(Refused { why: format!("{} is not known here", peer.short()) });
        }
        self.handle_event(name, Event::Command(command), ctx);
        Ok(())
    }
}

impl Handler<NeedLink> for Registry {
    type Result = ();

    fn handle(&mut self, NeedLink { peer, addrs }: NeedLink, ctx: &mut Context<Self>) {
        self.handle_event("NeedLink", Event::NeedLink { peer, addrs }, ctx);
    }
}

impl Handler<PeersWanted> for Registry {
    type Result = Vec<PeerRow>;

    fn handle(&mut self, _: PeersWanted, _: &mut Context<Self>) -> Vec<PeerRow> {
        self.turn.core.rows()
    }
}

impl Handler<PinsWanted> for Registry {
    type Result = MessageResult<PinsWanted>;

    fn handle(&mut self, PinsWanted(name): PinsWanted, _: &mut Context<Self>) -> Self::Result {
        let book = self.turn.core.book();
        let (addr, ip) = (name.parse::<SocketAddr>().ok(), name.parse::<IpAddr>().ok());
        let there = |at: &SocketAddr| addr == Some(*at) || ip == Some(at.ip());
        let places = book.addr_pins.iter().filter(|(at, _)| there(at)).map(|(_, id)| *id);
        let places: BTreeSet<_> = places.collect();
        let label = book.label_pins.get(&name).copied();
        MessageResult(Pins { label, places: places.into_iter().collect() })
    }
}

impl Handler<StatusWanted> for Registry {
    type Result = MessageResult<StatusWanted>;

    fn handle(&mut self, _: StatusWanted, _: &mut Context<Self>) -> Self::Result {
        let core = &self.turn.core;
        let (links, handshakes) = core.counts();
        MessageResult(RegistryStatus {
            links,
            handshakes,
            joined: core.joined(),
            problems: core.problems(),
            health: core.health(),
            counters: core.counters(),
        })
    }
}

impl Handler<WhyWanted> for Registry {
    type Result = Vec<Evidence>;

    fn handle(&mut self, WhyWanted { peer }: WhyWanted, _: &mut Context<Self>) -> Vec<Evidence> {
        self.turn.core.evidence(&peer)
    }
}

impl Handler<Connect> for Registry {
    type Result = ResponseFuture<Result<NodeId, Refused>>;

    fn handle(&mut self, Connect { addr }: Connect, ctx: &mut Context<Self>) -> Self::Result {
        if self.tickets.len() + self.unconfirmed.len() >= TICKETS_MAX {
            let why = "too many dials are waited for already; try again in a moment".into();
            return Box::pin(async { Err(Refused { why }) });
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let (tx, rx) = oneshot::channel();
        self.tickets.insert(ticket, tx);
        self.handle_event("Connect", Event::Command(Command::Connect { addr, ticket }), ctx);
        Box::pin(async move {
            let result = rx.await.unwrap_or_else(|_| Err("the daemon stops".into()));
            result.map_err(|why| Refused { why: format!("no link to {addr}: {why}") })
        })
    }
}

impl Handler<Disconnect> for Registry {
    type Result = Result<(), Refused>;

    fn handle(&mut self, Disconnect { peer }: Disconnect, ctx: &mut Context<Self>) -> Self::Result {
        self.command("Disconnect", peer, Command::Disconnect(peer), ctx)
    }
}

impl Handler<SetPinned> for Registry {
    type Result = Result<(), Refused>;

    fn handle(&mut self, message: SetPinned, ctx: &mut Context<Self>) -> Self::Result {
        let SetPinned { peer, pinned } = message;
        let command = if pinned { Command::Pin(peer) } else { Command::Unpin(peer) };
        self.command("SetPinned", peer, command, ctx)
    }
}

impl Handler<UnpinLabel> for Registry {
    type Result = Result<(), Refused>;

    fn handle(
        &mut self,
        UnpinLabel { label }: UnpinLabel,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        if !self.turn.core.pins_label(&label) {
            return Err(Refused { why: "nothing is pinned behind this label".into() });
        }
        self.handle_event("UnpinLabel", Event::Command(Command::UnpinLabel(label)), ctx);
        Ok(())
    }
}

impl Handler<SetBanned> for Registry {
    type Result = Result<(), Refused>;

    fn handle(&mut self, message: SetBanned, ctx: &mut Context<Self>) -> Self::Result {
        let SetBanned { peer, banned } = message;
        let command = if banned { Command::Ban(peer) } else { Command::Unban(peer) };
        self.command("SetBanned", peer, command, ctx)?;
        let row = self.turn.core.rows().into_iter().find(|row| row.id == Some(peer));
        match row.is_some_and(|row| row.banned) {
            is if is == banned => Ok(()),
            _ => Err(Refused {
                why: "as many ids are banned as may be (network.controller.peers.max_banned_count)"
                    .into(),
            }),
        }
    }
}
