//! Every verb against the real API over fake actors.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;

use serde_json::Value;

use super::super::args::{Follow, LettersArgs, OneLetter, Progress, PullArgs, PushArgs};
use super::super::args::{ShowLive, Verb};
use super::super::look::Look;
use super::super::{files, letters, read, steer};
use super::*;
use crate::actors::messages::{PiecesView, Transfer};
use crate::api::Drain;
use crate::api::asks::AskGet;
use crate::api::samples::{file, letter_id, shared, view};
use crate::api::shapes::{Graph, Shaped, Status};
use crate::api::tests::{Fake, TOKEN, bob_says, facts, services};
use crate::mail::rows::State;
use crate::pieces::rows::Phase;

/// Starts an API on a thread of its own, for as long as the test process lives.
fn api(fake: Fake) -> Client {
    Client::to(daemon(&fake).0)
}

/// The same, and what ends it.
pub fn daemon(fake: &Fake) -> (Daemon, Drain) {
    let (tell, told) = mpsc::channel();
    let (fake, drain) = (fake.clone(), Drain::default());
    let ends = drain.clone();
    std::thread::spawn(move || {
        actix::System::new().block_on(async move {
            let view = fake.view.subscribe();
            let listen = ([127, 0, 0, 1], 0).into();
            let pieces = fake.pieces.subscribe();
            let mail = fake.mail.view.subscribe();
            let services = services(&fake);
            let serving =
                crate::api::serve(listen, services, facts(), view, pieces, mail, drain).unwrap();
            tell.send(serving.addr).unwrap();
            serving.server.await.unwrap();
        });
    });
    let addr = told.recv().unwrap();
    (Daemon { addr, token: TOKEN.into(), start: "node".into() }, ends)
}

#[test]
fn shapes_arrive_as_they_were_sent() {
    let client = api(Fake::default());
    let graph: Shaped<Graph> = client.get("graph").unwrap();
    assert_eq!((graph.schema, graph.body), (1, Graph::from(&view())));
    let status: Shaped<Status> = client.get("status").unwrap();
    assert_eq!(status.body.label, "alice");
    let first = client.get::<Value>("status").unwrap();
    let first: Vec<&String> = first.as_object().unwrap().keys().take(3).collect();
    assert_eq!(first, ["schema", "id", "label"], "in the order the API gives them");
}

#[test]
fn verbs_that_change_reach_the_daemon() {
    let fake = Fake::default();
    let client = api(fake.clone());
    let who = || "bob".to_owned();
    for (verb, asked) in [
        (Verb::Connect { addr: "127.0.0.1:1".into() }, "connect 127.0.0.1:1"),
        (Verb::Disconnect { who: who() }, "disconnect 22222222"),
        (Verb::Pin { who: who() }, "pin 22222222 true"),
        (Verb::Unpin { who: who() }, "pin 22222222 false"),
        (Verb::Ban { who: who() }, "ban 22222222 true"),
        (Verb::Unban { who: who() }, "ban 22222222 false"),
        (Verb::Shout { text: vec!["a".into(), "b".into()] }, "shout 3"),
        (Verb::Transfers { stop: Some(2), show: ShowLive::default() }, "stop 2"),
        (Verb::Forget { file: "disc.iso".into() }, "forget aaaaaaaa"),
        (Verb::Reload, "reload"),
    ] {
        steer::steer(&client, &verb).unwrap_or_else(|t| panic!("{verb:?} {t:?}"));
        assert_eq!(fake.asked.lock().unwrap().last().unwrap(), asked);
    }
    *fake.refuse.lock().unwrap() = true;
    let refused = steer::steer(&client, &Verb::Pin { who: who() }).unwrap_err();
    assert_eq!(refused.report(), Exit::Failed);
}

