use serde_json::json;

use super::*;

fn asked(fake: &Fake) -> Vec<String> {
    std::mem::take(&mut fake.asked.lock().unwrap())
}

#[actix::test]
async fn status_says_how_we_are() {
    let (status, mut body) = get(&Fake::default(), "/api/v1/status").await;
    assert_eq!(status, 200);
    body["version"] = "x".into();
    body["uptime_s"] = 0.into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
    {
      "schema": 1,
      "id": "1111111111111111111111111111111111111111111111111111111111111111",
      "label": "alice",
      "version": "x",
      "uptime_s": 0,
      "listen": [
        "127.0.0.1:9001"
      ],
      "state_dir": "profiles/alice",
      "nodes_alive": 6,
      "links": 1,
      "handshakes": 0,
      "joined": true,
      "health": "ok",
      "problems": [],
      "counters": {
        "frames_dropped": 3
      }
    }
    "#);
    let (_, lonely) = get(&Fake { lonely: true, ..Fake::default() }, "/api/v1/status").await;
    assert_eq!(lonely["health"], "degraded");
}

#[actix::test]
async fn peers_are_the_registrys_and_the_graphs() {
    let (status, body) = get(&Fake::default(), "/api/v1/peers").await;
    assert_eq!(status, 200);
    let peers = body["peers"].as_array().unwrap();
    let row = |label: &str| peers.iter().find(|p| p["label"] == label).unwrap();
    assert_eq!(peers.len(), 7, "six others in the graph, and mallory");
    insta::assert_snapshot!(serde_json::to_string_pretty(row("bob")).unwrap(), @r#"
    {
      "id": "2222222222222222222222222222222222222222222222222222222222222222",
      "label": "bob",
      "state": "alive",
      "link": "up",
      "direction": "out",
      "rtt_us": 321,
      "addr": "127.0.0.1:9002",
      "since_ms": 1700000000100,
      "pinned": true,
      "banned": false,
      "problem": null
    }
    "#);
    assert_eq!(row("dave")["state"], "failed");
    assert_eq!(row("carol")["link"], "down");
    assert_eq!(row("mallory")["state"], "unknown");
}

#[actix::test]
async fn the_graph_comes_in_every_format() {
    let (status, body) = get(&Fake::default(), "/api/v1/graph").await;
    assert_eq!(status, 200);
    let mut short = body;
    for list in ["nodes", "links"] {
        short[list].as_array_mut().unwrap().drain(..2);
        short[list].as_array_mut().unwrap().truncate(2);
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&short).unwrap(), @r#"
    {
      "schema": 1,
      "self": "1111111111111111111111111111111111111111111111111111111111111111",
      "nodes": [
        {
          "id": "3333333333333333333333333333333333333333333333333333333333333333",
          "label": "carol",
          "state": "suspect",
          "addrs": [
            "127.0.0.1:9003"
          ],
          "since_ms": 1700000000000,
          "relay": false,
          "mailbox": false
        },
        {
          "id": "4444444444444444444444444444444444444444444444444444444444444444",
          "label": "dave",
          "state": "failed",
          "addrs": [
            "127.0.0.1:9004"
          ],
          "since_ms": 1700000000000,
          "relay": false,
          "mailbox": false
        }
      ],
      "links": [
        {
          "from": "3333333333333333333333333333333333333333333333333333333333333333",
          "to": "5555555555555555555555555555555555555555555555555555555555555555",
          "rtt_us": 0,
          "state": "half-open"
        }
      ],
      "changed_ms": 1700000000500
    }
    "#);
    for (format, start) in
        [("d2", "1111"), ("dot", "digraph"), ("mermaid", "graph"), ("svg", "<svg")]
    {
        let path = format!("/api/v1/graph?format={format}");
        let (status, text) = send(&Fake::default(), request(Method::GET, &path)).await;
        assert_eq!(status, 200);
        assert!(text.starts_with(start), "{text}");
    }
    let (status, body) = get(&Fake::default(), "/api/v1/graph?format=gif").await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (400, &json!("usage")));
}

