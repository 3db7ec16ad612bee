//! The routes about files.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::api::samples::{fetching, file, shared};
use crate::pieces::rows::Phase;

fn asked(fake: &Fake) -> Vec<String> {
    std::mem::take(&mut fake.asked.lock().unwrap())
}

#[actix::test]
async fn a_share_begins_and_its_transfer_tells_the_rest() {
    let fake = Fake::default();
    let (status, body) = post(&fake, "/api/v1/share", json!({"path": "/srv/photos"})).await;
    assert_eq!((status.as_u16(), body), (202, json!({"schema": 1, "transfer": 7})));
    assert_eq!(asked(&fake), ["share /srv/photos"]);
    let (status, body) = get(&fake, "/api/v1/transfers/7").await;
    assert_eq!(status, 200);
    assert_eq!(body["left_out"], json!(["photos/latest: a symbolic link"]));
    for field in ["ticket", "file_id"] {
        assert!(body[field].is_string(), "{body}");
    }
    assert_eq!((&body["kind"], &body["phase"]), (&json!("share"), &json!("done")));
    for path in ["photos", "", "./x", "/x\0y", &"/x".repeat(4096)] {
        let (status, body) = post(&fake, "/api/v1/share", json!({"path": path})).await;
        assert_eq!((status.as_u16(), &body["error"]["code"]), (400, &json!("usage")), "{path}");
    }
    assert!(asked(&fake).is_empty());
}

#[actix::test]
async fn a_get_takes_a_ticket_or_an_id() {
    let fake = Fake::default();
    let view = samples::pieces();
    let ticket = view.files[0].ticket.to_string();
    let id = file(10).to_string();
    for (body, wanted) in [
        (json!({"ticket": ticket}), "get aaaaaaaa None false"),
        (json!({"ticket": id}), "get aaaaaaaa None false"),
        (
            json!({"ticket": ticket, "out": "/srv", "force": true}),
            "get aaaaaaaa Some(\"/srv\") true",
        ),
    ] {
        let (status, answer) = post(&fake, "/api/v1/get", body).await;
        assert_eq!((status.as_u16(), &answer["transfer"]), (202, &json!(8)));
        assert_eq!(asked(&fake), [wanted]);
    }
    for body in [
        json!({"ticket": "kith1nonsense"}),
        json!({"ticket": ""}),
        json!({"ticket": "x".repeat(100_000)}),
        json!({"ticket": ticket, "out": "here"}),
        json!({"ticket": ticket, "where": "/"}),
        json!({}),
    ] {
        let (status, answer) = post(&fake, "/api/v1/get", body).await;
        assert_eq!((status.as_u16(), &answer["error"]["code"]), (400, &json!("usage")));
    }
    assert!(asked(&fake).is_empty());
}

#[actix::test]
async fn what_is_refused_says_why() {
    let fake = Fake::default();
    *fake.refuse.lock().unwrap() = true;
    let ticket = samples::pieces().files[0].ticket.to_string();
    for (path, body) in [
        ("share", json!({"path": "/srv"})),
        ("get", json!({"ticket": ticket})),
        ("forget", json!({"file": "disc.iso"})),
        ("transfers/2/stop", json!({})),
    ] {
        let (status, answer) = post(&fake, &format!("/api/v1/{path}"), body).await;
        assert_eq!(
            (status.as_u16(), &answer["error"]["why"]),
            (409, &json!("not today")),
            "{path}"
        );
    }
}

#[actix::test]
async fn a_transfer_is_all_that_is_known_of_it() {
    let fake = Fake::default();
    let (status, mut body) = get(&fake, "/api/v1/transfers").await;
    assert_eq!(status, 200);
    assert_eq!(body["transfers"].as_array().unwrap().len(), 2);
    let mut one = body["transfers"][1].take();
    one["ticket"] = "kith1…".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&one).unwrap(), @r#"
    {
      "transfer": 2,
      "kind": "get",
      "phase": "fetching",
      "file_id": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "name": "disc.iso",
      "path": "files/disc.iso",
      "bytes": 1073741824,
      "bytes_done": 665845760,
      "bytes_received": 667942912,
      "pieces": 1024,
      "pieces_done": 635,
      "bytes_per_second": 503316480,
      "eta_s": 1,
      "bottleneck": "rate of the peers",
      "unheld": false,
      "sources": [
        {
          "id": "2222222222222222222222222222222222222222222222222222222222222222",
          "pieces": 400,
          "bytes": 419430400,
          "bytes_per_second": 167772160,
          "asked": 4,
          "lies": 0
        },
        {
          "id": "3333333333333333333333333333333333333333333333333333333333333333",
          "pieces": 235,
          "bytes": 248512512,
          "bytes_per_second": 167772160,
          "asked": 4,
          "lies": 2
        }
      ],
      "ticket": "kith1…",
      "problem": null,
      "seconds": 1.5,
      "verified": false,
      "since_ms": 1700000000000,
      "left_out": []
    }
    "#);
}

#[actix::test]
async fn pieces_are_the_files_known_here() {
    let (status, mut body) = get(&Fake::default(), "/api/v1/pieces").await;
    assert_eq!(status, 200);
    assert_eq!(body["pieces"].as_array().unwrap().len(), 3);
    let mut one = body["pieces"][2].take();
    one["ticket"] = "kith1…".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&one).unwrap(), @r#"
    {
      "file_id": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
      "name": "photos",
      "path": "files/photos",
      "bytes": 3145728,
      "pieces": 3,
      "pieces_held": 3,
      "served": false,
      "bytes_given": 5242880,
      "holders": [],
      "ticket": "kith1…",
      "problem": "it has changed since it was shared; share it again"
    }
    "#);
}

