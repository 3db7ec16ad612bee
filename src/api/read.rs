//! The routes that only show.

use actix::{Message, Recipient};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, Resource, Route, web};
use serde::{Deserialize, Serialize};

use super::asks::{Config, Ready};
use super::export::Format;
use super::failure::{Code, Failure};
use super::guard::BODY_BYTES_MAX;
use super::server::Context;
use super::shapes::{Graph, Health, HexId, Path, Peers, Shaped, Status, Why};
use super::{path, who};
use crate::actors::messages::{ConfigWanted, PeersWanted, StatusWanted, WhyWanted};
use crate::mesh::NodeId;

/// How long an actor may take to answer; shorter than the whole request.
const ASK_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(4500);

/// What a route answers.
pub(super) type Answer<T> = Result<web::Json<Shaped<T>>, Failure>;

/// Answers `body`.
pub(super) fn answer<T: Serialize>(body: T) -> Answer<T> {
    Ok(web::Json(Shaped::new(body)))
}

/// Asks an actor; `service` names it in the error.
pub(super) async fn ask<M>(
    service: &'static str,
    to: &Recipient<M>,
    message: M,
) -> Result<M::Result, Failure>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    let asked = to.send(message).timeout(ASK_TIMEOUT).await;
    asked.map_err(|error| Failure::mailbox(service, error))
}

/// A path that answers one method only.
pub(super) fn only(path: &str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(web::to(wrong_method))
}

/// How bodies, queries and paths are read, and what is answered when they cannot be.
pub(super) fn extractors(config: &mut web::ServiceConfig) {
    let body = web::JsonConfig::default()
        .limit(BODY_BYTES_MAX)
        .error_handler(|error, _| Failure::body(&error).into());
    let query = web::QueryConfig::default().error_handler(|error, _| {
        Failure::usage(error.to_string(), "correct what stands behind the ?").into()
    });
    let path = web::PathConfig::default()
        .error_handler(|error, _| Failure::usage(error.to_string(), "name a node").into());
    config.app_data(body).app_data(query).app_data(path);
}

/// The two open routes, and the metrics.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(only("/healthz", web::get().to(healthz)))
        .service(only("/readyz", web::get().to(readyz)))
        .service(only("/metrics", web::get().to(super::metrics::metrics)));
}

/// The routes under `/api/v1`.
pub(super) fn api(config: &mut web::ServiceConfig) {
    config
        .service(only("/status", web::get().to(status)))
        .service(only("/peers", web::get().to(peers)))
        .service(only("/graph", web::get().to(graph)))
        .service(only("/path/{who:.+}", web::get().to(way)))
        .service(only("/why/{who:.+}", web::get().to(why)))
        .service(only("/config", web::get().to(config_in_force)));
}

/// Whatever is not a route.
pub(super) async fn no_such_route() -> Result<HttpResponse, Failure> {
    let status = StatusCode::NOT_FOUND;
    let remedy = "everything is under /api/v1";
    Err(Failure::new(status, Code::NotFound, "no such route", "nothing is here", remedy))
}

/// Whatever asks a route with a method that is not its own.
pub(super) async fn wrong_method() -> Result<HttpResponse, Failure> {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let remedy = "GET shows, POST changes";
    Err(Failure::new(status, Code::Usage, "not done", "this route answers another method", remedy))
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

async fn readyz(context: web::Data<Context>) -> Answer<Ready> {
    if context.drain.begun() {
        return Err(Failure::stopping());
    }
    let status = ask("registry", &context.services.status, StatusWanted).await?;
    let why = if context.facts.listen.is_empty() {
        "it does not listen for peers"
    } else if !status.joined {
        "it has no link to any other node yet"
    } else {
        return answer(Ready { ready: true });
    };
    let unready = StatusCode::SERVICE_UNAVAILABLE;
    Err(Failure::new(unready, Code::Unavailable, "not ready", why, "node status says more"))
}

async fn status(context: web::Data<Context>) -> Answer<Status> {
    let registry = ask("registry", &context.services.status, StatusWanted).await?;
    let facts = &context.facts;
    let mut problems = registry.problems;
    if !registry.joined {
        problems.push("no link to any of the configured peers yet".into());
    }
    answer(Status {
        id: HexId(facts.id),
        label: facts.label.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        uptime_s: facts.started.elapsed().as_secs(),
        listen: facts.listen.clone(),
        state_dir: facts.state_dir.as_ref().map(|dir| dir.display().to_string()),
        nodes_alive: context.view().alive().count(),
        links: registry.links,
        handshakes: registry.handshakes,
        joined: registry.joined,
        health: if problems.is_empty() { Health::Ok } else { Health::Degraded },
        problems,
        counters: registry.counters.into_iter().map(|(name, n)| (name.into(), n)).collect(),
    })
}

async fn peers(context: web::Data<Context>) -> Answer<Peers> {
    let rows = ask("registry", &context.services.peers, PeersWanted).await?;
    answer(Peers::merge(&rows, &context.view()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphQuery {
    #[serde(default)]
    format: GraphFormat,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GraphFormat {
    #[default]
    Json,
    D2,
    Dot,
    Mermaid,
    Svg,
}

async fn graph(context: web::Data<Context>, query: web::Query<GraphQuery>) -> HttpResponse {
    let view = context.view();
    let format = match query.format {
        GraphFormat::Json => {
            return HttpResponse::Ok().json(Shaped::new(Graph::from(&*view)));
        }
        GraphFormat::D2 => Format::D2,
        GraphFormat::Dot => Format::Dot,
        GraphFormat::Mermaid => Format::Mermaid,
        GraphFormat::Svg => Format::Svg,
    };
    HttpResponse::Ok().content_type(format.content_type()).body(format.render(&view))
}

/// The node a text names among those of the graph.
fn seen(context: &Context, text: &str) -> Result<NodeId, Failure> {
    let known = who::known(&context.view(), &[]);
    who::resolve(text, &known).map_err(|error| Failure::who(text, error))
}

async fn way(context: web::Data<Context>, who: web::Path<String>) -> Answer<Path> {
    let to = seen(&context, &who)?;
    let Some(way) = path::cheapest(&context.view(), to) else {
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            Code::NotFound,
            format!("no path to {}", to.short()),
            "no chain of links that both ends confirm leads there",
            "node why shows what was last seen of it",
        ));
    };
    answer(way)
}

async fn why(context: web::Data<Context>, who: web::Path<String>) -> Answer<Why> {
    let peer = match seen(&context, &who) {
        Ok(peer) => peer,
        // Evidence may outlive the node's place in the graph, and be about one that never got in.
        Err(_) => super::steer::named(&context, &who).await?,
    };
    let evidence = ask("registry", &context.services.why, WhyWanted { peer }).await?;
    let view = context.view();
    let node = view.node(&peer);
    answer(Why {
        id: HexId(peer),
        label: node.map(|n| n.label.clone()).unwrap_or_default(),
        state: node.map_or(super::shapes::NodeState::Unknown, |n| n.state.into()),
        evidence: evidence.into_iter().map(Into::into).collect(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigQuery {
    #[serde(default)]
    origin: Option<String>,
}

async fn config_in_force(
    context: web::Data<Context>,
    query: web::Query<ConfigQuery>,
) -> Answer<Config> {
    let with_origin = match query.origin.as_deref() {
        None | Some("0" | "false") => false,
        Some("" | "1" | "true") => true,
        Some(_) => return Err(Failure::usage("origin is neither true nor false", "?origin=true")),
    };
    let rows = ask("supervisor", &context.services.config, ConfigWanted).await?;
    answer(Config::of(rows, with_origin))
}
