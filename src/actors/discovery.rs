//! Discovery: has the local network watched by a thread, and hands the PeerRegistry what is seen there.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, Recipient};

use super::lifeline::Lifeline;
use super::messages::{Sighted, Sighting, Stop};
use super::post::{deliver, post, to};
use crate::mesh::Time;
use crate::mesh::budget::Budget;
use crate::mesh::peers::NEAR_MAX;
use crate::net::discovery::{Discovery as Watch, Over, Running, Seen, Told};

/// Wait before it is tried again after it could not begin.
const AGAIN: Duration = Duration::from_secs(30);
/// Wait before it looks again after too much was said: meanwhile it is not heard of.
const PAUSE: Duration = Duration::from_secs(5);
/// What is found is logged this often: at once, and in a second. Anybody may announce anything.
const LINES: (u32, u32) = (16, 1);

/// The actor.
pub struct Discovery {
    told: Told,
    sighted: Recipient<Sighted>,
    running: Option<Running>,
    /// Counts the watches, so that the end of an old one is not taken for that of the one now.
    watch: u64,
    /// It was said that it cannot begin.
    warned: bool,
    lifeline: Lifeline,
}

impl Discovery {
    /// Announces what is told, and posts what is seen.
    pub fn new(told: Told, sighted: Recipient<Sighted>, lifeline: Lifeline) -> Discovery {
        Discovery { told, sighted, running: None, watch: 0, warned: false, lifeline }
    }

    fn begin(&mut self, ctx: &mut Context<Self>) {
        post(&self.sighted, Sighted(Sighting::Afresh));
        self.watch += 1;
        let begun = Watch::begin(&self.told).map_err(|error| error.to_string());
        let begun = begun.and_then(|(watch, running)| {
            let ended = Ending { tell: to(&ctx.address()), watch: self.watch, over: None };
            let sighted = self.sighted.clone();
            let thread = std::thread::Builder::new().name("mdns".into());
            let run = move || watch_on(watch, &sighted, ended);
            thread.spawn(run).map(|_| running).map_err(|error| error.to_string())
        });
        match begun {
            Ok(running) => {
                self.running = Some(running);
                self.warned = false;
            }
            Err(why) => {
                if !std::mem::replace(&mut self.warned, true) {
                    log::warn!(
                        "mDNS: {why}; until then nodes are found by their addresses only (tried again \
                         each {} s; off with network.discovery.mdns = false)",
                        AGAIN.as_secs()
                    );
                }
                ctx.run_later(AGAIN, Self::begin);
            }
        }
    }
}

/// Tells the actor that its watch is over, also when the thread panics.
struct Ending {
    tell: Recipient<WatchEnded>,
    watch: u64,
    over: Option<Over>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        deliver(&self.tell, WatchEnded { watch: self.watch, over: self.over });
    }
}

/// Ourselves: a watch is over. Never lost.
#[derive(Message)]
#[rtype(result = "()")]
struct WatchEnded {
    watch: u64,
    /// None: it crashed.
    over: Option<Over>,
}

fn watch_on(watch: Watch, sighted: &Recipient<Sighted>, mut ending: Ending) {
    let begun = Instant::now();
    let mut lines = Budget::new(LINES.0, LINES.1);
    // All is said anew now and then; it is logged once.
    let mut logged = VecDeque::with_capacity(NEAR_MAX);
    let over = watch.watch(|seen| {
        let elapsed = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX / 1000);
        let told = lines.take(Time::from_ms(elapsed.min(u64::MAX / 1000)), 1);
        match seen {
            Seen::Sighted(sighting) => {
                if let Sighting::Here { peer, addrs, .. } = &sighting
                    && told
                {
                    let addrs: Vec<String> = addrs.iter().map(ToString::to_string).collect();
                    let line = format!("{} is announced at {}", peer.short(), addrs.join(", "));
                    if !logged.contains(&line) {
                        log::info!("mDNS: {line}");
                        logged.truncate(NEAR_MAX - 1);
                        logged.push_front(line);
                    }
                }
                post(sighted, Sighted(sighting));
            }
            Seen::Announced => log::info!("mDNS: announced on the local network"),
            Seen::Unheard => log::warn!(
                "mDNS: no interface takes the announcement; is there one besides the loopback that is up, \
                 has an address and multicast? It is announced as soon as there is"
            ),
            Seen::Renamed(name) if told => {
                log::info!("mDNS: announced as {} now", crate::text::escape(&name));
            }
            Seen::Renamed(_) => {}
        }
    });
    if over == Over::Stuck {
        log::error!(
            "mDNS: the library does not end and goes on announcing; nobody is looked for until \
             network.discovery.mdns is switched off and on, or the daemon started again"
        );
    }
    ending.over = Some(over);
}

impl Actor for Discovery {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.begin(ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.lifeline.release();
    }
}

impl Handler<WatchEnded> for Discovery {
    type Result = ();

    fn handle(&mut self, WatchEnded { watch, over }: WatchEnded, ctx: &mut Context<Self>) {
        if watch != self.watch {
            return;
        }
        self.running = None;
        match over {
            // Another library beside it would be one more that does not end.
            Some(Over::Stuck) => return,
            Some(Over::Stopped) => log::debug!("mDNS: the library has stopped"),
            Some(Over::Overrun) => log::warn!(
                "mDNS: more is said on the local network than is listened to; looking again in {} s",
                PAUSE.as_secs()
            ),
            None => log::error!("mDNS: watching crashed; looking again in {} s", PAUSE.as_secs()),
        }
        ctx.run_later(PAUSE, Self::begin);
    }
}

impl Handler<Stop> for Discovery {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.running = None;
        post(&self.sighted, Sighted(Sighting::Afresh));
        ctx.stop();
    }
}
