//! The routes that only show.

use actix::{Message, Recipient};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::asks::{Config, Ready};
use super::export::Format;
use super::failure::{Code, Failure, Refusal};
use super::guard::BODY_BYTES_MAX;
use super::routes::routes;
use super::server::Context;
use super::shapes::{Graph, Health, HexId, Path, Peers, Shaped, Status, Why};
use super::who;
use crate::actors::messages::{ConfigWanted, PeersWanted, StatusWanted, Trace, WhyWanted};
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

/// How bodies of at most so many bytes are read.
pub(super) fn bodies(bytes_max: usize) -> web::JsonConfig {
    web::JsonConfig::default()
        .limit(bytes_max)
        .error_handler(|error, _| Failure::body(&error).into())
}

/// How bodies, queries and paths are read, and what is answered when they cannot be.
pub(super) fn extractors(config: &mut web::ServiceConfig) {
    let body = bodies(BODY_BYTES_MAX);
    let query = web::QueryConfig::default().error_handler(|error, _| {
        Failure::usage(error.to_string(), "correct what stands behind the ?").into()
    });
    let path = web::PathConfig::default()
        .error_handler(|error, _| Failure::usage(error.to_string(), "name a node").into());
    config.app_data(body).app_data(query).app_data(path);
}

routes![healthz, readyz, status, peers, graph, path, why, config];

/// Whether the daemon runs
///
/// Needs no token. The answer is the text `ok`.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses(
    (status = 200, description = "it runs", body = String, content_type = "text/plain"),
))]
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// Whether the daemon can be used
///
/// It listens, and has a link to another node or nobody to join. Needs no token.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, description = "it can be used", body = Shaped<Ready>),
))]
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

/// How this daemon is, and what is wrong if something is
#[utoipa::path(get, path = "/api/v1/status", tag = "see", responses(
    (status = 200, description = "how it is", body = Shaped<Status>),
))]
async fn status(context: web::Data<Context>) -> Answer<Status> {
    answer(status_now(&context).await?)
}

/// How the daemon is.
pub(super) async fn status_now(context: &Context) -> Result<Status, Failure> {
    let registry = ask("registry", &context.services.status, StatusWanted).await?;
    let facts = &context.facts;
    let mut problems = registry.problems;
    if !registry.joined {
        problems.push("no link to any of the configured peers yet".into());
    }
    Ok(Status {
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

/// The other nodes, with our links to them
#[utoipa::path(get, path = "/api/v1/peers", tag = "see", responses(
    (status = 200, description = "every other node that is known", body = Shaped<Peers>),
))]
async fn peers(context: web::Data<Context>) -> Answer<Peers> {
    let rows = ask("registry", &context.services.peers, PeersWanted).await?;
    answer(Peers::merge(&rows, &context.view()))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GraphQuery {
    /// JSON if there is none.
    #[param(inline)]
    #[serde(default)]
    format: GraphFormat,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum GraphFormat {
    #[default]
    Json,
    D2,
    Dot,
    Mermaid,
    Svg,
}

/// All nodes and all links
///
/// In JSON, or as text to be drawn by d2, dot or mermaid, or drawn already (svg).
#[utoipa::path(get, path = "/api/v1/graph", tag = "see", params(GraphQuery), responses(
    (status = 200, description = "the network as this node sees it", content(
        (Shaped<Graph> = "application/json"),
        (String = "text/plain"),
        (String = "image/svg+xml"),
    )),
))]
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

/// The end of a path that names a node.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Named {
    /// Id, beginning of an id (8 digits or more), label or `IP:port`.
    who: String,
}

/// The node a text names among those of the graph.
fn seen(context: &Context, text: &str) -> Result<NodeId, Failure> {
    let known = who::known(&context.view(), &[]);
    who::resolve(text, &known).map_err(|error| Failure::who(text, error))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PathQuery {
    /// Whether to send a probe there, too, and to tell which way it went; takes 3 seconds at most.
    #[param(inline)]
    walk: Option<Flag>,
}

/// The cheapest way to a node
#[utoipa::path(get, path = "/api/v1/path/{who}", tag = "see", params(Named, PathQuery), responses(
    (status = 200, description = "through whom, and how long it takes", body = Shaped<Path>),
    (status = 404, description = "nobody fits, or no way leads there", body = Refusal),
    (status = 409, description = "several fit", body = Refusal),
))]
async fn path(
    context: web::Data<Context>,
    named: web::Path<Named>,
    query: web::Query<PathQuery>,
) -> Answer<Path> {
    let to = seen(&context, &named.who)?;
    let Some(mut way) = super::path::cheapest(&context.view(), to) else {
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            Code::NotFound,
            format!("no path to {}", to.short()),
            "no chain of links that both ends confirm leads there",
            "node why shows what was last seen of it",
        ));
    };
    if query.walk == Some(Flag::Yes) && to != context.facts.id {
        let asked = ask("topology", &context.services.trace, Trace { peer: to });
        way.walk = Some(asked.await?.into());
    }
    answer(way)
}

/// What was seen of a node, behind the last verdicts on it
#[utoipa::path(get, path = "/api/v1/why/{who}", tag = "see", params(Named), responses(
    (status = 200, description = "what was seen, oldest first", body = Shaped<Why>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit", body = Refusal),
))]
async fn why(context: web::Data<Context>, named: web::Path<Named>) -> Answer<Why> {
    let peer = match seen(&context, &named.who) {
        Ok(peer) => peer,
        // Evidence may outlive the node's place in the graph, and be about one that never got in.
        Err(_) => super::steer::named(&context, &named.who).await?,
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

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ConfigQuery {
    /// Also tell which layer each came from.
    #[param(inline)]
    origin: Option<Flag>,
}

/// Yes or no, in whatever words one types them; none is yes, too: `?origin`.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Flag {
    #[serde(rename = "true", alias = "1", alias = "")]
    Yes,
    #[serde(rename = "false", alias = "0")]
    No,
}

impl ToSchema for Flag {}

impl PartialSchema for Flag {
    fn schema() -> RefOr<Schema> {
        let words = ["true", "false", "1", "0", ""];
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
    }
}

/// The settings in force, secrets redacted
#[utoipa::path(get, path = "/api/v1/config", tag = "see", params(ConfigQuery), responses(
    (status = 200, description = "in the order of default.toml", body = Shaped<Config>),
))]
async fn config(context: web::Data<Context>, query: web::Query<ConfigQuery>) -> Answer<Config> {
    let with_origin = query.origin == Some(Flag::Yes);
    let rows = ask("supervisor", &context.services.config, ConfigWanted).await?;
    answer(Config::of(rows, with_origin))
}
