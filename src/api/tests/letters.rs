//! The routes about letters that are sent.

use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::json;

use super::*;
use crate::api::letters::TEXT_BYTES_MAX;
use crate::api::samples::letter_id;
use crate::mail::rows::State;

fn asked(fake: &Fake) -> Vec<String> {
    let mut asked = std::mem::take(&mut *fake.asked.lock().unwrap());
    asked.retain(|a| !a.starts_with("peers") && !a.starts_with("pins"));
    asked
}

#[actix::test]
async fn a_letter_is_sent_and_answered_as_it_is() {
    let fake = Fake::default();
    let id = id(2).to_string();
    let (status, body) = post(&fake, "/api/v1/letters", json!({"to": id, "text": "hello"})).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(*fake.asked.lock().unwrap(), ["push 22222222 \"hello\" of 5 None None None None"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
    {
      "schema": 1,
      "id": "99999999999999999999999999999999",
      "to": "2222222222222222222222222222222222222222222222222222222222222222",
      "label": "bob",
      "state": "queued",
      "why": "",
      "bytes": 5,
      "tries": 0,
      "hops": [],
      "paths": [],
      "wanted_hops": null,
      "shards": null,
      "created_ms": 1700000000000,
      "sent_ms": null,
      "stored_ms": null,
      "delivered_ms": null,
      "read_ms": null,
      "expires_ms": 1700604800000,
      "warnings": []
    }
    "#);
    asked(&fake);
    let all = json!({"to": "bob", "body_base64": "AP8=", "hops": 0, "shards": "3/5", "ttl_s": 60,
        "id": "invoice-7"});
    fake.mail.pins.lock().unwrap().label = Some(super::id(2));
    let (status, body) = post(&fake, "/api/v1/letters", all).await;
    assert_eq!(status, 200, "{body}");
    let pushed =
        "push 22222222 \"\\0\u{fffd}\" of 2 Some(\"invoice-7\") Some(0) Some((3, 5)) Some(60)";
    assert_eq!(asked(&fake), [pushed]);
    assert_eq!((&body["shards"], &body["wanted_hops"]), (&json!("3/5"), &json!(0)));
    assert_eq!(body["warnings"], json!([]));
    *fake.refuse.lock().unwrap() = true;
    let (status, body) = post(&fake, "/api/v1/letters", json!({"to": id, "text": "hello"})).await;
    assert_eq!((status.as_u16(), &body["error"]["why"]), (409, &json!("not today")));
}

#[actix::test]
async fn what_is_no_letter_is_refused_before_anybody_is_asked() {
    let fake = Fake::default();
    let bob = id(2).to_string();
    let key = "k".repeat(129);
    for body in [
        json!({"text": "hi"}),
        json!({"to": bob}),
        json!({"to": bob, "text": ""}),
        json!({"to": bob, "text": "hi", "body_base64": "AP8="}),
        json!({"to": bob, "body_base64": "AP8"}),
        json!({"to": bob, "body_base64": "?"}),
        json!({"to": bob, "text": "x".repeat(TEXT_BYTES_MAX + 1)}),
        json!({"to": bob, "text": "hi", "hops": 5}),
        json!({"to": bob, "text": "hi", "hops": -1}),
        json!({"to": bob, "text": "hi", "shards": "6/5"}),
        json!({"to": bob, "text": "hi", "shards": ""}),
        json!({"to": bob, "text": "hi", "ttl_s": 0}),
        json!({"to": bob, "text": "hi", "ttl_s": 604_801}),
        json!({"to": bob, "text": "hi", "id": ""}),
        json!({"to": bob, "text": "hi", "id": key}),
        json!({"to": bob, "text": "hi", "cc": bob}),
        json!({"to": "x".repeat(300), "text": "hi"}),
        json!({"to": id(1).to_string(), "text": "hi"}),
    ] {
        let shown = format!("{body:.80}");
        let (status, body) = post(&fake, "/api/v1/letters", body).await;
        assert_eq!((status.as_u16(), &body["error"]["code"]), (400, &json!("usage")), "{shown}");
    }
    let (_, body) = post(&fake, "/api/v1/letters", json!({"to": "alice", "text": "hi"})).await;
    assert_eq!(body["error"]["why"], "it is addressed to this node itself");
    assert_eq!(asked(&fake), [""; 0]);
}

#[actix::test]
async fn a_letter_may_have_a_mebibyte_of_anything() {
    let fake = Fake::default();
    let whole = |bytes: usize| json!({"to": id(2).to_string(), "body_base64": BASE64.encode(&vec![255; bytes])});
    let (status, body) = post(&fake, "/api/v1/letters", whole(TEXT_BYTES_MAX)).await;
    assert_eq!((status.as_u16(), &body["bytes"]), (200, &json!(TEXT_BYTES_MAX)));
    let (status, body) = post(&fake, "/api/v1/letters", whole(TEXT_BYTES_MAX + 1)).await;
    assert_eq!(status, 400);
    assert!(body["error"]["why"].as_str().unwrap().contains("at most 1048576 bytes"), "{body}");
    assert_eq!(post(&fake, "/api/v1/letters", whole(2 << 20)).await.0, 413);
    let other = json!({"text": "x".repeat(TEXT_BYTES_MAX + 100)});
    assert_eq!(post(&fake, "/api/v1/shout", other).await.0, 413, "no other route takes so much");
}

#[actix::test]
async fn who_is_meant_is_never_guessed() {
    let fake = Fake::default();
    let push = async |to: &str| {
        let (status, body) = post(&fake, "/api/v1/letters", json!({"to": to, "text": "hi"})).await;
        (status.as_u16(), body)
    };
    let (status, body) = push("twin").await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("ambiguous")));
    let ids = [5, 6].map(|n| json!({"id": id(n).to_string(), "label": "twin"}));
    assert_eq!(body["error"]["candidates"], json!(ids));
    for nobody in ["nobody", "2222222", "10.9.8.7", ""] {
        let (status, body) = push(nobody).await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")), "{nobody}");
    }
    assert!(push("10.9.8.7").await.1["error"]["try"].as_str().unwrap().contains("its port"));
    assert_eq!(asked(&fake), [""; 0]);

    let warnings = async |to: &str| {
        let (status, body) = push(to).await;
        assert_eq!((status, &body["to"]), (200, &json!(id(2).to_string())), "{to} {body}");
        body["warnings"].as_array().unwrap().iter().map(|w| w.to_string()).collect::<String>()
    };
    assert_eq!(warnings("22222222").await, "");
    assert_eq!(warnings("bob").await, "", "pinned by hand");
    assert!(warnings("127.0.0.1:9002").await.contains("says it is there"));
    let (status, body) = push("127.0.0.1").await;
    assert_eq!((status, &body["error"]["why"]), (409, &json!("5 nodes fit")), "not alice herself");
    fake.mail.pins.lock().unwrap().places = vec![id(2)];
    assert_eq!(warnings("127.0.0.1:9002").await, "", "seen there first");
    fake.mail.pins.lock().unwrap().places.clear();
    asked(&fake);
    let warned = warnings("10.9.8.7:4000").await;
    assert!(warned.contains("node unpin 22222222"), "{warned}");
    assert_eq!(asked(&fake)[0], "connect 10.9.8.7:4000");
    *fake.refuse.lock().unwrap() = true;
    let (status, body) = push("10.9.8.7:4001").await;
    assert_eq!((status, &body["error"]["why"]), (409, &json!("not today")));
    assert_eq!(asked(&fake), ["connect 10.9.8.7:4001"], "nothing was sent");
}