#[actix::test]
async fn path_and_why_find_who_is_meant() {
    let fake = Fake::default();
    let (status, body) = get(&fake, "/api/v1/path/carol").await;
    assert_eq!(status, 200);
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
    {
      "schema": 1,
      "to": "3333333333333333333333333333333333333333333333333333333333333333",
      "hops": [
        "2222222222222222222222222222222222222222222222222222222222222222",
        "3333333333333333333333333333333333333333333333333333333333333333"
      ],
      "rtt_us": 45321
    }
    "#);
    assert_eq!(get(&fake, "/api/v1/path/127.0.0.1:9003").await.0, 200);
    assert_eq!(
        asked(&fake),
        Vec::<String>::new(),
        "nothing is sent anywhere unless it is asked for"
    );
    let (status, body) = get(&fake, "/api/v1/path/carol?walk=true").await;
    assert_eq!((status.as_u16(), &body["rtt_us"]), (200, &json!(45_321)));
    insta::assert_snapshot!(serde_json::to_string_pretty(&body["walk"]).unwrap(), @r#"
    {
      "hops": [
        {
          "id": "2222222222222222222222222222222222222222222222222222222222222222",
          "rtt_us": 330
        },
        {
          "id": "3333333333333333333333333333333333333333333333333333333333333333",
          "rtt_us": 45100
        }
      ],
      "rtt_us": 45430,
      "problem": null
    }
    "#);
    assert_eq!(asked(&fake), ["trace 33333333"]);
    *fake.refuse.lock().unwrap() = true;
    let (status, body) = get(&fake, "/api/v1/path/carol?walk=true").await;
    assert_eq!((status.as_u16(), &body["rtt_us"]), (200, &json!(45_321)), "the graph knows a way");
    assert_eq!(body["walk"], json!({"hops": [], "rtt_us": null, "problem": "not today"}));
    assert!(get(&fake, "/api/v1/path/alice?walk=true").await.1.get("walk").is_none());
    assert_eq!(get(&fake, "/api/v1/path/dave").await.0, 404);
    let (status, body) = get(&fake, "/api/v1/path/twin").await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (409, &json!("ambiguous")));
    assert_eq!(body["error"]["candidates"].as_array().unwrap().len(), 2);
    let (status, body) = get(&fake, "/api/v1/why/dave").await;
    assert_eq!(status, 200);
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
    {
      "schema": 1,
      "id": "4444444444444444444444444444444444444444444444444444444444444444",
      "label": "dave",
      "state": "failed",
      "evidence": [
        {
          "at_ms": 5,
          "text": "its socket was closed without a goodbye"
        }
      ]
    }
    "#);
    assert_eq!(get(&fake, "/api/v1/why/mallory").await.1["state"], "unknown");
    let (status, body) = get(&fake, "/api/v1/why/no%20one%2F").await;
    assert_eq!(status, 404);
    assert_eq!(body["error"]["what"], "cannot tell who \"no one/\" is");
}

#[actix::test]
async fn config_shows_origins_when_asked() {
    let fake = Fake::default();
    let (_, body) = get(&fake, "/api/v1/config").await;
    let setting = json!({"key": "network.controller.listen.port", "value": 8090});
    assert_eq!(body, json!({"schema": 1, "settings": [setting]}));
    let (_, body) = get(&fake, "/api/v1/config?origin=true").await;
    assert_eq!(body["settings"][0]["origin"], "-s");
    assert_eq!(get(&fake, "/api/v1/config?origin=maybe").await.0, 400);
}

