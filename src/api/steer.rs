//! The routes that change something, and `ping`.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web;

use super::asks::{
    AskConnect, AskShout, AskWho, Connected, Ping, Reload, Shouted, Steered, Stopping,
};
use super::failure::{Failure, Refusal};
use super::read::{Answer, answer, ask};
use super::routes::routes;
use super::server::Context;
use super::shapes::{HexId, Shaped};
use super::who;
use crate::actors::messages::{self, Connect, Disconnect, LinkPhase, PeersWanted, Probe};
use crate::actors::messages::{SetBanned, SetPinned, Shout, Shutdown, Trace, UnpinLabel};
use crate::mesh::NodeId;

/// How long the name of a host may take to be looked up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// Most addresses of one name that are dialled in turn.
const LOOKUP_ADDRS_MAX: usize = 4;
/// Longest host name and port, bytes.
const HOST_BYTES_MAX: usize = 260;
/// Longest shout, bytes.
pub const SHOUT_BYTES_MAX: usize = 16 * 1024;

routes![ping, connect, disconnect, pin, unpin, ban, unban, shout, reload, leave, stop];

/// The node a text names among those of the graph and those only the registry knows (the banned, say).
pub(super) async fn named(context: &Context, text: &str) -> Result<NodeId, Failure> {
    let rows = ask("registry", &context.services.peers, PeersWanted).await?;
    let known = who::known(&context.view(), &rows);
    who::resolve(text, &known).map_err(|error| Failure::who(text, error))
}

/// Turns what a service refused into the answer.
fn done<T>(what: &str, result: Result<T, messages::Refused>) -> Result<T, Failure> {
    result.map_err(|refused| Failure::refused(what, refused))
}

/// Measures the round trip to a node now
///
/// Over the link with it; if there is none, over other nodes.
#[utoipa::path(post, path = "/api/v1/ping", tag = "steer", request_body = AskWho, responses(
    (status = 200, description = "how long it took", body = Shaped<Ping>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit, or it was refused", body = Refusal),
))]
async fn ping(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Ping> {
    let rows = ask("registry", &context.services.peers, PeersWanted).await?;
    let known = who::known(&context.view(), &rows);
    let peer = who::resolve(&body.who, &known).map_err(|error| Failure::who(&body.who, error))?;
    let what = format!("cannot ping {}", peer.short());
    if peer == context.facts.id {
        return Err(Failure::refused(
            &what,
            messages::Refused { why: "that is this node itself".into() },
        ));
    }
    if rows.iter().any(|row| row.id == Some(peer) && row.link == LinkPhase::Up) {
        let probed = ask("heartbeat", &context.services.probe, Probe { peer }).await?;
        return answer(Ping { id: HexId(peer), rtt_us: done(&what, probed)?, hops: 1 });
    }
    let walk = done(&what, ask("topology", &context.services.trace, Trace { peer }).await?)?;
    let rtt_us = u32::try_from(walk.rtt_us).unwrap_or(u32::MAX);
    answer(Ping { id: HexId(peer), rtt_us, hops: walk.hops.len() })
}

/// Dials an address, and answers once there is a link or none
#[utoipa::path(post, path = "/api/v1/connect", tag = "steer", request_body = AskConnect, responses(
    (status = 200, description = "who is there", body = Shaped<Connected>),
    (status = 409, description = "no link came of it", body = Refusal),
))]
async fn connect(context: web::Data<Context>, body: web::Json<AskConnect>) -> Answer<Connected> {
    let what = format!("cannot connect to {}", body.addr);
    let mut refused = messages::Refused { why: "the name has no address".into() };
    for addr in lookup(&body.addr).await? {
        match ask("registry", &context.services.connect, Connect { addr }).await? {
            Ok(id) => return answer(Connected { id: HexId(id), addr }),
            Err(why) => refused = why,
        }
    }
    Err(Failure::refused(&what, refused))
}

/// The addresses of `IP:port` or `host:port`; names are looked up on a blocking thread.
async fn lookup(text: &str) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(addr) = text.parse() {
        return Ok(vec![addr]);
    }
    let remedy = "write IP:port, [IPv6]:port or host:port";
    let has_port = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok()
    });
    if !has_port || text.len() > HOST_BYTES_MAX {
        return Err(Failure::usage(format!("\"{text}\" is not an address with a port"), remedy));
    }
    let found = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host(text)).await;
    let refused = |why: String| {
        Failure::refused(&format!("cannot connect to {text}"), messages::Refused { why })
    };
    match found {
        Ok(Ok(addrs)) => Ok(addrs.take(LOOKUP_ADDRS_MAX).collect()),
        Ok(Err(error)) => Err(refused(format!("its name cannot be looked up: {error}"))),
        Err(_) => Err(refused("its name could not be looked up within 2 seconds".into())),
    }
}

