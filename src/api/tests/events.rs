//! The stream of what changes.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use futures_util::StreamExt;
use tokio::sync::Semaphore;

use super::super::events::{STREAMS_MAX, stream};
use super::*;
use crate::api::samples::fetching;
use crate::mail::rows::State;

/// The next piece of a stream; none when it has ended.
async fn next(body: &mut BoxBody) -> Option<String> {
    let chunk = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_next(cx));
    let chunk = tokio::time::timeout(Duration::from_secs(20), chunk).await.expect("it goes on");
    chunk.map(|bytes| String::from_utf8(bytes.unwrap().to_vec()).unwrap())
}

/// The names of the events in a piece, and their data.
fn told(text: &str) -> Vec<(String, Value)> {
    let events = text.split_terminator("\n\n").filter(|e| !e.starts_with(':'));
    let event = |event: &str| {
        let (name, data) = event.split_once('\n').expect("two lines");
        let data = serde_json::from_str(data.strip_prefix("data: ").expect("data")).unwrap();
        (name.strip_prefix("event: ").expect("a name").to_owned(), data)
    };
    events.map(event).collect()
}

fn names(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.as_str()).collect()
}

fn asks() -> TestRequest {
    request(Method::GET, "/api/v1/events")
}

async fn open<Q>(
    app: &impl Service<Q, Response = ServiceResponse, Error = Error>,
    request: Q,
) -> ServiceResponse {
    try_call_service(app, request).await.expect("answered")
}

#[actix::test]
async fn every_row_is_told_once_and_then_what_changes() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    let response = open(&app, asks().to_request()).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers.get("content-type").unwrap(), "text/event-stream");
    assert_eq!(headers.get("cache-control").unwrap(), "no-store");
    let mut body = response.into_body();
    let all = told(&next(&mut body).await.unwrap());
    assert_eq!(names(&all), ["transfer", "transfer", "piece", "piece", "piece"]);
    assert_eq!((&all[1].1["schema"], &all[1].1["transfer"]), (&1.into(), &2.into()));

    fake.show(|view| {
        view.transfers[1].row.pieces_done += 1;
        view.transfers[1].row.name = "a\nb".into();
        view.transfers.push(fetching(3));
        Arc::make_mut(&mut view.files)[2].row.bytes_given += 1;
    });
    let news = told(&next(&mut body).await.unwrap());
    assert_eq!(names(&news), ["transfer", "transfer", "piece"]);
    assert_eq!(news[0].1["name"], "a\nb", "a line break in a name ends no event");
    assert_eq!(news[2].1["bytes_given"], (5 << 20) + 1);

    fake.show(|view| {
        view.transfers.remove(0);
        Arc::make_mut(&mut view.files).remove(0);
    });
    let news = told(&next(&mut body).await.unwrap());
    assert_eq!(names(&news), ["gone", "gone"]);
    assert_eq!(news[0].1["transfer"], 1);
    assert!(news[1].1["file_id"].as_str().unwrap().starts_with("aaaaaaaa"));

    drain.begin();
    assert_eq!(next(&mut body).await, None, "it ends with the daemon");
}

#[actix::test]
async fn ten_thousand_files_come_in_bounded_parts() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    fake.show(|view| {
        let one = view.files[0].clone();
        let file = |n: u32| {
            let mut file = one.clone();
            file.row.file.0[..4].copy_from_slice(&n.to_be_bytes());
            file
        };
        view.files = Arc::new((0..10_000).map(file).collect());
    });
    let mut body = open(&app, asks().to_request()).await.into_body();
    let (mut files, mut parts) = (0, 0);
    while files < 10_000 {
        let part = next(&mut body).await.unwrap();
        assert!(part.len() < 64 * 1024, "{}", part.len());
        files += told(&part).iter().filter(|(name, _)| name == "piece").count();
        parts += 1;
    }
    assert!(files == 10_000 && parts > 10);
    fake.show(|view| {
        let files = Arc::make_mut(&mut view.files);
        files.remove(5000);
        files[17].row.pieces_held += 1;
    });
    assert_eq!(names(&told(&next(&mut body).await.unwrap())), ["gone", "piece"]);
    // The files of a view that shares its list with the last one are not looked at, and none is told again.
    fake.show(|view| view.transfers[1].row.pieces_done += 1);
    assert_eq!(names(&told(&next(&mut body).await.unwrap())), ["transfer"]);
}

