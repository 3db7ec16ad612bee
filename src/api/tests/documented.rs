//! What is served is documented, what is documented is served, and answers look as documented.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::{App, HttpResponse};
use serde_json::json;

use super::super::openapi::document;
use super::super::routes::{operations, pattern};
use super::*;

/// The document as others read it.
fn read() -> Value {
    serde_json::to_value(document()).unwrap()
}

/// All patterns that an app matches, found in the app itself: whoever registers a route, in whatever way, is seen.
fn patterns(app_seen_from_inside: &impl std::fmt::Debug) -> BTreeSet<String> {
    let text = format!("{app_seen_from_inside:?}");
    let mut found = BTreeSet::new();
    for of_one in text.split("patterns: ").skip(1) {
        let end = of_one.find(", is_prefix").expect("how actix shows a resource has changed");
        let quoted = of_one[..end].split('"').skip(1).step_by(2);
        found.extend(quoted.filter(|pattern| !pattern.is_empty()).map(str::to_owned));
    }
    found
}

#[actix::test]
async fn every_route_that_is_served_is_documented_and_the_other_way_round() {
    let fake = Fake::default();
    let app = init_service(app(context_of(&fake, services(&fake), &Drain::default()))).await;
    let health = request(Method::GET, "/healthz").to_request();
    let response = try_call_service(&app, health).await.unwrap();
    let served = patterns(response.request().resource_map());
    let document = document();
    let documented = document.paths.paths.keys().map(|path| pattern(path)).collect();
    let differ: Vec<_> = served.symmetric_difference(&documented).collect();
    assert!(
        differ.is_empty(),
        "served or documented, and not both: {differ:?}\na route is both once its handler has \
         #[utoipa::path(…)] and is named in routes![…], and api::routes::all names the file"
    );
    assert!(served.len() > 30);

    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::HEAD,
        Method::OPTIONS,
    ];
    for (path, item) in &document.paths.paths {
        let ours: Vec<Method> = operations(item).map(|(method, _)| method).collect();
        for method in &methods {
            let asks = request(method.clone(), &example(path)).to_request();
            let response = try_call_service(&app, asks).await.unwrap();
            let answers = response.status() != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(answers, ours.contains(method), "{method} {path}");
            if !answers {
                let allow = response.headers().get("allow").expect("says what it answers");
                let mut named: Vec<&str> = ours.iter().map(Method::as_str).collect();
                named.sort_unstable();
                assert_eq!(allow.to_str().unwrap(), named.join(", "), "{path}");
            }
        }
    }
}

/// The check above can fail.
#[actix::test]
async fn a_route_is_found_however_it_is_registered() {
    let ok = || async { HttpResponse::Ok().finish() };
    let inner = web::scope("/deep/{er}").route("/one", web::get().to(ok));
    let both = web::resource(["/two", "/three/{x:.+}"]).to(ok);
    let app = App::new().route("/zero", web::get().to(ok)).service(inner).service(both);
    let app = init_service(app).await;
    let asks = TestRequest::with_uri("/zero").to_request();
    let response = try_call_service(&app, asks).await.unwrap();
    let found = patterns(response.request().resource_map());
    for wanted in ["/zero", "/deep/{er}", "/one", "/two", "/three/{x:.+}"] {
        assert!(found.contains(wanted), "{wanted} is not in {found:?}");
    }
}

/// A path with something in the place of each parameter.
fn example(path: &str) -> String {
    let letter = samples::letter_id(1).to_string();
    path.replace("{who}", "bob").replace("{transfer}", "2").replace("{letter}", &letter)
}