#[actix::test]
async fn letters_are_listed_with_their_conversations() {
    let fake = Fake::default();
    let (status, body) = get(&fake, "/api/v1/letters").await;
    assert_eq!(status, 200);
    assert_eq!(asked(&fake), ["letters None 100"]);
    assert_eq!(body["letters"].as_array().unwrap().len(), 3);
    insta::assert_snapshot!(serde_json::to_string_pretty(&body["letters"][1]).unwrap(), @r#"
    {
      "id": "22222222222222222222222222222222",
      "to": "2222222222222222222222222222222222222222222222222222222222222222",
      "label": "bob",
      "state": "delivered",
      "why": "",
      "bytes": 12,
      "tries": 2,
      "hops": [
        "3333333333333333333333333333333333333333333333333333333333333333",
        "7777777777777777777777777777777777777777777777777777777777777777"
      ],
      "paths": [
        [
          "3333333333333333333333333333333333333333333333333333333333333333",
          "7777777777777777777777777777777777777777777777777777777777777777"
        ]
      ],
      "wanted_hops": null,
      "shards": null,
      "created_ms": 1700000000000,
      "sent_ms": 1700000000004,
      "stored_ms": null,
      "delivered_ms": 1700000000061,
      "read_ms": null,
      "expires_ms": 1700604800000
    }
    "#);
    insta::assert_snapshot!(serde_json::to_string_pretty(&body["conversations"]).unwrap(), @r#"
    [
      {
        "with": "2222222222222222222222222222222222222222222222222222222222222222",
        "label": "bob",
        "received": 12,
        "unread": 3,
        "sent": 7,
        "waiting": 1,
        "last_ms": 1700000000000
      },
      {
        "with": "9999999999999999999999999999999999999999999999999999999999999999",
        "label": "mallory",
        "received": 12,
        "unread": 3,
        "sent": 7,
        "waiting": 1,
        "last_ms": 1700000000000
      }
    ]
    "#);
    let (_, body) = get(&fake, "/api/v1/letters?with=bob&limit=1").await;
    assert_eq!(body["letters"].as_array().unwrap().len(), 1);
    assert_eq!(asked(&fake), ["letters Some(22222222) 1"]);
    for (query, status) in [
        ("with=nobody", 404),
        ("with=twin", 409),
        ("with=10.9.8.7:1", 404),
        ("limit=0", 400),
        ("limit=10001", 400),
        ("limit=x", 400),
        ("since=1", 400),
    ] {
        assert_eq!(get(&fake, &format!("/api/v1/letters?{query}")).await.0, status, "{query}");
    }
    assert_eq!(asked(&fake), [""; 0], "nobody was dialled, nothing was listed");
}

#[actix::test]
async fn one_letter_is_found_by_its_id_or_the_beginning_of_it() {
    let fake = Fake::default();
    let whole = letter_id(2).to_string();
    for text in [whole.as_str(), "22222222", "222222222222"] {
        let (status, body) = get(&fake, &format!("/api/v1/letters/{text}")).await;
        assert_eq!((status.as_u16(), &body["id"]), (200, &json!(whole)), "{text}");
    }
    for (text, status) in [("2222222", 400), ("nonsense", 400), ("99999999", 404)] {
        assert_eq!(get(&fake, &format!("/api/v1/letters/{text}")).await.0, status, "{text}");
    }
    let unknown = letter_id(8).to_string();
    assert_eq!(get(&fake, &format!("/api/v1/letters/{unknown}")).await.0, 404);
    let mut twin = samples::letter(2, State::Sent);
    twin.id.0[15] ^= 1;
    fake.mail.sent.lock().unwrap().push(twin);
    let (status, body) = get(&fake, "/api/v1/letters/22222222").await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (409, &json!("ambiguous")));
    assert_eq!(body["error"]["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(post(&fake, "/api/v1/letters/22222222", json!({})).await.0, 405);
}

#[actix::test]
async fn a_wait_ends_when_the_letter_is_in_another_state() {
    let fake = Fake::default();
    let later = fake.clone();
    actix::spawn(async move {
        actix::clock::sleep(Duration::from_millis(30)).await;
        // Others, and news of the same state, do not count.
        later.mail.turn(letter_id(3), State::Failed, "again");
        later.mail.turn(letter_id(1), State::Sent, "another path");
        actix::clock::sleep(Duration::from_millis(30)).await;
        later.mail.turn(letter_id(1), State::Delivered, "");
    });
    let begun = Instant::now();
    let path = |seed: u8, wait: u64| format!("/api/v1/letters/{}?wait_ms={wait}", letter_id(seed));
    let (_, body) = get(&fake, &path(1, 4000)).await;
    assert_eq!(body["state"], "delivered");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(60) && took < Duration::from_secs(3), "{took:?}");
    // What is over is told at once.
    let begun = Instant::now();
    assert_eq!(get(&fake, &path(2, 4000)).await.1["state"], "delivered");
    assert!(begun.elapsed() < Duration::from_secs(2));
    // Nothing happens.
    fake.mail.turn(letter_id(1), State::Sent, "");
    let begun = Instant::now();
    assert_eq!(get(&fake, &path(1, 100)).await.1["state"], "sent");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(get(&fake, &path(1, 4001)).await.0, 400);
}

#[actix::test]
async fn relays_are_told_with_their_labels() {
    let (status, body) = get(&Fake::default(), "/api/v1/relays").await;
    assert_eq!(status, 200);
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
    {
      "schema": 1,
      "volunteer": true,
      "mailbox": true,
      "nodes": [
        {
          "id": "2222222222222222222222222222222222222222222222222222222222222222",
          "label": "bob",
          "volunteer": true,
          "mailbox": true,
          "state": "ready",
          "guard": true,
          "delivered": 41,
          "silent": 1
        },
        {
          "id": "3333333333333333333333333333333333333333333333333333333333333333",
          "label": "carol",
          "volunteer": true,
          "mailbox": false,
          "state": "quarantined",
          "guard": false,
          "delivered": 0,
          "silent": 6
        }
      ],
      "mailboxes": [
        {
          "id": "2222222222222222222222222222222222222222222222222222222222222222",
          "label": "bob"
        }
      ],
      "kept": {
        "readers": 2,
        "letters": 30
      },
      "counters": {
        "packets_dropped_replay": 3,
        "packets_forwarded": 420
      }
    }
    "#);
}