#[test]
fn verbs_that_show_find_their_answer() {
    let client = api(Fake::default());
    let show = ShowLive::default();
    let once = ShowLive { json: true, watch: false };
    let who = || "carol".to_owned();
    for verb in [
        Verb::Status { show },
        Verb::Peers { show },
        Verb::Graph { format: None, show },
        Verb::Graph { format: Some(super::super::args::GraphFormat::D2), show },
        Verb::Path { who: who(), show },
        Verb::Path { who: who(), show: once },
        Verb::Why { who: who(), show },
        Verb::Ping { who: who(), json: false, watch: false },
        Verb::Ping { who: who(), json: true, watch: false },
        Verb::Transfers { stop: None, show },
        Verb::Pieces { show },
        Verb::Pieces { show: once },
        Verb::Config { json: false, origin: true, running: true },
        Verb::Letters(LettersArgs::default()),
        Verb::Letters(LettersArgs {
            with: Some("bob".into()),
            limit: Some(2),
            ..Default::default()
        }),
        Verb::Letters(one_letter("22222222", false)),
        Verb::Letters(one_letter("22222222", true)),
        Verb::Relays { show },
    ] {
        assert_eq!(read::show(&client, &verb, Look::default()), Some(Ok(())), "{verb:?}");
    }
    let odd = Verb::Why { who: "no one/[::1]:1".into(), show: once };
    let nobody = read::show(&client, &odd, Look::default()).unwrap().unwrap_err();
    assert_eq!(nobody.report(), Exit::Failed);
    assert_eq!(read::show(&client, &Verb::Stop, Look::default()), None);
    let gone = Verb::Letters(one_letter("99999999", false));
    let gone = read::show(&client, &gone, Look::default()).unwrap().unwrap_err();
    assert_eq!(gone.report(), Exit::Failed);
}

fn one_letter(id: &str, json: bool) -> LettersArgs {
    let one = Some(OneLetter::Show { id: id.into(), show: ShowLive { json, watch: false } });
    LettersArgs { one, ..LettersArgs::default() }
}

fn to_bob() -> PushArgs {
    PushArgs { to: "bob".into(), ..PushArgs::default() }
}

#[test]
fn a_letter_travels_as_text_or_as_bytes() {
    let fake = Fake::default();
    let client = api(fake.clone());
    for (body, asked) in [
        (b"hello".to_vec(), "\"hello\" of 5"),
        (vec![0xff, 0], "\"\u{fffd}\\0\" of 2"),
        (vec![1; 1 << 20], "of 1048576"),
        (vec![0xff; 1 << 20], "of 1048576"),
    ] {
        for args in [to_bob(), PushArgs { json: true, ..to_bob() }] {
            assert_eq!(letters::push_to(&client, &args, body.clone()), Ok(()));
            let last = fake.asked.lock().unwrap().last().unwrap().clone();
            assert!(last.starts_with("push 22222222") && last.contains(asked), "{last}");
        }
    }
    let twin = PushArgs { to: "twin".into(), ..PushArgs::default() };
    let ambiguous = letters::push_to(&client, &twin, b"hello".to_vec()).unwrap_err();
    assert_eq!(ambiguous.report(), Exit::Failed);
}

#[test]
fn a_push_that_waits_ends_as_its_letter_does() {
    for (state, exit) in [
        (State::Delivered, None),
        (State::Read, None),
        (State::Failed, Some(Exit::Failed)),
        (State::Expired, Some(Exit::Failed)),
    ] {
        let fake = Fake::default();
        let client = api(fake.clone());
        std::thread::spawn(move || {
            let mail = &fake.mail;
            let there = || mail.letter(letter_id(9)).is_some();
            while !there() {
                std::thread::sleep(Duration::from_millis(5));
            }
            mail.turn(letter_id(9), State::Sent, "");
            std::thread::sleep(Duration::from_millis(20));
            mail.turn(letter_id(9), state, "so it is");
        });
        let args = PushArgs { wait: true, timeout: Some(20), ..to_bob() };
        let ended = letters::push_to(&client, &args, b"hello".to_vec());
        assert_eq!(ended.err().map(|t| t.report()), exit, "{state:?}");
    }
    let client = api(Fake::default());
    let args = PushArgs { wait: true, timeout: Some(1), plain: true, ..to_bob() };
    let late = letters::push_to(&client, &args, b"hello".to_vec()).unwrap_err();
    assert_eq!(late.report(), Exit::TimedOut);
}