#[actix::test]
async fn the_document_is_served_whole_and_refers_to_nothing_that_is_not_in_it() {
    let (status, body) = get(&Fake::default(), "/api/openapi.json").await;
    assert_eq!((status.as_u16(), &body), (200, &read()));
    assert!(body["openapi"].as_str().unwrap().starts_with("3.1"), "{}", body["openapi"]);
    let text = body.to_string();
    for named in text.split("\"$ref\":\"#").skip(1) {
        let pointer = named.split('"').next().unwrap();
        assert!(body.pointer(pointer).is_some(), "{pointer} is referred to and not there");
    }
    let bare = TestRequest::with_uri("/api/openapi.json").insert_header(("host", "127.0.0.1:7777"));
    assert_eq!(send(&Fake::default(), bare).await.0, 401);
}

#[test]
fn every_operation_says_what_it_does_what_it_takes_and_how_it_refuses() {
    let document = read();
    let tags: Vec<&Value> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(names.insert(operation["operationId"].to_string()), "{at}: its name is taken");
            assert!(operation["summary"].as_str().is_some_and(|s| s.len() > 8), "{at}: no summary");
            assert!(tags.contains(&&operation["tags"][0]), "{at}: no tag that is described");
            let no_parameters = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&no_parameters);
            for parameter in parameters {
                let name = &parameter["name"];
                assert!(parameter["description"].is_string(), "{at}: {name} is not described");
            }
            let in_path =
                |name: &str| parameters.iter().any(|p| p["in"] == "path" && p["name"] == name);
            for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let name = part.trim_end_matches('}');
                assert!(in_path(name), "{at}: {name} is not described");
            }
            let responses = operation["responses"].as_object().unwrap();
            for status in ["401", "403", "421", "503"] {
                assert!(responses.contains_key(status), "{at}: no {status}");
            }
            assert!(responses.keys().any(|status| status.starts_with('2')), "{at}: no success");
            let lets_in = path == "/api/v1/session" && method == "post";
            let open = ["/healthz", "/readyz"].contains(&path.as_str()) || lets_in;
            assert_eq!(operation.get("security"), open.then(|| json!([{}])).as_ref(), "{at}");
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, about) in schema["properties"].as_object().into_iter().flatten() {
            let said = about.get("description").or(about.get("$ref")).or(about.get("oneOf"));
            assert!(said.is_some(), "{name}.{field} is not described");
        }
    }
}

/// What each route that takes a body is asked.
fn bodies() -> BTreeMap<&'static str, Value> {
    let who = json!({"who": "bob"});
    let letter = json!({"id": samples::letter_id(1).to_string(), "from": id(2).to_string()});
    [
        ("/api/v1/ping", who.clone()),
        ("/api/v1/connect", json!({"addr": "127.0.0.1:9002"})),
        ("/api/v1/disconnect", who.clone()),
        ("/api/v1/pin", who.clone()),
        ("/api/v1/unpin", who.clone()),
        ("/api/v1/ban", who.clone()),
        ("/api/v1/unban", who),
        ("/api/v1/session", json!({"key": "used already"})),
        ("/api/v1/shout", json!({"text": "hello"})),
        ("/api/v1/share", json!({"path": "/tmp/x"})),
        ("/api/v1/get", json!({"ticket": samples::file(10).to_string()})),
        ("/api/v1/forget", json!({"file": "disc.iso"})),
        ("/api/v1/letters", json!({"to": "bob", "text": "hello"})),
        ("/api/v1/inbox/ack", json!({"letters": [letter]})),
    ]
    .into()
}

