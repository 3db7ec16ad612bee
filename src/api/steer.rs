//! The routes that change something, and `ping`.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web;

use super::asks::{
    AskConnect, AskShout, AskWho, Connected, Ping, Reload, Shouted, Steered, Stopping,
};
use super::failure::Failure;
use super::read::{Answer, answer, ask, only};
use super::server::Context;
use super::shapes::HexId;
use super::who;
use crate::actors::messages::{self, Connect, Disconnect, PeersWanted, Probe};
use crate::actors::messages::{SetBanned, SetPinned, Shout, Shutdown, UnpinLabel};
use crate::mesh::NodeId;

/// How long the name of a host may take to be looked up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// Most addresses of one name that are dialled in turn.
const LOOKUP_ADDRS_MAX: usize = 4;
/// Longest host name and port, bytes.
const HOST_BYTES_MAX: usize = 260;
/// Longest shout, bytes.
pub const SHOUT_BYTES_MAX: usize = 16 * 1024;

/// The routes under `/api/v1`.
pub(super) fn api(config: &mut web::ServiceConfig) {
    config
        .service(only("/ping", web::post().to(ping)))
        .service(only("/connect", web::post().to(connect)))
        .service(only("/disconnect", web::post().to(disconnect)))
        .service(only("/pin", web::post().to(pin)))
        .service(only("/unpin", web::post().to(unpin)))
        .service(only("/ban", web::post().to(ban)))
        .service(only("/unban", web::post().to(unban)))
        .service(only("/shout", web::post().to(shout)))
        .service(only("/reload", web::post().to(reload)))
        .service(only("/leave", web::post().to(leave)))
        .service(only("/stop", web::post().to(stop)));
}

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

async fn ping(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Ping> {
    let peer = named(&context, &body.who).await?;
    let probed = ask("heartbeat", &context.services.probe, Probe { peer }).await?;
    let rtt_us = done(&format!("cannot ping {}", peer.short()), probed)?;
    answer(Ping { id: HexId(peer), rtt_us })
}

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

async fn disconnect(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Steered> {
    let peer = named(&context, &body.who).await?;
    let result = ask("registry", &context.services.disconnect, Disconnect { peer }).await?;
    done(&format!("cannot disconnect {}", peer.short()), result)?;
    answer(Steered { id: Some(HexId(peer)) })
}

async fn pin(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Steered> {
    let peer = named(&context, &body.who).await?;
    let result = ask("registry", &context.services.pin, SetPinned { peer, pinned: true }).await?;
    done(&format!("cannot pin {}", peer.short()), result)?;
    answer(Steered { id: Some(HexId(peer)) })
}

/// Forgets every pin of the node that is named; a label is freed too, even when the node that it is pinned
/// to is long gone and another one wants to come in under it.
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

async fn ban(context: web::Data<Context>, body: web::Json<AskWho>) -> Answer<Steered> {
    set_banned(&context, &body.who, true).await
}

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

async fn shout(context: web::Data<Context>, body: web::Json<AskShout>) -> Answer<Shouted> {
    let text = body.into_inner().text;
    if text.is_empty() || text.len() > SHOUT_BYTES_MAX {
        let why = format!("a shout has 1 to {SHOUT_BYTES_MAX} bytes, this has {}", text.len());
        return Err(Failure::usage(why, "write less, or anything at all"));
    }
    let result = ask("topology", &context.services.shout, Shout { text }).await?;
    answer(Shouted { links: done("cannot shout", result)? })
}

async fn reload(context: web::Data<Context>) -> Answer<Reload> {
    let result = ask("supervisor", &context.services.reload, messages::Reload).await?;
    answer(done("the settings were not changed", result)?.into())
}

async fn leave(context: web::Data<Context>) -> Answer<Stopping> {
    shut_down(&context, Shutdown { why: "node leave", leave: true }).await
}

async fn stop(context: web::Data<Context>) -> Answer<Stopping> {
    shut_down(&context, Shutdown { why: "node stop", leave: false }).await
}

async fn shut_down(context: &Context, message: Shutdown) -> Answer<Stopping> {
    ask("supervisor", &context.services.shutdown, message).await?;
    answer(Stopping { stopping: true })
}
