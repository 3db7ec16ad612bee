//! One Connection per peer: drives a session from dial or accept to its end. Never restarted; the
//! registry dials again.

use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture,
};
use tokio::sync::Notify;

use super::lifeline::Lifeline;
use super::messages::{
    BeatFrom, ChunkSent, Closed, Confirmed, GossipFrom, Handshaken, Hangup, Heard, MailFrom,
    PacketFrom, PieceFrom, RootDiffers, Verdict, WholeFrom,
};
use super::post::{deliver, post};
use crate::mesh::budget::Budget;
use crate::mesh::peers::{Bye, Ended};
use crate::mesh::record::{Crypto, Record};
use crate::mesh::{ConnId, Time};
use crate::net::lanes::{LaneLimits, Lanes, Link};
use crate::net::session::{
    Clock, Incoming, LinkReader, LinkWriter, Origin, Session, Shared, establish,
};
use crate::wire::bounded::List;
use crate::wire::{ByeFrame, Frame};

/// How long the last words of a broken link may take, and how long the other end's are waited for.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often news that comes in is told as a sign of life, at most.
const SIGN_EVERY: Duration = Duration::from_millis(250);
/// Heartbeats taken from a link at once, and in a second over time. An honest one brings a handful; a link
/// that brings more is read more slowly, so that it cannot crowd the heartbeats of others out.
const BEATS_BURST: u32 = 256;
const BEATS_PER_SECOND: u32 = 256;
/// The same for messages about files: each is a turn of the one Exchange. An honest link brings one for each
/// piece, which is a thousand or two a second at the most.
const PIECES_BURST: u32 = 4096;
const PIECES_PER_SECOND: u32 = 4096;

/// The same for packets and messages about letters, each a turn of the one Courier. More than a relay takes by
/// its settings, so that what is too much is told of and not only late.
const MAIL_BURST: u32 = 4096;
const MAIL_PER_SECOND: u32 = 8192;

/// What every connection of one generation uses.
pub struct Ports {
    /// TLS, network, clock, root digest.
    pub shared: Arc<Shared>,
    /// Checks records.
    pub crypto: Arc<dyn Crypto + Send + Sync>,
    /// PeerRegistry.
    pub handshaken: Recipient<Handshaken>,
    /// PeerRegistry.
    pub confirmed: Recipient<Confirmed>,
    /// PeerRegistry.
    pub closed: Recipient<Closed>,
    /// Heartbeat.
    pub heard: Recipient<Heard>,
    /// Heartbeat.
    pub beats: Recipient<BeatFrom>,
    /// Topology.
    pub gossip: Recipient<GossipFrom>,
    /// Topology.
    pub roots: Recipient<RootDiffers>,
    /// Courier.
    pub packets: Recipient<PacketFrom>,
    /// Courier.
    pub mail: Recipient<MailFrom>,
    /// Exchange.
    pub pieces: Recipient<PieceFrom>,
    /// Exchange.
    pub wholes: Recipient<WholeFrom>,
    /// Exchange.
    pub sent: Recipient<ChunkSent>,
    /// Longest handshake.
    pub handshake: Duration,
    /// A link whose lanes stay full this long is closed.
    pub stalled: Duration,
    /// Bounds of the lanes.
    pub lanes: LaneLimits,
}

/// The actor.
pub struct Connection {
    conn: ConnId,
    /// Where it comes from, and our card for its hello; taken at the start.
    begin: Option<(Origin, Record)>,
    ports: Arc<Ports>,
    lanes: Arc<Lanes>,
    /// Ends a handshake that is under way.
    hung_up: Arc<Notify>,
    lifeline: Lifeline,
}

impl Connection {
    /// A connection that begins when the actor starts.
    pub fn new(
        conn: ConnId,
        origin: Origin,
        card: Record,
        ports: Arc<Ports>,
        lifeline: Lifeline,
    ) -> Connection {
        let lanes = Arc::new(Lanes::new(ports.lanes, ports.shared.tally.clone()));
        let begin = Some((origin, card));
        Connection { conn, begin, ports, lanes, hung_up: Arc::new(Notify::new()), lifeline }
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some((origin, card)) = self.begin.take() else { return ctx.stop() };
        let (conn, ports, lanes) = (self.conn, self.ports.clone(), self.lanes.clone());
        let hung_up = self.hung_up.clone();
        let life = async move {
            let how = live(conn, origin, card, &ports, &lanes, &hung_up).await;
            deliver(&ports.closed, Closed { conn, how });
        };
        ctx.spawn(life.into_actor(self).map(|(), _, ctx| ctx.stop()));
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.lifeline.release();
    }
}