/// Asks with a wait, while `change` happens a moment later; how long the answer took, and the answer.
async fn wait_for(
    fake: &Fake,
    query: &str,
    change: impl FnOnce(&mut PiecesView) + 'static,
) -> (Duration, StatusCode, Value) {
    let later = fake.clone();
    actix::spawn(async move {
        actix::clock::sleep(Duration::from_millis(30)).await;
        later.show(change);
    });
    let begun = Instant::now();
    let (status, body) = get(fake, &format!("/api/v1/transfers/{query}")).await;
    (begun.elapsed(), status, body)
}

#[actix::test]
async fn a_wait_ends_when_the_transfer_is_shown_otherwise() {
    let fake = Fake::default();
    let (_, status, body) = wait_for(&fake, "2?wait_ms=4000", |view| {
        view.transfers[0].row.elapsed_ms += 1;
        view.transfers[1].row.pieces_done += 1;
    })
    .await;
    assert_eq!((status.as_u16(), &body["pieces_done"]), (200, &json!(636)));
    // What changes beside it does not count.
    let (took, _, body) =
        wait_for(&fake, "2?wait_ms=200", |view| view.transfers[0].row.elapsed_ms += 1).await;
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert_eq!(body["pieces_done"], 636);
    // What is over never changes.
    let (took, _, body) = wait_for(&fake, "1?wait_ms=4000", |_| {}).await;
    assert!(took < Duration::from_millis(2000) && body["phase"] == "done", "{took:?}");
    // One that is about to be shown is waited for, whoever asks.
    let (_, status, _) = wait_for(&fake, "9", |view| view.transfers.push(fetching(9))).await;
    assert_eq!(status, 200);
    // One that is not shown any more was told of for the last time.
    let (_, status, body) = wait_for(&fake, "2?wait_ms=4000", |view| {
        view.transfers.retain(|t| t.row.transfer != 2);
    })
    .await;
    assert_eq!((status.as_u16(), &body["pieces_done"]), (200, &json!(636)));
    for query in ["77", "77?wait_ms=10"] {
        assert_eq!(get(&fake, &format!("/api/v1/transfers/{query}")).await.0, 404);
    }
    for query in ["1?wait_ms=4001", "1?wait_ms=-1", "1?wait=1", "one", "-1"] {
        assert_eq!(get(&fake, &format!("/api/v1/transfers/{query}")).await.0, 400, "{query}");
    }
}

#[actix::test]
async fn a_wait_ends_when_the_daemon_does() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    let later = drain.clone();
    actix::spawn(async move {
        actix::clock::sleep(Duration::from_millis(30)).await;
        later.begin();
    });
    let asks = request(Method::GET, "/api/v1/transfers/2?wait_ms=4000").to_request();
    let begun = Instant::now();
    assert_eq!(call(&app, asks).await.0, 200);
    assert!(begun.elapsed() < Duration::from_millis(2000));
}

#[actix::test]
async fn files_are_forgotten_by_id_ticket_or_name() {
    let fake = Fake::default();
    let ticket = samples::pieces().files[0].ticket.to_string();
    for text in [&*file(10).to_string(), "AAAAAAAA", "disc.iso", &ticket] {
        let (status, body) = post(&fake, "/api/v1/forget", json!({"file": text})).await;
        assert_eq!((status.as_u16(), &body["name"]), (200, &json!("disc.iso")), "{text}");
        assert_eq!(asked(&fake), ["forget aaaaaaaa"]);
    }
    let (status, body) = post(&fake, "/api/v1/forget", json!({"file": "photos"})).await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (409, &json!("ambiguous")));
    let ids = [file(11), file(12)].map(|f| json!({"id": f.to_string(), "label": "photos"}));
    assert_eq!(body["error"]["candidates"], json!(ids));
    let (status, body) = post(&fake, "/api/v1/forget", json!({"file": "nothing"})).await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (404, &json!("not_found")));
    assert!(asked(&fake).is_empty());
}

#[actix::test]
async fn a_transfer_can_be_stopped() {
    let fake = Fake::default();
    let (status, body) = post(&fake, "/api/v1/transfers/2/stop", json!({})).await;
    assert_eq!((status.as_u16(), body), (200, json!({"schema": 1, "transfer": 2})));
    assert_eq!(asked(&fake), ["stop 2"]);
    assert_eq!(get(&fake, "/api/v1/transfers/2/stop").await.0, 405);
}

#[test]
fn the_time_left_is_told_only_when_it_is_known() {
    use crate::api::shapes;
    let of = |change: fn(&mut Transfer)| {
        let mut transfer = fetching(1);
        change(&mut transfer);
        shapes::Transfer::from(&transfer).eta_s
    };
    assert_eq!(of(|_| {}), Some(1), "389 MiB at 480 MiB/s");
    assert_eq!(of(|t| t.row.bytes_per_second = 1), Some(389 << 20));
    assert_eq!(of(|t| t.row.bytes_per_second = 0), None);
    assert_eq!(of(|t| t.row.phase = Phase::Seeking), None);
    assert_eq!(of(|t| t.row.bytes = 0), None);
    assert_eq!(of(|t| t.row.bytes_done = u64::MAX), Some(0));
    assert_eq!(of(|t| *t = shared(1)), None);
}
