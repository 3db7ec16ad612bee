//! The routes about letters that came.

use std::time::{Duration, Instant};

use serde_json::json;

use super::courier::bob_says;
use super::*;

fn asked(fake: &Fake) -> Vec<String> {
    let mut asked = std::mem::take(&mut *fake.asked.lock().unwrap());
    asked.retain(|a| !a.starts_with("peers") && !a.starts_with("pins"));
    asked
}

async fn inbox(fake: &Fake, query: &str) -> Vec<Value> {
    let (status, body) = get(fake, &format!("/api/v1/inbox?{query}")).await;
    assert_eq!(status, 200, "{query} {body}");
    body["letters"].as_array().unwrap().clone()
}

#[actix::test]
async fn what_came_is_lent_then_acknowledged() {
    let fake = Fake::default();
    fake.mail.arrive(bob_says(1, "hello\n\u{1b}[2J"));
    fake.mail.arrive(samples::came(2, id(9), b"\xff\0"));
    let (status, body) = get(&fake, "/api/v1/inbox").await;
    assert_eq!(status, 200);
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
    {
      "schema": 1,
      "letters": [
        {
          "id": "11111111111111111111111111111111",
          "from": "2222222222222222222222222222222222222222222222222222222222222222",
          "label": "bob",
          "text": "hello\n\u001b[2J",
          "created_ms": 1700000000000,
          "received_ms": 1700000001000,
          "seq": 1,
          "read": false,
          "request": false
        },
        {
          "id": "22222222222222222222222222222222",
          "from": "9999999999999999999999999999999999999999999999999999999999999999",
          "label": "mallory",
          "body_base64": "/wA=",
          "created_ms": 1700000000000,
          "received_ms": 1700000002000,
          "seq": 2,
          "read": false,
          "request": true
        }
      ],
      "unread": 2
    }
    "#);
    assert!(inbox(&fake, "").await.is_empty(), "they are lent");
    assert_eq!(inbox(&fake, "peek=true").await.len(), 2);

    let letter = |l: &Value| json!({"id": l["id"], "from": l["from"]});
    let seen = json!({"letters": [letter(&body["letters"][0])]});
    let (status, body) = post(&fake, "/api/v1/inbox/ack", seen.clone()).await;
    assert_eq!((status.as_u16(), body), (200, json!({"schema": 1, "acknowledged": 1})));
    let (_, body) = post(&fake, "/api/v1/inbox/ack", seen).await;
    assert_eq!(body["acknowledged"], 0, "once");
    fake.mail.forget_loans();
    let rest = inbox(&fake, "").await;
    assert_eq!((rest.len(), &rest[0]["request"]), (1, &json!(true)));
    for body in [
        json!({}),
        json!({"letters": [{"id": "x", "from": id(2).to_string()}]}),
        json!({"letters": [{"id": "1".repeat(32)}]}),
        json!({"letters": "all"}),
    ] {
        assert_eq!(post(&fake, "/api/v1/inbox/ack", body).await.0, 400);
    }
}

#[actix::test]
async fn an_inbox_is_asked_for_in_portions_and_bounded() {
    let fake = Fake::default();
    for n in 0..20 {
        fake.mail.arrive(bob_says(n + 1, "hello"));
    }
    assert_eq!(inbox(&fake, "limit=10&peek=true&after=3").await.len(), 10);
    assert_eq!(asked(&fake), ["pull None true 3 8", "pull None true 11 2"]);
    assert_eq!(inbox(&fake, "with=bob").await.len(), 20);
    assert_eq!(asked(&fake).len(), 3);
    // Letters of a mebibyte: what does not fit into one answer is not lent to it.
    let fake = Fake::default();
    for n in 0..20 {
        fake.mail.arrive(samples::came(n + 1, id(2), &vec![b'x'; 1 << 20]));
    }
    assert_eq!(inbox(&fake, "").await.len(), 8);
    assert_eq!(inbox(&fake, "").await.len(), 8);
    assert_eq!(inbox(&fake, "").await.len(), 4);
    for (query, status) in [
        ("limit=0", 400),
        ("limit=10001", 400),
        ("wait_ms=4001", 400),
        ("peek=maybe", 400),
        ("after=-1", 400),
        ("all=true", 400),
        ("with=nobody", 404),
        ("with=twin", 409),
    ] {
        assert_eq!(get(&fake, &format!("/api/v1/inbox?{query}")).await.0, status, "{query}");
    }
}

#[actix::test]
async fn a_wait_ends_when_a_letter_comes() {
    let fake = Fake::default();
    let later = fake.clone();
    actix::spawn(async move {
        actix::clock::sleep(Duration::from_millis(30)).await;
        later.mail.arrive(samples::came(1, id(9), b"from somebody else"));
        actix::clock::sleep(Duration::from_millis(30)).await;
        later.mail.arrive(bob_says(2, "hello"));
    });
    let begun = Instant::now();
    let came = inbox(&fake, "with=bob&wait_ms=4000").await;
    assert_eq!((came.len(), &came[0]["text"]), (1, &json!("hello")));
    assert!(begun.elapsed() < Duration::from_secs(3));
    // One that is there already is not waited for; none that comes is.
    assert_eq!(inbox(&fake, "wait_ms=4000").await.len(), 1);
    let begun = Instant::now();
    assert!(inbox(&fake, "wait_ms=100").await.is_empty());
    assert!(begun.elapsed() >= Duration::from_millis(100));
}

#[actix::test]
async fn what_the_courier_refuses_is_told() {
    let fake = Fake::default();
    *fake.refuse.lock().unwrap() = true;
    for path in ["inbox", "letters", "letters/22222222"] {
        let (status, body) = get(&fake, &format!("/api/v1/{path}")).await;
        assert_eq!((status.as_u16(), &body["error"]["why"]), (409, &json!("not today")), "{path}");
    }
    let (status, _) = post(&fake, "/api/v1/inbox/ack", json!({"letters": []})).await;
    assert_eq!(status, 409);
}