impl Handler<Hangup> for Connection {
    type Result = ();

    fn handle(&mut self, Hangup { bye }: Hangup, _: &mut Context<Self>) {
        self.lanes.close(bye);
        self.hung_up.notify_one();
    }
}

/// The whole life of a connection; how it ended.
async fn live(
    conn: ConnId,
    origin: Origin,
    card: Record,
    ports: &Ports,
    lanes: &Arc<Lanes>,
    hung_up: &Notify,
) -> Ended {
    let dialled = matches!(origin, Origin::Dial { .. });
    let handshake = async {
        let mut session = establish(&ports.shared, origin, &card, &*ports.crypto).await?;
        if !dialled {
            session.await_ready(&*ports.crypto).await?;
        }
        Ok(session)
    };
    let session = tokio::select! {
        session = tokio::time::timeout(ports.handshake, handshake) => session,
        () = hung_up.notified() => return Ended::Ours,
    };
    match session {
        Ok(Ok(session)) => linked(conn, dialled, session, ports, lanes).await,
        Ok(Err(how)) => how,
        Err(_) => Ended::TimedOut,
    }
}

/// Asks whether the session may be the link, and if so talks until it ends.
async fn linked(
    conn: ConnId,
    dialled: bool,
    mut session: Session,
    ports: &Ports,
    lanes: &Arc<Lanes>,
) -> Ended {
    let link = Link { peer: session.peer, conn, lanes: lanes.clone(), wanted: Default::default() };
    let (card, rtt_us, local) = (session.card.clone(), session.rtt_us, session.local);
    let asked = Handshaken { card, link: link.clone(), rtt_us, local };
    let verdict = ports.handshaken.send(asked).await;
    match verdict {
        Ok(Verdict::Keep) => {}
        Ok(Verdict::Decline(mut bye)) => {
            if dialled {
                // The acceptor reads no more than a Hello from who is not ready, and has no use for others' cards.
                bye.cards = List::default();
            }
            session.decline(bye).await;
            return Ended::Ours;
        }
        Err(_) => return Ended::Ours,
    }
    if dialled && let Err(how) = session.say_ready().await {
        return how;
    }
    let talk = Talk { dialled, ports, link };
    let (mut reader, writer) = session.split();
    talk.until_the_end(&mut reader, writer).await
}

/// A link that is up, as its two halves see it.
struct Talk<'a> {
    dialled: bool,
    ports: &'a Ports,
    link: Link,
}

