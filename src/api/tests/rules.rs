use std::time::Duration;

use actix::Addr;
use serde_json::json;

use super::super::{ApiError, serve};
use super::*;

#[actix::test]
async fn only_our_own_names_are_answered() {
    for host in ["127.0.0.1:7777", "[::1]:7777", "localhost:7777", "LocalHost:7777"] {
        let asks = request(Method::GET, "/api/v1/status").insert_header(("host", host));
        assert_eq!(send(&Fake::default(), asks).await.0, 200, "{host}");
    }
    for host in ["evil.example:7777", "127.0.0.1", "127.0.0.1:80", "localhost.evil:7777", ""] {
        for path in ["/api/v1/status", "/healthz", "/nothing"] {
            let asks = request(Method::GET, path).insert_header(("host", host));
            assert_eq!(send(&Fake::default(), asks).await.0, 421, "{host} {path}");
        }
    }
    let nameless = TestRequest::with_uri("/healthz");
    assert_eq!(send(&Fake::default(), nameless).await.0, 421);
    let twice = request(Method::GET, "/healthz").append_header(("host", "evil.example"));
    assert_eq!(send(&Fake::default(), twice).await.0, 421);
}

#[actix::test]
async fn pages_of_other_origins_are_refused() {
    let fake = Fake::default();
    for (origin, status) in [
        ("http://127.0.0.1:7777", 200),
        ("http://localhost:7777", 200),
        ("http://evil.example", 403),
        ("https://127.0.0.1:7777", 403),
        ("http://127.0.0.1:8080", 403),
        ("null", 403),
    ] {
        let asks = request(Method::POST, "/api/v1/stop").insert_header(("origin", origin));
        assert_eq!(send(&fake, asks).await.0, status, "{origin}");
    }
    assert_eq!(fake.asked.lock().unwrap().len(), 2, "the refused ones changed nothing");
}

#[actix::test]
async fn without_the_token_nothing_is_told_or_done() {
    let wrong = TOKEN.replace("c0", "c1");
    let bearer = format!("Bearer {TOKEN}x");
    for header in
        [None, Some("Bearer "), Some("Bearer"), Some(TOKEN), Some(&*wrong), Some(&*bearer)]
    {
        for (method, path) in [
            (Method::GET, "/api/v1/peers"),
            (Method::POST, "/api/v1/stop"),
            (Method::GET, "/api/v1/nothing"),
        ] {
            let mut asks = TestRequest::with_uri(path)
                .method(method)
                .insert_header(("host", "127.0.0.1:7777"));
            if let Some(header) = header {
                asks = asks.insert_header(("authorization", header));
            }
            let fake = Fake::default();
            let (status, body) = send(&fake, asks).await;
            assert_eq!(status, 401, "{header:?} {path}");
            assert!(body.contains("\"code\":\"denied\"") && !body.contains(TOKEN), "{body}");
            assert!(fake.asked.lock().unwrap().is_empty());
        }
    }
    assert!(!format!("{:?}", facts()).contains(TOKEN));
}

/// What stands in an address is in histories and logs: it opens nothing.
#[actix::test]
async fn a_token_in_the_query_or_a_cookie_of_ones_own_opens_nothing() {
    for query in ["token", "access_token", "authorization"] {
        let path = format!("/api/v1/peers?{query}={TOKEN}");
        let asks = TestRequest::with_uri(&path)
            .insert_header(("host", "127.0.0.1:7777"))
            .insert_header(("cookie", format!("token={TOKEN}")));
        let (status, body) = send(&Fake::default(), asks).await;
        assert_eq!(status, 401, "{query}");
        assert!(!body.contains(TOKEN), "{body}");
    }
}

#[actix::test]
async fn who_shows_nothing_keeps_no_connection() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    let bare = |path| TestRequest::with_uri(path).insert_header(("host", "127.0.0.1:7777"));
    let any_case =
        || bare("/api/v1/status").insert_header(("authorization", format!("bearer {TOKEN}")));
    for (asks, status, closes) in [
        (bare("/healthz"), 200, true),
        (bare("/"), 200, true),
        (bare("/api/v1/status"), 401, true),
        (any_case(), 200, false),
    ] {
        let response = try_call_service(&app, asks.to_request()).await.expect("answered");
        assert_eq!(response.status(), status);
        let closed = response.response().head().connection_type();
        assert_eq!(closed == actix_web::http::ConnectionType::Close, closes, "{status}");
    }
}