/// Closes a link and does not dial again
#[utoipa::path(post, path = "/api/v1/disconnect", tag = "steer", request_body = AskWho, responses(
    (status = 200, description = "it was done", body = Shaped<Steered>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit, or it was refused", body = Refusal),
))]
async fn disconnect(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Steered> {
    let peer = named(&context, &body.who).await?;
    let result = ask("registry", &context.services.disconnect, Disconnect { peer }).await?;
    done(&format!("cannot disconnect {}", peer.short()), result)?;
    answer(Steered { id: Some(HexId(peer)) })
}

/// Trusts a node by hand
#[utoipa::path(post, path = "/api/v1/pin", tag = "steer", request_body = AskWho, responses(
    (status = 200, description = "it was done", body = Shaped<Steered>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit, or it was refused", body = Refusal),
))]
async fn pin(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Steered> {
    let peer = named(&context, &body.who).await?;
    let result = ask("registry", &context.services.pin, SetPinned { peer, pinned: true }).await?;
    done(&format!("cannot pin {}", peer.short()), result)?;
    answer(Steered { id: Some(HexId(peer)) })
}

/// Forgets every pin of a node
///
/// A label is freed too, even when the node that it is pinned to is long gone and another one wants to come in
/// under it.
#[utoipa::path(post, path = "/api/v1/unpin", tag = "steer", request_body = AskWho, responses(
    (status = 200, description = "it was done", body = Shaped<Steered>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit, or it was refused", body = Refusal),
))]
async fn unpin(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Steered> {
    let named = named(&context, &body.who).await;
    let label = UnpinLabel { label: body.who.clone() };
    let freed = ask("registry", &context.services.unpin_label, label).await?;
    match (named, freed) {
        (Ok(peer), freed) => {
            let ask_pin = SetPinned { peer, pinned: false };
            let result = ask("registry", &context.services.pin, ask_pin).await?;
            done(&format!("cannot unpin {}", peer.short()), result.or(freed))?;
            answer(Steered { id: Some(HexId(peer)) })
        }
        (Err(_), Ok(())) => answer(Steered { id: None }),
        (Err(failure), Err(_)) => Err(failure),
    }
}

/// Closes the link to a node and refuses it from now on
#[utoipa::path(post, path = "/api/v1/ban", tag = "steer", request_body = AskWho, responses(
    (status = 200, description = "it was done", body = Shaped<Steered>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit, or it was refused", body = Refusal),
))]
async fn ban(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Steered> {
    set_banned(&context, &body.who, true).await
}

/// Lets a banned node in again
#[utoipa::path(post, path = "/api/v1/unban", tag = "steer", request_body = AskWho, responses(
    (status = 200, description = "it was done", body = Shaped<Steered>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit, or it was refused", body = Refusal),
))]
async fn unban(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Steered> {
    set_banned(&context, &body.who, false).await
}

async fn set_banned(context: &Context, text: &str, banned: bool) -> Answer<Steered> {
    let peer = named(context, text).await?;
    let result = ask("registry", &context.services.ban, SetBanned { peer, banned }).await?;
    let verb = if banned { "ban" } else { "unban" };
    done(&format!("cannot {verb} {}", peer.short()), result)?;
    answer(Steered { id: Some(HexId(peer)) })
}

/// Says something to everyone
#[utoipa::path(post, path = "/api/v1/shout", tag = "steer", request_body = AskShout, responses(
    (status = 200, description = "on how many links it went out", body = Shaped<Shouted>),
    (status = 409, description = "it was refused", body = Refusal),
))]
async fn shout(context: web::Data<Context>, body: web::Json<AskShout>) -> Answer<Shouted> {
    let text = body.into_inner().text;
    if text.is_empty() || text.len() > SHOUT_BYTES_MAX {
        let why = format!("a shout has 1 to {SHOUT_BYTES_MAX} bytes, this has {}", text.len());
        return Err(Failure::usage(why, "write less, or anything at all"));
    }
    let result = ask("topology", &context.services.shout, Shout { text }).await?;
    answer(Shouted { links: done("cannot shout", result)? })
}

/// Reads the settings again
///
/// A bad file never harms a running daemon.
#[utoipa::path(post, path = "/api/v1/reload", tag = "steer", responses(
    (status = 200, description = "what was applied, and what needs a restart", body = Shaped<Reload>),
    (status = 409, description = "it was refused", body = Refusal),
))]
async fn reload(context: web::Data<Context>) -> Answer<Reload> {
    let result = ask("supervisor", &context.services.reload, messages::Reload).await?;
    answer(done("the settings were not changed", result)?.into())
}

/// Says goodbye, forgets whom this node was linked with, and stops the daemon
#[utoipa::path(post, path = "/api/v1/leave", tag = "steer", responses(
    (status = 200, description = "it has begun to stop", body = Shaped<Stopping>),
))]
async fn leave(context: web::Data<Context>) -> Answer<Stopping> {
    shut_down(&context, Shutdown { why: "node leave", leave: true }).await
}

/// Says goodbye and stops the daemon
#[utoipa::path(post, path = "/api/v1/stop", tag = "steer", responses(
    (status = 200, description = "it has begun to stop", body = Shaped<Stopping>),
))]
async fn stop(context: web::Data<Context>) -> Answer<Stopping> {
    shut_down(&context, Shutdown { why: "node stop", leave: false }).await
}

async fn shut_down(context: &Context, message: Shutdown) -> Answer<Stopping> {
    ask("supervisor", &context.services.shutdown, message).await?;
    answer(Stopping { stopping: true })
}