impl Talk<'_> {
    async fn until_the_end(&self, reader: &mut LinkReader, writer: LinkWriter) -> Ended {
        let Link { peer, conn, lanes, .. } = &self.link;
        let sent = |request, bytes| {
            // Bounded by what the Exchange keeps in a lane.
            let (peer, conn) = (*peer, *conn);
            deliver(&self.ports.sent, ChunkSent { peer, conn, request, bytes });
        };
        let write = writer.run(&self.ports.shared, lanes, self.ports.stalled, sent);
        // One reader from first to last: another one would take the rest of a frame for the head of the next.
        let read = self.read(reader);
        tokio::pin!(write, read);
        let how = tokio::select! {
            how = &mut read => how,
            how = &mut write => {
                if how == Ended::Ours {
                    // Closing with unread bytes resets the stream and would destroy our last words.
                    let _ = tokio::time::timeout(FAREWELL, &mut read).await;
                }
                return how;
            }
        };
        if matches!(how, Ended::Broken(_)) {
            lanes.close(ByeFrame { why: Bye::Protocol, cards: Default::default() });
            // The link ends either way.
            let _ = tokio::time::timeout(FAREWELL, write).await;
        }
        how
    }

    /// Hands on what comes in, until the link ends.
    async fn read(&self, reader: &mut LinkReader) -> Ended {
        let ports = self.ports;
        let Link { peer, conn, lanes, .. } = &self.link;
        let (peer, conn) = (*peer, *conn);
        let mut beats = Budget::new(BEATS_BURST, BEATS_PER_SECOND);
        let mut pieces = Budget::new(PIECES_BURST, PIECES_PER_SECOND);
        let mut mail = Budget::new(MAIL_BURST, MAIL_PER_SECOND);
        let mut unconfirmed = self.dialled;
        let mut told = ports.shared.clock.now();
        loop {
            let next = match reader.next(&ports.shared, &self.link, &*ports.crypto).await {
                Ok(next) => next,
                Err(how) => return how,
            };
            if lanes.is_closing() {
                continue;
            }
            if std::mem::take(&mut unconfirmed) {
                post(&ports.confirmed, Confirmed { conn });
            }
            let budget = match next {
                Incoming::Heard { .. } | Incoming::Frame(Frame::Beat(_)) => Some(&mut beats),
                Incoming::Frame(Frame::Pieces(_)) => Some(&mut pieces),
                Incoming::Frame(Frame::Packet(_) | Frame::Mail(_)) => Some(&mut mail),
                _ => None,
            };
            if let Some(budget) = budget {
                pace(budget, ports.shared.clock).await;
            }
            match next {
                Incoming::Heard { at, rtt_us, differs } => {
                    post(&ports.heard, Heard { peer, at, rtt_us, beat: true });
                    if differs {
                        post(&ports.roots, RootDiffers { peer });
                    }
                }
                Incoming::Alive { at } => {
                    post(&ports.heard, Heard { peer, at, rtt_us: None, beat: false });
                }
                Incoming::Frame(Frame::Beat(beat)) => post(&ports.beats, BeatFrom { peer, beat }),
                Incoming::Frame(Frame::Gossip(gossip)) => {
                    self.sign_of_life(&mut told);
                    // Waiting here is the back-pressure: the peer's stream fills up behind it.
                    if ports.gossip.send(GossipFrom { peer, gossip }).await.is_err() {
                        return Ended::Ours;
                    }
                    // Its heartbeats waited, too, unread: the silence was ours.
                    self.sign_of_life(&mut told);
                }
                Incoming::Frame(Frame::Pieces(frame)) => {
                    if ports.pieces.send(PieceFrom { peer, conn, frame }).await.is_err() {
                        return Ended::Ours;
                    }
                }
                Incoming::Frame(Frame::Packet(packet)) => {
                    if ports.packets.send(PacketFrom { peer, conn, packet }).await.is_err() {
                        return Ended::Ours;
                    }
                }
                Incoming::Frame(Frame::Mail(frame)) => {
                    if ports.mail.send(MailFrom { peer, conn, frame }).await.is_err() {
                        return Ended::Ours;
                    }
                }
                Incoming::Whole { request, buffer } => {
                    let whole = WholeFrom { peer, conn, request, buffer };
                    if ports.wholes.send(whole).await.is_err() {
                        return Ended::Ours;
                    }
                }
                Incoming::Frame(_) => return Ended::Broken("it greeted twice".into()),
            }
        }
    }

    /// Tells that the peer lives, if that was not just told: news comes in, and heartbeats wait behind it.
    fn sign_of_life(&self, told: &mut Time) {
        let at = self.ports.shared.clock.now();
        if at.since(*told) >= SIGN_EVERY {
            *told = at;
            let peer = self.link.peer;
            post(&self.ports.heard, Heard { peer, at, rtt_us: None, beat: false });
        }
    }
}

/// Waits until one more may be taken.
async fn pace(budget: &mut Budget, clock: Clock) {
    while !budget.take(clock.now(), 1) {
        // A millisecond more, because the timer may be a little early.
        let wait = budget.next_at(1).since(clock.now()) + Duration::from_millis(1);
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_heartbeats_is_read_no_faster_than_its_budget() {
        let clock = Clock::new();
        let mut beats = Budget::new(BEATS_BURST, BEATS_PER_SECOND);
        let begun = std::time::Instant::now();
        for _ in 0..BEATS_BURST + BEATS_PER_SECOND / 4 {
            pace(&mut beats, clock).await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(240), "{:?}", begun.elapsed());
    }
}