#[test]
fn what_is_pulled_is_acknowledged_once_it_is_printed() {
    let fake = Fake::default();
    let client = api(fake.clone());
    let pull = |args: PullArgs| letters::pull_from(&client, &args, &mut false);
    let unread = || fake.mail.view.borrow().unread;
    for n in 0..30 {
        fake.mail.arrive(bob_says(n + 1, "hello"));
    }
    for json in [true, false] {
        assert_eq!(pull(PullArgs { peek: true, json, ..PullArgs::default() }), Ok(()));
        assert_eq!(unread(), 30, "only looked at");
    }
    assert_eq!(pull(PullArgs { limit: Some(5), ..PullArgs::default() }), Ok(()));
    assert_eq!(unread(), 25);
    let with = |who: &str| PullArgs { with: Some(who.into()), ..PullArgs::default() };
    assert_eq!(pull(with("carol")), Ok(()));
    assert_eq!(unread(), 25);
    assert_eq!(pull(PullArgs { plain: true, ..PullArgs::default() }), Ok(()));
    assert_eq!(unread(), 0);
    for args in [PullArgs::default(), PullArgs { plain: true, ..PullArgs::default() }] {
        assert_eq!(pull(args), Ok(()), "nothing there");
    }
    *fake.refuse.lock().unwrap() = true;
    let mut printed = false;
    let refused = letters::pull_from(&client, &PullArgs::default(), &mut printed).unwrap_err();
    assert_eq!((refused.report(), printed), (Exit::Failed, false));
}

#[test]
fn letters_are_followed_as_they_come() {
    let fake = Fake::default();
    let client = api(fake.clone());
    let later = fake.clone();
    std::thread::spawn(move || {
        for n in 0..3 {
            std::thread::sleep(Duration::from_millis(30));
            later.mail.arrive(bob_says(n + 1, "hello"));
        }
    });
    let follow = PullArgs { follow: true, limit: Some(3), ..PullArgs::default() };
    assert_eq!(letters::pull_from(&client, &follow, &mut false), Ok(()));
    assert_eq!(fake.mail.view.borrow().unread, 0);
    let look = PullArgs { peek: true, json: true, ..follow };
    assert_eq!(letters::pull_from(&client, &look, &mut false), Ok(()), "each is shown once");
}

/// How `share` and `get` wait in these tests: nothing is printed beside the answer.
const QUIET: Follow =
    Follow { progress: Progress::None, no_wait: false, timeout: None, json: false };

/// Changes transfer 8 once it has begun.
fn then(fake: &Fake, change: fn(&mut Transfer)) {
    let fake = fake.clone();
    std::thread::spawn(move || {
        let begun = |view: &PiecesView| view.transfers.iter().position(|t| t.row.transfer == 8);
        while begun(&fake.pieces.borrow()).is_none() {
            std::thread::yield_now();
        }
        fake.show(|view| {
            let at = begun(view).unwrap();
            change(&mut view.transfers[at]);
        });
    });
}

#[test]
fn a_get_ends_well_only_when_it_is_done() {
    let ask = || AskGet {
        ticket: crate::api::samples::file(10).to_string(),
        out: Some("/srv".into()),
        force: false,
    };
    for (change, exit) in [
        ((|t| t.row.phase = Phase::Done) as fn(&mut Transfer), None),
        (|t| t.row.phase = Phase::Failed, Some(Exit::Failed)),
        (|t| t.row.phase = Phase::Stopped, Some(Exit::Failed)),
        (|t| (t.row.phase, t.row.file) = (Phase::Done, None), Some(Exit::Internal)),
    ] {
        let fake = Fake::default();
        let client = api(fake.clone());
        then(&fake, change);
        let done = files::get_one(&client, &ask(), file(10), &QUIET);
        assert_eq!(done.err().map(|t| t.report()), exit);
        assert_eq!(fake.asked.lock().unwrap()[0], "get aaaaaaaa Some(\"/srv\") false");
    }
    let client = api(Fake::default());
    let begun = std::time::Instant::now();
    let impatient = Follow { timeout: Some(1), ..QUIET };
    let late = files::get_one(&client, &ask(), file(10), &impatient).unwrap_err();
    assert_eq!(late.report(), Exit::TimedOut, "it never ends");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    for follow in [Follow { no_wait: true, ..QUIET }, Follow { no_wait: true, json: true, ..QUIET }]
    {
        assert_eq!(files::get_one(&client, &ask(), file(10), &follow), Ok(()));
    }
}