#[actix::test]
async fn verbs_reach_their_actor_and_its_refusal_is_told() {
    let bob = json!({"who": "bob"});
    for (verb, body, last_asked, field) in [
        ("ping", bob.clone(), "probe 22222222", "rtt_us"),
        ("ping", json!({"who": "carol"}), "trace 33333333", "hops"),
        ("connect", json!({"addr": "127.0.0.1:9002"}), "connect 127.0.0.1:9002", "addr"),
        ("disconnect", bob.clone(), "disconnect 22222222", "id"),
        ("pin", bob.clone(), "pin 22222222 true", "id"),
        ("unpin", bob.clone(), "pin 22222222 false", "id"),
        ("ban", bob.clone(), "ban 22222222 true", "id"),
        ("unban", json!({"who": "mallory"}), "ban 99999999 false", "id"),
        ("shout", json!({"text": "hi"}), "shout 2", "links"),
        ("reload", json!({}), "reload", "needs_restart"),
    ] {
        let fake = Fake::default();
        let path = format!("/api/v1/{verb}");
        let (status, answer) = post(&fake, &path, body.clone()).await;
        assert_eq!(status, 200, "{verb} {answer}");
        assert_eq!(answer.as_object().unwrap().keys().next().unwrap(), "schema");
        assert!(answer.get(field).is_some(), "{answer}");
        assert_eq!(asked(&fake).last().unwrap(), last_asked);

        *fake.refuse.lock().unwrap() = true;
        let (status, answer) = post(&fake, &path, body).await;
        assert_eq!(status, 409, "{verb}");
        assert_eq!(answer["error"]["code"], "refused");
        assert_eq!(answer["error"]["why"], "not today");
    }
}

#[actix::test]
async fn a_ping_goes_over_the_link_if_there_is_one_and_over_others_if_not() {
    let fake = Fake::default();
    let ping = async |who: &str| post(&fake, "/api/v1/ping", json!({"who": who})).await;
    let (_, direct) = ping("bob").await;
    assert_eq!((&direct["rtt_us"], &direct["hops"]), (&json!(321), &json!(1)));
    let (_, far) = ping("carol").await;
    assert_eq!((&far["rtt_us"], &far["hops"]), (&json!(45_430), &json!(2)));
    let (status, own) = ping("alice").await;
    assert_eq!((status.as_u16(), &own["error"]["why"]), (409, &json!("that is this node itself")));
}

#[actix::test]
async fn stopping_and_leaving_differ() {
    let fake = Fake::default();
    assert_eq!(post(&fake, "/api/v1/stop", json!({})).await.0, 200);
    assert_eq!(asked(&fake), ["shutdown node stop false"]);
    // As curl -X POST does it: no body at all.
    assert_eq!(send(&fake, request(Method::POST, "/api/v1/leave")).await.0, 200);
    assert_eq!(asked(&fake), ["shutdown node leave true"]);
}

#[actix::test]
async fn a_label_is_unpinned_though_its_node_is_gone() {
    let fake = Fake::default();
    let (status, body) = post(&fake, "/api/v1/unpin", json!({"who": "zoe"})).await;
    assert_eq!((status.as_u16(), &body["id"]), (200, &Value::Null));
    assert_eq!(asked(&fake), ["peers", "unpin label zoe"]);
    *fake.refuse.lock().unwrap() = true;
    assert_eq!(post(&fake, "/api/v1/unpin", json!({"who": "zoe"})).await.0, 404);
}

#[actix::test]
async fn hosts_are_looked_up_and_nonsense_is_not() {
    let fake = Fake::default();
    let (status, _) = post(&fake, "/api/v1/connect", json!({"addr": "localhost:9002"})).await;
    assert_eq!(status, 200);
    assert!(asked(&fake)[0].ends_with(":9002"));
    for addr in ["", "bob", "bob:", ":1", "bob:99999", "::1:a", "2001:db8::1:x"] {
        let (status, body) = post(&fake, "/api/v1/connect", json!({"addr": addr})).await;
        assert_eq!(status, 400, "{addr} {body}");
    }
}

#[actix::test]
async fn what_is_open_says_how_we_are() {
    let fake = Fake::default();
    let bare = |path: &str| TestRequest::with_uri(path).insert_header(("host", "localhost:7777"));
    assert_eq!(send(&fake, bare("/healthz")).await.0, 200);
    assert_eq!(send(&fake, bare("/readyz")).await.0, 200);
    let lonely = Fake { lonely: true, ..Fake::default() };
    let (status, body) = send(&lonely, bare("/readyz")).await;
    assert_eq!(status, 503);
    assert!(body.contains("no link to any other node"), "{body}");
}
