//! Letting a browser in, and the page itself.

use serde_json::json;

use super::super::session::PAGE_HEADER;
use super::*;

/// A request of a browser: no token.
fn browser(method: Method, path: &str) -> TestRequest {
    TestRequest::with_uri(path).method(method).insert_header(("host", "127.0.0.1:7777"))
}

#[actix::test]
async fn a_browser_is_let_in_by_a_link_that_works_once() {
    let drain = Drain::default();
    let app = init_service(app(context(services(&Fake::default()), &drain))).await;
    let link = request(Method::POST, "/api/v1/session/link").to_request();
    let (status, body) = call(&app, link).await;
    assert_eq!(status, 200, "{body}");
    let url = serde_json::from_str::<Value>(&body).unwrap()["url"].as_str().unwrap().to_owned();
    let key = url.strip_prefix("http://127.0.0.1:7777/#").expect("our page").to_owned();

    let begin = || browser(Method::POST, "/api/v1/session").set_json(json!({"key": key}));
    let response = try_call_service(&app, begin().to_request()).await.unwrap();
    assert_eq!(response.status(), 200);
    let set = response.headers().get("set-cookie").unwrap().to_str().unwrap().to_owned();
    let (cookie, rules) = set.split_once("; ").unwrap();
    assert!(cookie.starts_with("kith-7777="), "{set}");
    assert_eq!(rules, "HttpOnly; SameSite=Strict; Path=/api/");
    let body: Value = serde_json::from_slice(&read_body(response).await).unwrap();
    assert_eq!((&body["label"], &body["id"]), (&"alice".into(), &id(1).to_string().into()));
    let page_key = body["page_key"].as_str().unwrap();
    assert_eq!(call(&app, begin().to_request()).await.0, 401, "the key was used");

    let asks = |cookie: Option<&str>, page_key: Option<&str>| {
        let mut asks = browser(Method::GET, "/api/v1/status");
        for (name, value) in [("cookie", cookie), (PAGE_HEADER, page_key)] {
            if let Some(value) = value {
                asks = asks.insert_header((name, value.to_owned()));
            }
        }
        asks.to_request()
    };
    assert_eq!(call(&app, asks(Some(cookie), Some(page_key))).await.0, 200);
    assert_eq!(call(&app, asks(Some(cookie), None)).await.0, 401, "cookies know no ports");
    assert_eq!(call(&app, asks(None, Some(page_key))).await.0, 401);
    assert_eq!(call(&app, asks(Some("kith-7777=x"), Some(page_key))).await.0, 401);
    let two = format!("kith-7777=x; {cookie}");
    let answer = call(&app, asks(Some(&two), Some(page_key))).await;
    assert_eq!(answer.0, 200, "one that another service has set keeps nobody out");

    let events = browser(Method::GET, "/api/v1/events")
        .insert_header(("cookie", cookie))
        .insert_header(("authorization", "Bearer of nothing"))
        .insert_header((PAGE_HEADER, page_key));
    let response = try_call_service(&app, events.to_request()).await.unwrap();
    let out = browser(Method::DELETE, "/api/v1/session")
        .insert_header(("cookie", cookie))
        .insert_header((PAGE_HEADER, page_key));
    assert_eq!(call(&app, out.to_request()).await.0, 204);
    let told = actix_web::body::to_bytes(response.into_body());
    let told = tokio::time::timeout(std::time::Duration::from_secs(20), told).await;
    assert!(told.is_ok(), "what it was told ends with the session");
    assert_eq!(call(&app, asks(Some(cookie), Some(page_key))).await.0, 401);
}

#[actix::test]
async fn only_who_has_the_token_makes_links_and_only_our_page_uses_them() {
    let fake = Fake::default();
    assert_eq!(send(&fake, browser(Method::POST, "/api/v1/session/link")).await.0, 401);
    let guess = || browser(Method::POST, "/api/v1/session").set_json(json!({"key": "aaaa"}));
    assert_eq!(send(&fake, guess()).await.0, 401);
    let foreign = guess().insert_header(("origin", "http://127.0.0.1:8080"));
    assert_eq!(send(&fake, foreign).await.0, 403);
    assert_eq!(send(&fake, browser(Method::GET, "/api/v1/session")).await.0, 401);
    assert_eq!(send(&fake, browser(Method::GET, "/api/v1/status?token=c0ffee")).await.0, 401);
}

#[actix::test]
async fn the_page_needs_no_token_and_may_load_nothing_from_elsewhere() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    let response = try_call_service(&app, browser(Method::GET, "/").to_request()).await.unwrap();
    assert_eq!(response.status(), 200);
    let header = |name| response.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");

    for path in ["/nothing.html", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/.gitkeep", "/assets/"] {
        assert_eq!(send(&fake, browser(Method::GET, path)).await.0, 401, "{path}");
        assert_eq!(send(&fake, request(Method::GET, path)).await.0, 404, "{path}");
    }
    assert_eq!(send(&fake, browser(Method::POST, "/")).await.0, 401);
    let elsewhere = TestRequest::with_uri("/").insert_header(("host", "evil.example:7777"));
    assert_eq!(send(&fake, elsewhere).await.0, 421);
}
