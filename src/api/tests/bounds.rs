//! What the server itself bounds, over real sockets: time, connections, bodies.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::guard::REQUEST_TIMEOUT;
use super::super::server::{CONNECTIONS_MAX, serve};
use super::*;

/// Far more than any answer takes that is not waited for on purpose.
const LONG: Duration = Duration::from_secs(15);

async fn serving(fake: &Fake) -> SocketAddr {
    let (view, pieces) = (watch::channel(Arc::new(view())).1, fake.pieces.subscribe());
    let mail = fake.mail.view.subscribe();
    let listen = ([127, 0, 0, 1], 0).into();
    let serving =
        serve(listen, services(fake), facts(), view, pieces, mail, Drain::default()).unwrap();
    actix::spawn(serving.server);
    serving.addr
}

async fn connect(addr: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

fn head(method: &str, path: &str, addr: SocketAddr, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {TOKEN}\r\n{more}\r\n"
    )
}

/// Reads until `end` has come.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut part) = (String::new(), [0; 4096]);
    while !text.contains(end) {
        let n = timeout(LONG, stream.read(&mut part)).await.expect("an answer").expect("readable");
        assert!(n > 0, "it ended with {text:?}");
        text += std::str::from_utf8(&part[..n]).unwrap();
    }
    text
}

#[actix::test]
async fn a_body_that_does_not_come_is_waited_for_no_longer_than_five_seconds() {
    let fake = Fake::default();
    let addr = serving(&fake).await;
    let claims = "content-type: application/json\r\ncontent-length: 100\r\n";
    let begun = Instant::now();
    let mut stream = connect(addr, &head("POST", "/api/v1/ban", addr, claims)).await;
    stream.write_all(b"{\"who\":").await.unwrap();
    let answer = until(&mut stream, "node peers show").await;
    let took = begun.elapsed();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"timeout\""), "{answer}");
    assert!(took >= REQUEST_TIMEOUT && took < REQUEST_TIMEOUT + LONG / 3, "{took:?}");
    assert!(fake.asked.lock().unwrap().is_empty(), "nothing was done");
}

#[actix::test]
async fn a_head_that_does_not_end_is_hung_up_on() {
    let addr = serving(&Fake::default()).await;
    let begun = Instant::now();
    let mut stream = connect(addr, "GET /healthz HTTP/1.1\r\nhost: ").await;
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer)).await.expect("it ends").expect("readable");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
}

#[actix::test]
async fn beyond_so_many_connections_one_waits_until_another_ends() {
    let addr = serving(&Fake::default()).await;
    // With the token: who shows none keeps no connection.
    let asks = head("GET", "/api/v1/status", addr, "");
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = connect(addr, &asks).await;
        until(&mut stream, "alice").await;
        open.push(stream);
    }
    let mut waits = connect(addr, &asks).await;
    let early = timeout(Duration::from_millis(300), waits.read_u8()).await;
    assert!(early.is_err(), "it was answered beside {CONNECTIONS_MAX} others: {early:?}");
    open.pop();
    until(&mut waits, "alice").await;
}

#[actix::test]
async fn a_body_of_one_mebibyte_is_read_and_one_byte_more_is_not() {
    let fake = Fake::default();
    let addr = serving(&fake).await;
    for (more, status) in [(0, "400"), (1, "413")] {
        // Chunked: nobody says beforehand how long it will be.
        let chunked = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
        let mut stream = connect(addr, &head("POST", "/api/v1/shout", addr, chunked)).await;
        let around = "{\"text\":\"\"}".len();
        let body = format!("{{\"text\":\"{}\"}}", "x".repeat((1 << 20) - around + more));
        let body = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        // What is too long is not read to its end.
        let _ = stream.write_all(body.as_bytes()).await;
        let answer = until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{more}: {answer}");
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}
