use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::api::samples::fetching;
use crate::api::tests::Fake;
use crate::cli::client::tests::daemon;

/// Streams that a daemon has places for.
const STREAMS_MAX: usize = 32;
/// Far more than anything takes here.
const LONG: Duration = Duration::from_secs(20);

/// Whom the feed finds, and what it tells.
struct Fed {
    meant: Arc<Mutex<Option<Daemon>>>,
    told: Receiver<News>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Fed {
    fn with(daemon: &Daemon) -> Fed {
        let meant = Arc::new(Mutex::new(Some(daemon.clone())));
        let (to, told) = mpsc::sync_channel(64);
        let find = {
            let meant = meant.clone();
            move || {
                let gone = || Trouble::new(Exit::NoDaemon, "no daemon to ask", "gone".into(), "");
                meant.lock().unwrap().clone().ok_or_else(gone)
            }
        };
        let (ask, listen) = parts(find, &to, |news| news);
        let threads = vec![thread::spawn(ask), thread::spawn(listen)];
        Fed { meant, told, threads }
    }

    /// Waits for news of this kind; all that came before it.
    #[track_caller]
    fn wait(&self, what: &str, is: impl Fn(&News) -> bool) -> Vec<News> {
        let (begun, mut before) = (Instant::now(), Vec::new());
        while let Ok(news) = self.told.recv_timeout(LONG.saturating_sub(begun.elapsed())) {
            let found = is(&news);
            before.push(news);
            if found {
                return before;
            }
        }
        let before: Vec<String> =
            before.iter().map(|n| format!("{n:?}").chars().take(60).collect()).collect();
        panic!("waited in vain for {what}: {before:#?}");
    }

    fn answers(&self) {
        self.wait("its status", |news| matches!(news, News::Status(_)));
        self.wait(
            "its peers",
            |news| matches!(news, News::Peers(peers) if !peers.peers.is_empty()),
        );
        self.wait("its letters", |news| matches!(news, News::Letters(_)));
    }
}

fn begin(fake: &Fake, transfer: u64) {
    fake.show(|pieces| pieces.transfers.push(fetching(transfer)));
}

#[test]
fn a_daemon_that_is_started_again_elsewhere_is_found() {
    let (one, other) = (Fake::default(), Fake::default());
    let (first, drain) = daemon(&one);
    let fed = Fed::with(&first);
    fed.wait("the first", |news| *news == News::Found(first.addr));
    fed.answers();
    begin(&one, 70);
    fed.wait("a transfer", |news| matches!(news, News::Transfer(t) if t.transfer == 70));
    one.show(|pieces| pieces.transfers.retain(|t| t.row.transfer != 70));
    fed.wait("its end", |news| *news == News::Gone(70));

    *fed.meant.lock().unwrap() = None;
    drain.begin();
    fed.wait("the loss", |news| matches!(news, News::Lost(_)));
    fed.wait("that nobody is there", |news| *news == News::Lost("no daemon to ask: gone".into()));
    let (second, _drain) = daemon(&other);
    assert_ne!(first.addr, second.addr);
    *fed.meant.lock().unwrap() = Some(second.clone());
    let before = fed.wait("the second", |news| *news == News::Found(second.addr));
    assert!(!before.iter().any(|news| matches!(news, News::Peers(_))), "nobody was asked");
    fed.answers();

    // Both end when nobody listens any more.
    drop(fed.told);
    begin(&other, 71);
    for ending in fed.threads {
        ending.join().unwrap();
    }
}

#[test]
fn without_a_place_for_its_stream_it_still_asks() {
    let fake = Fake::default();
    let (daemon, _drain) = daemon(&fake);
    let others: Vec<_> =
        (0..STREAMS_MAX).map(|_| Client::to(daemon.clone()).events().ok()).collect();
    assert!(others.iter().all(Option::is_some));
    let fed = Fed::with(&daemon);
    let told = fed.wait("why", |news| matches!(news, News::Odd(_)));
    let why = format!("{:?}", told.last());
    assert!(why.contains("32 others are told already"), "{why}");
    fed.answers();
    // It is said once, though it is tried again and again.
    let later = fed.wait("more answers", |news| matches!(news, News::Letters(_)));
    assert!(!later.iter().any(|news| matches!(news, News::Odd(_))), "{later:?}");
    drop(others);
    let transfers = AtomicU64::new(70);
    let found = |news: &News| {
        // Only who tells something notices that nobody listens.
        begin(&fake, transfers.fetch_add(1, Ordering::Relaxed));
        *news == News::Found(daemon.addr)
    };
    fed.wait("a place at last", found);
}

#[test]
fn what_changes_is_asked_for_soon_and_no_more_often_than_is_good() {
    let begun = Instant::now();
    let mut pace = Pace { asked: begun, due: begun };
    pace.ask(begun);
    assert_eq!(pace.due, begun + PERIOD);
    for _ in 0..9 {
        pace.hurry();
    }
    assert_eq!(pace.due, begun + PERIOD_MIN);
    pace.ask(begun + PERIOD_MIN);
    assert_eq!(pace.due, begun + PERIOD_MIN + PERIOD);
    // Late is not later than it was anyway.
    let mut late = Pace { asked: begun, due: begun };
    late.hurry();
    assert_eq!(late.due, begun);
}
