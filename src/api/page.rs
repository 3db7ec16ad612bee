//! The page in the browser: files that are in the binary, the same for everybody and without any secret.
//!
//! `scripts/build.sh` builds the full page; a binary that was built without it has a plain one.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::failure::{Code, Failure};

/// What the page may do: run and show what comes from here, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// The name of a built file changes with its content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Full;

#[derive(RustEmbed)]
#[folder = "web/plain"]
struct Plain;

/// The file a path names, and how its content is called.
fn find(path: &str) -> Option<(EmbeddedFile, &'static str)> {
    let name = match path.strip_prefix('/')? {
        "" => "index.html",
        name => name,
    };
    let (_, kind) = name.rsplit_once('.')?;
    let kind = match kind {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => return None,
    };
    let file = match Full::get("index.html") {
        Some(_) => Full::get(name),
        None => Plain::get(name),
    };
    file.map(|file| (file, kind))
}

/// Whether this asks for the page, which needs no token.
pub fn is_page(method: &Method, path: &str) -> bool {
    (method == Method::GET || method == Method::HEAD) && find(path).is_some()
}

/// Whatever is not a route of the API: a file of the page, or nothing.
pub(super) async fn serve(request: HttpRequest) -> Result<HttpResponse, Failure> {
    let asked = is_page(request.method(), request.path()).then(|| find(request.path())).flatten();
    let Some((file, kind)) = asked else {
        let status = StatusCode::NOT_FOUND;
        let remedy = "everything is under /api/v1; /api/openapi.json lists it";
        return Err(Failure::new(
            status,
            Code::NotFound,
            "no such route",
            "nothing is here",
            remedy,
        ));
    };
    let mut answer = HttpResponse::Ok();
    let mut set = |name: HeaderName, value| {
        answer.insert_header((name, HeaderValue::from_static(value)));
    };
    set(CONTENT_TYPE, kind);
    set(CONTENT_SECURITY_POLICY, POLICY);
    if request.path().starts_with("/assets/") {
        set(CACHE_CONTROL, FOR_EVER);
    }
    Ok(answer.body(file.data.into_owned()))
}
