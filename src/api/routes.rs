//! The routes: each is documented and served from one list, so that neither can be without the other.
//!
//! A file of handlers gives each a `#[utoipa::path(…)]` and names them once: `routes![status, peers];`. Method and
//! path are those of the documentation; [`all`] puts the files together.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpResponse, ResponseError, Route, web};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use super::failure::Failure;
use super::guard::LETTER_BODY_BYTES_MAX;
use super::{events, letters, metrics, openapi, pieces, read, session, steer};

/// Parameters at the end of a path that take all of it, slashes too: a label may hold some.
const TAILS: [&str; 1] = ["who"];

/// Makes `routes()`, the documented handlers of a file, from their names.
macro_rules! routes {
    ($($handler:ident),* $(,)?) => {
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($handler),*))]
        struct Documented;

        /// What this file serves, and its documentation.
        pub(super) fn routes() -> $crate::api::routes::Group {
            let documented = <Documented as utoipa::OpenApi>::openapi();
            let handlers = vec![$((stringify!($handler), actix_web::Route::new().to($handler))),*];
            $crate::api::routes::Group::new(documented, handlers)
        }
    };
}
pub(super) use routes;

/// One route, ready to be served.
struct Served {
    /// As it is documented.
    path: String,
    method: Method,
    route: Route,
    /// Longest body, if it is not the usual one.
    body_max: Option<usize>,
}

/// The routes of one file.
pub(super) struct Group {
    documented: OpenApi,
    served: Vec<Served>,
}

impl Group {
    /// Serves each handler where `documented` says that the operation of its name is.
    pub fn new(documented: OpenApi, handlers: Vec<(&'static str, Route)>) -> Group {
        let mut places = BTreeMap::new();
        for (path, item) in &documented.paths.paths {
            for (method, operation) in operations(item) {
                let name = operation.operation_id.clone().unwrap_or_default();
                places.insert(name, (path.clone(), method));
            }
        }
        let place = |(name, route): (&'static str, Route)| {
            let (path, method) = places
                .remove(name)
                .expect("an operation is called as its handler, unless it says otherwise");
            let route = route.method(method.clone());
            Served { path, method, route, body_max: None }
        };
        Group { served: handlers.into_iter().map(place).collect(), documented }
    }

    /// Lets the bodies at this path be longer than others.
    fn body_max(mut self, path: &str, bytes: usize) -> Group {
        for served in self.served.iter_mut().filter(|served| served.path == path) {
            served.body_max = Some(bytes);
        }
        self
    }
}

/// The operations at one path.
pub(super) fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    let all = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::DELETE, &item.delete),
        (Method::PATCH, &item.patch),
        (Method::HEAD, &item.head),
        (Method::OPTIONS, &item.options),
        (Method::TRACE, &item.trace),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// The same, to be changed.
pub(super) fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, post, put, delete, patch, head, options, trace, .. } = item;
    [get, post, put, delete, patch, head, options, trace].into_iter().flatten()
}

/// All routes there are.
pub(super) fn all() -> Vec<Group> {
    vec![
        read::routes(),
        steer::routes(),
        pieces::routes(),
        letters::routes().body_max("/api/v1/letters", LETTER_BODY_BYTES_MAX),
        events::routes(),
        metrics::routes(),
        openapi::routes(),
        session::routes(),
    ]
}

/// What is documented of all of them.
pub(super) fn documented() -> OpenApi {
    let mut groups = all().into_iter().map(|group| group.documented);
    let first = groups.next().unwrap_or_default();
    groups.fold(first, OpenApi::merge_from)
}

/// Serves all of them. A path that is asked with a method that is not its own says which are.
pub(super) fn serve(config: &mut web::ServiceConfig) {
    let mut paths: BTreeMap<String, Vec<Served>> = BTreeMap::new();
    for served in all().into_iter().flat_map(|group| group.served) {
        paths.entry(served.path.clone()).or_default().push(served);
    }
    for (path, routes) in paths {
        let mut methods: Vec<&str> = routes.iter().map(|served| served.method.as_str()).collect();
        methods.sort_unstable();
        let allowed = methods.join(", ");
        let wrong = move || std::future::ready(wrong_method(&allowed));
        let mut resource = web::resource(pattern(&path)).default_service(web::to(wrong));
        for Served { route, body_max, .. } in routes {
            if let Some(bytes) = body_max {
                resource = resource.app_data(read::bodies(bytes));
            }
            resource = resource.route(route);
        }
        config.service(resource);
    }
}

/// A documented path as it is matched.
pub(super) fn pattern(path: &str) -> String {
    let mut pattern = path.to_owned();
    for tail in TAILS {
        if let Some(begin) = pattern.strip_suffix(&format!("{{{tail}}}")) {
            pattern = format!("{begin}{{{tail}:.+}}");
        }
    }
    pattern
}

fn wrong_method(allowed: &str) -> HttpResponse {
    let mut response = Failure::method(allowed).error_response();
    if let Ok(value) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