#[test]
fn a_share_waits_for_its_ticket() {
    let fake = Fake::default();
    let client = api(fake.clone());
    for progress in [Progress::None, Progress::Json, Progress::Auto] {
        for json in [true, false] {
            let follow = Follow { progress, json, ..QUIET };
            assert_eq!(share(&client, &["/srv/photos"], &follow), []);
        }
    }
    assert_eq!(fake.asked.lock().unwrap()[0], "share /srv/photos");
    *fake.refuse.lock().unwrap() = true;
    let refused = share(&client, &["/srv/photos", "/srv/films"], &QUIET);
    assert_eq!(refused.iter().map(Trouble::exit).collect::<Vec<_>>(), [Exit::Failed; 2]);
}

/// Shares all of them; what went wrong.
fn share(client: &Client, paths: &[&str], follow: &Follow) -> Vec<Trouble> {
    let (unsent, mut troubles) = (AtomicUsize::new(paths.len()), Vec::new());
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    files::share_all(client, paths, follow, &unsent, &mut troubles);
    assert_eq!(unsent.into_inner(), 0, "all were sent");
    troubles
}

#[test]
fn all_shares_are_begun_before_any_is_waited_for() {
    let fake = Fake::default();
    let client = api(fake.clone());
    // It is never done: as one that waits for the first would never send the second.
    fake.show(|view| {
        let mut endless = shared(7);
        endless.row.phase = Phase::Hashing;
        view.transfers.push(endless);
    });
    let impatient = Follow { timeout: Some(1), ..QUIET };
    let begun = std::time::Instant::now();
    let late = share(&client, &["/srv/a", "/srv/b", "/srv/c"], &impatient);
    assert_eq!(late.iter().map(Trouble::exit).collect::<Vec<_>>(), [Exit::TimedOut; 3]);
    assert!(begun.elapsed() < Duration::from_secs(3), "one deadline for all");
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!(asked, ["share /srv/a", "share /srv/b", "share /srv/c"]);
}

#[test]
fn a_number_that_means_another_transfer_is_not_followed() {
    let ask = AskGet { ticket: file(10).to_string(), out: Some("/srv".into()), force: false };
    for change in [(|t| t.row.file = Some(file(11))) as fn(&mut Transfer), |t| t.row.share = true] {
        let fake = Fake::default();
        let client = api(fake.clone());
        then(&fake, change);
        let lost = files::get_one(&client, &ask, file(10), &QUIET).unwrap_err();
        assert!(format!("{lost:?}").contains("lost sight"), "{lost:?}");
        assert_eq!(lost.exit(), Exit::Failed);
    }
}

#[test]
fn each_way_to_get_no_answer_has_its_exit_status() {
    let daemon = |addr| Daemon { addr, token: "wrong".into(), start: "node -p bob".into() };
    let exit = |client: &Client| client.get::<Value>("status").unwrap_err().report();
    let good = api(Fake::default());
    assert_eq!(exit(&Client::to(daemon(good.daemon.addr))), Exit::Failed, "another token");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    drop(taken);
    assert_eq!(exit(&Client::to(daemon(addr))), Exit::NoDaemon, "nothing listens");

    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::to(daemon(mute.local_addr().unwrap()));
    assert_eq!(exit(&client), Exit::TimedOut, "accepts and says nothing");
}

#[test]
fn a_segment_can_hold_anything() {
    assert_eq!(segment("a/b c?é"), "a%2Fb%20c%3F%C3%A9");
    assert_eq!(segment("[::1]:8090"), "%5B%3A%3A1%5D%3A8090");
    assert_eq!(segment(".."), "%2E%2E");
}