#[actix::test]
async fn the_33rd_stream_is_refused_until_one_ends() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    let mut open_ones = Vec::new();
    for _ in 0..STREAMS_MAX {
        let response = open(&app, asks().to_request()).await;
        assert_eq!(response.status(), 200);
        open_ones.push(response);
    }
    let (status, body) = call(&app, asks().to_request()).await;
    assert_eq!(status, 503);
    assert!(body.contains("32 others"), "{body}");
    open_ones.pop();
    assert_eq!(open(&app, asks().to_request()).await.status(), 200);
}

#[actix::test]
async fn nobody_listens_without_the_token() {
    let fake = Fake::default();
    let bare = TestRequest::with_uri("/api/v1/events").insert_header(("host", "127.0.0.1:7777"));
    assert_eq!(send(&fake, bare).await.0, 401);
}

#[actix::test]
async fn a_silent_stream_says_that_it_is_still_there() {
    let (fake, drain, heartbeat) = (Fake::default(), Drain::default(), Duration::from_millis(20));
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let mut told =
        pin!(stream(fake.pieces.subscribe(), fake.mail.view.subscribe(), drain, place, heartbeat));
    assert!(told.next().await.unwrap().unwrap().starts_with(b"event: transfer\n"));
    for _ in 0..3 {
        assert_eq!(told.next().await.unwrap().unwrap(), ": still here\n\n");
    }
}

#[actix::test]
async fn what_happens_to_letters_is_told_from_now_on() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    fake.mail.arrive(courier::bob_says(1, "before"));
    let mut body = open(&app, asks().to_request()).await.into_body();
    assert!(!next(&mut body).await.unwrap().contains("event: letter"), "that was before");

    fake.mail.arrive(courier::bob_says(2, "hello"));
    fake.mail.turn(samples::letter_id(1), State::Failed, "no\nrelay");
    let news = told(&next(&mut body).await.unwrap());
    assert_eq!(names(&news), ["letter", "outbox"]);
    let (id, bob) = (samples::letter_id(2).to_string(), id(2).to_string());
    let letter =
        serde_json::json!({"schema": 1, "id": id, "from": bob, "at_ms": 1_700_000_000_002u64});
    assert_eq!(news[0].1, letter);
    let id = samples::letter_id(1).to_string();
    let outbox = serde_json::json!({"schema": 1, "id": id, "to": bob, "state": "failed",
        "why": "no\nrelay", "at_ms": 1_700_000_000_003u64});
    assert_eq!(news[1].1, outbox);

    // Files that change are told of beside them.
    fake.show(|view| view.transfers[1].row.pieces_done += 1);
    fake.mail.arrive(courier::bob_says(4, "again"));
    assert_eq!(names(&told(&next(&mut body).await.unwrap())), ["transfer", "letter"]);
}

#[actix::test]
async fn who_reads_slowly_is_told_how_many_letters_were_missed() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    let mut body = open(&app, asks().to_request()).await.into_body();
    next(&mut body).await.unwrap();
    for _ in 0..1000 {
        fake.mail.tell(Happened::Came { id: samples::letter_id(1), from: id(2) });
    }
    let (mut events, mut parts) = (Vec::new(), 0);
    while events.len() < NEWS_MAX + 1 {
        let part = next(&mut body).await.unwrap();
        assert!(part.len() < 64 * 1024, "{}", part.len());
        events.extend(told(&part));
        parts += 1;
    }
    assert_eq!((events[0].0.as_str(), &events[0].1["count"]), ("missed", &744.into()));
    assert!(events[1..].iter().all(|(name, _)| name == "letter") && parts > 1, "{parts}");

    // The daemon has built its actors again: numbers begin anew, and nothing is called missed.
    fake.mail.view.send_replace(Arc::default());
    fake.mail.arrive(courier::bob_says(1, "hello"));
    assert_eq!(names(&told(&next(&mut body).await.unwrap())), ["letter"]);
}
