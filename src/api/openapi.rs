//! `GET /api/openapi.json`: what is documented of all routes, for programs that make clients of it.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, License, OpenApi, Ref, RefOr, Response,
    ResponseBuilder, ServerBuilder,
};

use super::failure::Refusal;
use super::routes::{documented, operations_mut, routes};
use super::session::PAGE_HEADER;
use super::shapes::{CameEvent, Gone, LogLine, Missed, OutboxEvent, Whole};

const ABOUT: &str = "The control API of one kith daemon, on a loopback address only. Address and token are in the \
state directory, in `control.addr` and `control.token`. Every answer that is JSON has `\"schema\": 1`; fields may be \
added, none is renamed. Times are Unix milliseconds, ids are hex digits. Text of other nodes (labels, names, letters, \
reasons) is what they wrote: escape it before you show it.";

/// The cookie of a page that was let in; its name ends with the port.
const COOKIE: &str = "kith-PORT";

/// Groups of routes, in the order in which they are shown.
const TAGS: [(&str, &str); 6] = [
    ("health", "Whether it runs and whether it can be used; open to all"),
    ("see", "What the daemon knows"),
    ("steer", "What it is told to do"),
    ("files", "Sharing and getting files"),
    ("letters", "Sending and reading letters"),
    ("page", "Letting a browser in"),
];

/// What any route may answer instead: status, name, when.
const REFUSALS: [(&str, &str, &str); 8] = [
    ("400", "BadRequest", "The path, the query or the body is not as it must be."),
    ("401", "Unauthorized", "The request carries no token of this daemon."),
    ("403", "Forbidden", "The request comes from a web page of another origin."),
    ("405", "MethodNotAllowed", "The route answers another method: see the header Allow."),
    ("413", "TooLarge", "The body is longer than it may be: 1 MiB, a third more for a letter."),
    ("415", "NotJson", "The body is not said to be application/json."),
    (
        "421",
        "Misdirected",
        "The Host header does not name this daemon's loopback address and port.",
    ),
    (
        "503",
        "Unavailable",
        "No answer in time, not ready, shutting down, or too many event streams.",
    ),
];

routes![openapi];

/// This document
#[utoipa::path(get, path = "/api/openapi.json", tag = "see", responses(
    (status = 200, description = "OpenAPI 3.1", body = serde_json::Value),
))]
async fn openapi() -> HttpResponse {
    // It is the same as long as the program runs; making it takes milliseconds.
    static TEXT: OnceLock<Result<String, String>> = OnceLock::new();
    match TEXT.get_or_init(|| document().to_json().map_err(|error| error.to_string())) {
        Ok(text) => HttpResponse::Ok().content_type("application/json").body(text.as_str()),
        Err(error) => {
            log::error!("the OpenAPI document cannot be written: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// Shapes that no route answers by themselves: refusals, and the events of the stream.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Refusal, CameEvent, Gone, LogLine, Missed, OutboxEvent, Whole)))]
struct Shapes;

/// All that is documented, with what is the same for every route.
pub(super) fn document() -> OpenApi {
    let mut document = documented().merge_from(<Shapes as utoipa::OpenApi>::openapi());
    document.info = InfoBuilder::new()
        .title("kith")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(License::new(env!("CARGO_PKG_LICENSE"))))
        .build();
    let tag = |(name, about)| TagBuilder::new().name(name).description(Some(about)).build();
    document.tags = Some(TAGS.map(tag).to_vec());
    let here = ServerBuilder::new().url("/").description(Some("this daemon")).build();
    document.servers = Some(vec![here]);
    secure(&mut document);
    refuse(&mut document);
    document
}

/// A program shows the token; a page has a cookie, and a key that other pages of this machine do not have.
fn secure(document: &mut OpenApi) {
    let key = |name: &str, about: &str| ApiKeyValue::with_description(name, about);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("the content of control.token in the state directory"))
        .build();
    let cookie = key(COOKIE, "set by POST /api/v1/session");
    let page = key(PAGE_HEADER, "page_key in the answer to POST /api/v1/session");
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    components.add_security_scheme("page", SecurityScheme::ApiKey(ApiKey::Header(page)));
    let none: [&str; 0] = [];
    let by_page = SecurityRequirement::default().add("cookie", none).add("page", none);
    document.security = Some(vec![SecurityRequirement::new("token", none), by_page]);
}

/// Says of every route how it may be refused, where it does not say so itself.
fn refuse(document: &mut OpenApi) {
    let components: &mut Components = document.components.get_or_insert_default();
    for (_, name, when) in REFUSALS {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Refusal"))).build();
        let response = ResponseBuilder::new().description(when);
        let response: Response = response.content("application/json", body).build();
        components.responses.insert(name.into(), RefOr::T(response));
    }
    for operation in document.paths.paths.values_mut().flat_map(operations_mut) {
        let responses = &mut operation.responses.responses;
        for (status, name, _) in REFUSALS {
            let refusal = || RefOr::Ref(Ref::from_response_name(name));
            responses.entry(status.into()).or_insert_with(refusal);
        }
    }
}
