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

/// What comes when it comes: the status, and lines of the log, which all tests of this process share.
fn is_news(event: &(String, Value)) -> bool {
    event.0 != "status" && event.0 != "log"
}

/// What comes next of what is news.
async fn news(body: &mut BoxBody) -> Vec<(String, Value)> {
    loop {
        let mut news = told(&next(body).await.expect("it goes on"));
        news.retain(is_news);
        if !news.is_empty() {
            return news;
        }
    }
}

/// All that is told until `whole`.
async fn all(body: &mut BoxBody) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    while all.last().is_none_or(|(name, _)| name != "whole") {
        all.extend(news(body).await);
    }
    all
}

/// Those of a name.
fn only(name: &str, events: &[(String, Value)]) -> Vec<Value> {
    events.iter().filter(|(n, _)| n == name).map(|(_, data)| data.clone()).collect()
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
    let all = all(&mut body).await;
    let counts = ["node", "link", "transfer", "piece", "whole"].map(|name| only(name, &all).len());
    assert_eq!(counts, [7, 3, 2, 3, 1]);
    let transfers = only("transfer", &all);
    assert_eq!((&transfers[1]["schema"], &transfers[1]["transfer"]), (&1.into(), &2.into()));

    fake.show(|view| {
        view.transfers[1].row.pieces_done += 1;
        view.transfers[1].row.name = "a\nb".into();
        view.transfers.push(fetching(3));
        Arc::make_mut(&mut view.files)[2].row.bytes_given += 1;
    });
    let news = self::news(&mut body).await;
    assert_eq!(names(&news), ["transfer", "transfer", "piece"]);
    assert_eq!(news[0].1["name"], "a\nb", "a line break in a name ends no event");
    assert_eq!(news[2].1["bytes_given"], (5 << 20) + 1);

    fake.show(|view| {
        view.transfers.remove(0);
        Arc::make_mut(&mut view.files).remove(0);
    });
    let news = self::news(&mut body).await;
    assert_eq!(names(&news), ["gone", "gone"]);
    assert_eq!(news[0].1["transfer"], 1);
    assert!(news[1].1["file_id"].as_str().unwrap().starts_with("aaaaaaaa"));

    drain.begin();
    assert_eq!(next(&mut body).await, None, "it ends with the daemon");
}

#[actix::test]
async fn what_changes_in_the_graph_is_told() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    let mut body = open(&app, asks().to_request()).await.into_body();
    let all = all(&mut body).await;
    assert_eq!(only("node", &all)[1]["label"], "bob");
    assert_eq!(only("link", &all)[2]["state"], "half-open");

    fake.view.send_modify(|view| {
        let view = Arc::make_mut(view);
        view.links[0].rtt_us = 999;
        view.links.remove(2);
        view.nodes[1].state = crate::mesh::view::State::Failed;
        view.nodes.remove(6);
    });
    let news = self::news(&mut body).await;
    assert_eq!(names(&news), ["gone", "gone", "node", "link"]);
    let link = serde_json::json!({"from": id(3).to_string(), "to": id(5).to_string()});
    assert_eq!(news[0].1["link"], link);
    assert_eq!(news[1].1["node"], id(7).to_string());
    assert_eq!((&news[2].1["label"], &news[2].1["state"]), (&"bob".into(), &"failed".into()));
    assert_eq!(news[3].1["rtt_us"], 999);
}

#[actix::test]
async fn a_large_graph_comes_in_bounded_parts() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    fake.view.send_modify(|view| {
        let view = Arc::make_mut(view);
        let (node, link) = (view.nodes[1].clone(), view.links[0]);
        let id = |n: u32| {
            let mut id = crate::mesh::NodeId([7; 32]);
            id.0[..4].copy_from_slice(&n.to_be_bytes());
            id
        };
        let node = |n| crate::mesh::view::NodeView { id: id(n), ..node.clone() };
        view.nodes = (0..2000).map(node).collect();
        let link = |n| crate::mesh::view::LinkView { from: id(n / 4), to: id(n), ..link };
        view.links = (0..8000).map(link).collect();
    });
    let mut body = open(&app, asks().to_request()).await.into_body();
    let (mut nodes, mut links) = (0, 0);
    while links < 8000 {
        let part = next(&mut body).await.unwrap();
        assert!(part.len() < 64 * 1024, "{}", part.len());
        let told = told(&part);
        nodes += only("node", &told).len();
        links += only("link", &told).len();
    }
    assert_eq!((nodes, links), (2000, 8000));
    fake.view.send_modify(|view| Arc::make_mut(view).links[7000].rtt_us += 1);
    let news = loop {
        let news = news(&mut body).await;
        if !only("link", &news).is_empty() {
            break news;
        }
    };
    assert_eq!(only("link", &news).len(), 1, "each row once");
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
    let mut whole = false;
    while !whole {
        let part = next(&mut body).await.unwrap();
        assert!(part.len() < 64 * 1024, "{}", part.len());
        files += told(&part).iter().filter(|(name, _)| name == "piece").count();
        whole = told(&part).iter().any(|(name, _)| name == "whole");
        parts += 1;
    }
    assert!(files == 10_000 && parts > 10);
    fake.show(|view| {
        let files = Arc::make_mut(&mut view.files);
        files.remove(5000);
        files[17].row.pieces_held += 1;
    });
    assert_eq!(names(&news(&mut body).await), ["gone", "piece"]);
    // The files of a view that shares its list with the last one are not looked at, and none is told again.
    fake.show(|view| view.transfers[1].row.pieces_done += 1);
    assert_eq!(names(&news(&mut body).await), ["transfer"]);
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
async fn the_status_comes_again_and_again() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    let mut body = open(&app, asks().to_request()).await.into_body();
    let first = told(&next(&mut body).await.unwrap());
    assert_eq!((first[0].0.as_str(), &first[0].1["label"]), ("status", &"alice".into()));
    let again = |events: Vec<(String, Value)>| events.iter().any(|(name, _)| name == "status");
    while !again(told(&next(&mut body).await.expect("a silent stream says that it is still there")))
    {
    }
}