#[actix::test]
async fn answers_and_refusals_look_as_documented() {
    let document = read();
    let mut compared = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let fake = Fake::default();
            fake.mail.arrive(bob_says(1, "hello"));
            fake.mail.turn(samples::letter_id(1), crate::mail::rows::State::Sent, "");
            let name = method.to_uppercase();
            let asks = request(Method::from_bytes(name.as_bytes()).unwrap(), &example(path));
            let asks = match (operation.get("requestBody"), bodies().remove(path.as_str())) {
                (Some(_), Some(body)) => {
                    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                    fits(&document, schema, &body, path);
                    asks.set_json(body)
                }
                (Some(_), None) => panic!("{path} takes a body: give one in bodies()"),
                (None, _) => asks,
            };
            let answers = &operation["responses"];
            let of = |status: StatusCode| {
                let answer = &answers[status.as_str()];
                let answer = answer["$ref"].as_str().map_or(answer, |r| at(&document, r));
                assert!(answer.is_object(), "{name} {path} answers {status} and does not say so");
                answer["content"]["application/json"]["schema"].clone()
            };
            // The one never ends, the other wants a key that is fresh.
            if path != "/api/v1/events" && (path != "/api/v1/session" || method != "post") {
                let (status, body) = send(&fake, asks).await;
                assert!(status.is_success(), "{name} {path}: {status} {body}");
                let schema = of(status);
                if let (Ok(value), true) = (serde_json::from_str(&body), schema.is_object()) {
                    fits(&document, &schema, &value, path);
                    compared += 1;
                }
            }
            if !["/healthz", "/readyz"].contains(&path.as_str()) {
                let bare = TestRequest::with_uri(&example(path))
                    .method(Method::from_bytes(name.as_bytes()).unwrap())
                    .insert_header(("host", "127.0.0.1:7777"));
                let (status, body) = send(&fake, bare).await;
                fits(&document, &of(status), &serde_json::from_str(&body).unwrap(), path);
            }
        }
    }
    assert!(compared > 25, "{compared}");
}

/// Where a reference leads.
fn at<'a>(document: &'a Value, reference: &str) -> &'a Value {
    document.pointer(reference.trim_start_matches('#')).expect("it is there")
}

/// Fails if `value` is not as `schema` says, as far as the schemas of this document go; a field that no schema has
/// is one that was forgotten.
fn fits(document: &Value, schema: &Value, value: &Value, place: &str) {
    let wrong = misfit(document, schema, value, place);
    assert_eq!(wrong, None, "{value:#}");
    // Anything may be in what has no schema at all: the OpenAPI document.
    if let Some(fields) = value.as_object().filter(|_| *schema != json!({})) {
        let known = fields_of(document, schema);
        for field in fields.keys() {
            assert!(known.contains(field), "{place}: {field} is not documented");
        }
    }
}

fn fields_of(document: &Value, schema: &Value) -> BTreeSet<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return fields_of(document, at(document, reference));
    }
    let own = schema["properties"].as_object().into_iter().flat_map(|p| p.keys().cloned());
    let parts = schema["allOf"].as_array().into_iter().flatten();
    own.chain(parts.flat_map(|part| fields_of(document, part))).collect()
}

fn misfit(document: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return misfit(document, at(document, reference), value, place);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let may_be = |word: &Value| *word == kind || *word == "number" && kind == "integer";
    match &schema["type"] {
        Value::Null => {}
        Value::Array(kinds) if kinds.iter().any(may_be) => {}
        word if may_be(word) => {}
        word => return Some(format!("{place} is {kind}, not {word}")),
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Some(format!("{place} is {value}, not one of {words:?}"));
    }
    if let Some(options) = schema["oneOf"].as_array() {
        let fit = options.iter().filter(|o| misfit(document, o, value, place).is_none()).count();
        if fit != 1 {
            return Some(format!("{place}: {fit} of {} options fit", options.len()));
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Some(wrong) = misfit(document, part, value, place) {
            return Some(wrong);
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
            return Some(format!("{place} lacks {name}"));
        }
    }
    for (name, of_field) in schema["properties"].as_object().into_iter().flatten() {
        let there = value.get(name).map(|inner| (inner, format!("{place}.{name}")));
        let wrong = there.and_then(|(inner, place)| misfit(document, of_field, inner, &place));
        if wrong.is_some() {
            return wrong;
        }
    }
    let items = value.as_array().into_iter().flatten().enumerate();
    let mut items = items.filter(|_| schema["items"].is_object());
    items.find_map(|(n, item)| misfit(document, &schema["items"], item, &format!("{place}[{n}]")))
}
