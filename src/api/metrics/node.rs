//! The daemon itself: who it is, how it is, and how its actors do.

use super::sheet::{Sheet, plain, seconds};
use super::{Context, Seen};
use crate::actors::lost;
use crate::text::escape;

pub(super) fn tell(sheet: &mut Sheet, context: &Context, seen: &Seen) {
    let (facts, tally) = (&context.facts, &context.facts.tally);
    sheet.info(
        plain("build", "The program"),
        vec![("version", env!("CARGO_PKG_VERSION").to_owned())],
    );
    let who = vec![("id", facts.id.to_string()), ("label", escape(&facts.label))];
    sheet.info(plain("node", "Who this node is"), who);
    sheet.gauge(
        seconds("uptime", "Time since the daemon started"),
        facts.started.elapsed().as_secs_f64(),
    );
    let answers = [
        ("registry", seen.status.is_some() && seen.peers.is_some()),
        ("courier", seen.figures.is_some()),
        ("supervisor", seen.settings.is_some()),
    ];
    sheet.gauges(
        plain("service_up", "Whether this part of the daemon answered this scrape"),
        "service",
        answers.map(|(service, up)| (service, f64::from(u8::from(up)))),
    );
    if let Some(status) = &seen.status {
        let about = "Whether a link is up, or nobody is configured to be joined";
        sheet.flag(plain("joined", about), status.joined);
        let about = "Things that a person should look at; node status says which";
        sheet.gauge(plain("problems", about), status.problems.len() as f64);
        let about =
            "How badly this machine runs the daemon: 0 is well, 8 is worst and stretches all waits";
        sheet.gauge(plain("slowness_level", about), f64::from(status.health));
    }
    let about = "How often all actors were built again after one had failed";
    sheet.counter(plain("actor_rebuilds", about), tally.rebuilds.now());
    let about = "Messages between actors that were lost because a mailbox was full";
    sheet.counter(plain("messages_lost", about), lost());
    let about = "Turns of the actors that share the main thread";
    sheet.counter(plain("turns", about), tally.turns.now());
    let about = "Turns that kept the other actors waiting for more than 5 ms";
    sheet.counter(plain("turns_long", about), tally.turns_long.now());
    sheet.time(seconds("turns", "Time that all turns took together"), in_seconds(&tally.turns_us));
}

fn in_seconds(us: &crate::net::tally::Count) -> f64 {
    us.now() as f64 / 1e6
}