#[actix::test]
async fn bodies_are_bounded_and_must_be_json() {
    let fake = Fake::default();
    let big = json!({"text": "x".repeat(2 << 20)});
    assert_eq!(post(&fake, "/api/v1/shout", big).await.0, 413);
    let long = json!({"text": "x".repeat(16 * 1024 + 1)});
    assert_eq!(post(&fake, "/api/v1/shout", long).await.0, 400);
    let claims = request(Method::POST, "/api/v1/stop").insert_header(("content-length", "9999999"));
    assert_eq!(send(&fake, claims).await.0, 413);
    let form = request(Method::POST, "/api/v1/ban")
        .insert_header(("content-type", "text/plain"))
        .set_payload(r#"{"who":"bob"}"#);
    assert_eq!(send(&fake, form).await.0, 415);
    for body in [json!({}), json!({"who": 3}), json!({"who": "bob", "more": 1})] {
        assert_eq!(post(&fake, "/api/v1/ban", body).await.0, 400);
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[actix::test]
async fn routes_answer_their_own_method_only() {
    let fake = Fake::default();
    assert_eq!(get(&fake, "/api/v1/stop").await.0, 405);
    assert_eq!(post(&fake, "/api/v1/status", json!({})).await.0, 405);
    let (status, body) = get(&fake, "/api/v2/status").await;
    assert_eq!((status.as_u16(), &body["schema"]), (404, &json!(1)));
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[actix::test]
async fn while_shutting_down_all_is_refused_but_health() {
    let drain = Drain::default();
    drain.begin();
    let app = init_service(app(context(services(&Fake::default()), &drain))).await;
    let (status, body) = call(&app, request(Method::GET, "/api/v1/status").to_request()).await;
    assert_eq!(status, 503);
    assert!(body.contains("shutting down"));
    assert_eq!(call(&app, request(Method::GET, "/readyz").to_request()).await.0, 503);
    assert_eq!(call(&app, request(Method::GET, "/healthz").to_request()).await.0, 200);
}

/// Takes every question and never answers.
struct Deaf;

impl Actor for Deaf {
    type Context = ActorContext<Deaf>;
}

impl Handler<StatusWanted> for Deaf {
    type Result = actix::ResponseFuture<RegistryStatus>;
    fn handle(&mut self, _: StatusWanted, _: &mut Self::Context) -> Self::Result {
        Box::pin(std::future::pending())
    }
}

impl Handler<PeersWanted> for Deaf {
    type Result = Vec<PeerRow>;
    fn handle(&mut self, _: PeersWanted, ctx: &mut Self::Context) -> Self::Result {
        actix::ActorContext::stop(ctx);
        Vec::new()
    }
}

#[actix::test]
async fn an_actor_that_is_deaf_or_gone_gives_a_clear_error() {
    let deaf: Addr<Deaf> = Deaf.start();
    let mut services = services(&Fake::default());
    services.status = deaf.clone().recipient();
    services.peers = deaf.clone().recipient();
    let app = init_service(app(context(services, &Drain::default()))).await;
    let (status, body) = call(&app, request(Method::GET, "/api/v1/status").to_request()).await;
    assert_eq!(status, 503);
    assert!(body.contains("\"code\":\"timeout\""), "{body}");
    let _ = deaf.send(PeersWanted).await;
    actix::clock::sleep(Duration::from_millis(10)).await;
    let (status, body) = call(&app, request(Method::GET, "/api/v1/peers").to_request()).await;
    assert_eq!(status, 503);
    assert!(body.contains("\"code\":\"unavailable\""), "{body}");
}

#[actix::test]
async fn the_real_server_answers_on_a_free_port_and_stops() {
    let view = watch::channel(Arc::new(view())).1;
    let listen = ([127, 0, 0, 1], 0).into();
    let fake = Fake::default();
    let pieces = fake.pieces.subscribe();
    let serving = serve(
        listen,
        services(&fake),
        facts(),
        view,
        pieces,
        fake.mail.view.subscribe(),
        Drain::default(),
    )
    .unwrap();
    let (addr, handle) = (serving.addr, serving.handle.clone());
    let server = actix::spawn(serving.server);
    let body = actix_web::web::block(move || {
        ureq::get(format!("http://{addr}/api/v1/status"))
            .header("authorization", format!("Bearer {TOKEN}"))
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap()
    })
    .await
    .unwrap();
    assert!(body.starts_with("{\"schema\":1,\"id\":\"1111"), "{body}");
    handle.stop(true).await;
    server.await.unwrap().unwrap();
}

#[actix::test]
async fn addresses_others_can_reach_are_refused() {
    let view = watch::channel(Arc::new(view())).1;
    let result = serve(
        ([0, 0, 0, 0], 0).into(),
        services(&Fake::default()),
        facts(),
        view,
        Fake::default().pieces.subscribe(),
        Fake::default().mail.view.subscribe(),
        Drain::default(),
    );
    assert!(matches!(result, Err(ApiError::NotLoopback(_))));
}