#[actix::test]
async fn the_log_is_told_line_by_line() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let line = |number: u64| crate::logs::Line {
        number,
        at_ms: 5,
        level: log::Level::Warn,
        target: "kith::net".into(),
        text: format!("line\n{number}"),
    };
    let lines = tokio::sync::watch::Sender::new(Arc::new([line(3), line(4)].into()));
    let context = context_of(&fake, services(&fake), &drain);
    let again = context.clone();
    let mut told = pin!(stream(context, lines.subscribe(), None, place));
    let mut log = async || loop {
        let text = told.next().await.unwrap().unwrap();
        let lines = only("log", &self::told(std::str::from_utf8(&text).unwrap()));
        if !lines.is_empty() {
            return lines;
        }
    };
    let first = log().await;
    assert_eq!(
        (first.len(), &first[0]["level"], &first[0]["text"]),
        (2, &"warn".into(), &"line\n3".into())
    );
    let many = |number| crate::logs::Line { text: "x".repeat(300), ..line(number) };
    let (mut text, all) = (String::new(), (10..266).map(many).collect());
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let full = tokio::sync::watch::Sender::new(Arc::new(all));
    let mut other = pin!(stream(again, full.subscribe(), None, place));
    while !text.contains("event: whole") {
        text += std::str::from_utf8(&other.next().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(only("log", &self::told(&text)).len(), 256, "whole is told when all was");
    lines.send_replace(Arc::new([line(4), line(5)].into()));
    let second = log().await;
    assert_eq!((second.len(), &second[0]["number"]), (1, &5.into()));
}

#[actix::test]
async fn what_happens_to_letters_is_told_from_now_on() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    fake.mail.arrive(courier::bob_says(1, "before"));
    let mut body = open(&app, asks().to_request()).await.into_body();
    assert!(only("letter", &all(&mut body).await).is_empty(), "that was before");

    fake.mail.arrive(courier::bob_says(2, "hello"));
    fake.mail.turn(samples::letter_id(1), State::Failed, "no\nrelay");
    let news = self::news(&mut body).await;
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
    assert_eq!(names(&self::news(&mut body).await), ["transfer", "letter"]);
}

#[actix::test]
async fn who_reads_slowly_is_told_how_many_letters_were_missed() {
    let (fake, drain) = (Fake::default(), Drain::default());
    let app = init_service(app(context_of(&fake, services(&fake), &drain))).await;
    let mut body = open(&app, asks().to_request()).await.into_body();
    all(&mut body).await;
    for _ in 0..1000 {
        fake.mail.tell(Happened::Came { id: samples::letter_id(1), from: id(2) });
    }
    let (mut events, mut parts) = (Vec::new(), 0);
    while events.len() < NEWS_MAX + 1 {
        let part = next(&mut body).await.unwrap();
        assert!(part.len() < 64 * 1024, "{}", part.len());
        events.extend(told(&part).into_iter().filter(is_news));
        parts += 1;
    }
    assert_eq!((events[0].0.as_str(), &events[0].1["count"]), ("missed", &744.into()));
    assert!(events[1..].iter().all(|(name, _)| name == "letter") && parts > 1, "{parts}");

    // The daemon has built its actors again: numbers begin anew, and nothing is called missed.
    fake.mail.view.send_replace(Arc::default());
    fake.mail.arrive(courier::bob_says(1, "hello"));
    assert_eq!(names(&news(&mut body).await), ["letter"]);
}
