//! Every route and every rule, against one fake actor that answers all messages.

mod bounds;
mod courier;
mod documented;
mod events;
mod files;
mod letters;
mod letters_came;
mod routes;
mod rules;
mod session;
mod shapes;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use actix::{Actor, Context as ActorContext, Handler, MessageResult};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use actix_web::{Error, web};
use serde_json::Value;
use tokio::sync::watch;

use super::events::Places;
use super::guard::Hosts;
use super::samples::{self, id, view};
use super::server::{Context, app};
use super::session::Sessions;
use super::{Drain, Facts, Services, Token};
use crate::actors::messages::*;
use crate::mesh::view::View;

pub use courier::{Mail, bob_says};

pub const TOKEN: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";

/// Answers every message; notes what it was asked; refuses when told to.
#[derive(Clone)]
pub struct Fake {
    pub asked: Arc<Mutex<Vec<String>>>,
    pub refuse: Arc<Mutex<bool>>,
    pub lonely: bool,
    /// The graph it shows.
    pub view: Arc<watch::Sender<Arc<View>>>,
    /// What it shows of files: `share` adds number 7, which is done, `get` number 8, which goes on.
    pub pieces: Arc<watch::Sender<Arc<PiecesView>>>,
    /// What it knows of letters.
    pub mail: Arc<Mail>,
}

impl Default for Fake {
    fn default() -> Fake {
        Fake {
            asked: Arc::default(),
            refuse: Arc::default(),
            lonely: false,
            view: Arc::new(watch::Sender::new(Arc::new(view()))),
            pieces: Arc::new(watch::Sender::new(Arc::new(samples::pieces()))),
            mail: Arc::default(),
        }
    }
}

impl Actor for Fake {
    type Context = ActorContext<Fake>;
}

impl Fake {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }

    /// Shows other files and transfers from now on.
    pub fn show(&self, change: impl FnOnce(&mut PiecesView)) {
        self.pieces.send_modify(|view| change(Arc::make_mut(view)));
    }

    fn begin(&self, transfer: Transfer) -> Result<u64, Refused> {
        let number = self.result(transfer.row.transfer)?;
        self.show(|view| view.transfers.push(transfer));
        Ok(number)
    }

    fn result<T>(&self, value: T) -> Result<T, Refused> {
        match *self.refuse.lock().unwrap() {
            true => Err(Refused { why: "not today".into() }),
            false => Ok(value),
        }
    }
}

/// Makes the fake answer a message: what it notes, then what it answers.
macro_rules! answers {
    ($message:ty, |$fake:ident, $m:ident| $note:expr, $answer:expr) => {
        impl Handler<$message> for Fake {
            type Result = MessageResult<$message>;
            fn handle(&mut self, $m: $message, _: &mut Self::Context) -> Self::Result {
                let $fake = self;
                $fake.note($note);
                MessageResult($answer)
            }
        }
    };
}

answers!(PeersWanted, |_fake, _m| "peers".into(), rows());
answers!(
    StatusWanted,
    |fake, _m| "status".into(),
    RegistryStatus {
        links: 1,
        handshakes: 0,
        joined: !fake.lonely,
        problems: vec![],
        health: 0,
        counters: vec![("frames_dropped", 3)],
    }
);
answers!(
    WhyWanted,
    |_fake, m| format!("why {:?}", m.peer),
    vec![Evidence { at_ms: 5, text: "its socket was closed without a goodbye".into() }]
);
answers!(Connect, |fake, m| format!("connect {}", m.addr), fake.result(id(2)));
answers!(Disconnect, |fake, m| format!("disconnect {:?}", m.peer), fake.result(()));
answers!(SetPinned, |fake, m| format!("pin {:?} {}", m.peer, m.pinned), fake.result(()));
answers!(UnpinLabel, |fake, m| format!("unpin label {}", m.label), fake.result(()));
answers!(SetBanned, |fake, m| format!("ban {:?} {}", m.peer, m.banned), fake.result(()));
answers!(Probe, |fake, m| format!("probe {:?}", m.peer), fake.result(321));
answers!(Trace, |fake, m| format!("trace {:?}", m.peer), fake.result(samples::walk()));
answers!(Shout, |fake, m| format!("shout {}", m.text.len()), fake.result(2));
answers!(
    ConfigWanted,
    |_fake, _m| "config".into(),
    vec![SettingRow {
        key: "network.controller.listen.port".into(),
        value: 8090.into(),
        origin: "-s".into(),
    }]
);
answers!(
    Reload,
    |fake, _m| "reload".into(),
    fake.result(Reloaded {
        applied: vec!["log.format".into()],
        needs_restart: vec!["control.listen".into()],
    })
);
answers!(Share, |fake, m| format!("share {}", m.path.display()), fake.begin(samples::shared(7)));
answers!(
    GetFile,
    |fake, m| format!("get {} {:?} {}", m.ticket.file.short(), m.out, m.force),
    fake.begin(samples::fetching(8))
);
answers!(StopTransfer, |fake, m| format!("stop {}", m.transfer), fake.result(()));
answers!(Forget, |fake, m| format!("forget {}", m.file.short()), fake.result(()));
answers!(PinsWanted, |fake, m| format!("pins {}", m.0), fake.mail.pins());
answers!(Push, |fake, m| courier::asked(&m), {
    let refused = fake.result(());
    refused.map(|()| fake.mail.push(&m))
});
answers!(
    LettersWanted,
    |fake, m| format!("letters {:?} {}", m.with, m.limit),
    fake.result(fake.mail.letters(m.with, m.limit))
);
answers!(LetterWanted, |fake, m| format!("letter {:?}", m.0), fake.result(fake.mail.letter(m.0)));
answers!(Pull, |fake, m| format!("pull {:?} {} {} {}", m.with, m.peek, m.after, m.limit), {
    let refused = fake.result(());
    refused.map(|()| fake.mail.pull(&m))
});
answers!(
    Acknowledge,
    |fake, m| format!("ack {:?}", m.0),
    fake.result(()).map(|()| fake.mail.acknowledge(&m.0))
);
answers!(RelaysWanted, |_fake, _m| "relays".into(), samples::relays());
answers!(FiguresWanted, |_fake, _m| "figures".into(), samples::figures());
answers!(Shutdown, |_fake, m| format!("shutdown {} {}", m.why, m.leave), ());

/// What the fake registry knows: a link to bob, and mallory, banned and never in the graph.
pub fn rows() -> Vec<PeerRow> {
    let bob = samples::linked();
    let mallory = PeerRow {
        id: Some(id(9)),
        label: "mallory".into(),
        link: LinkPhase::Down,
        direction: None,
        rtt_us: None,
        addr: None,
        banned: true,
        pinned: false,
        problem: Some("banned".into()),
        ..bob.clone()
    };
    vec![bob, mallory]
}

pub fn services(fake: &Fake) -> Services {
    let addr = fake.clone().start();
    Services {
        peers: addr.clone().recipient(),
        status: addr.clone().recipient(),
        why: addr.clone().recipient(),
        pins: addr.clone().recipient(),
        connect: addr.clone().recipient(),
        disconnect: addr.clone().recipient(),
        pin: addr.clone().recipient(),
        unpin_label: addr.clone().recipient(),
        ban: addr.clone().recipient(),
        probe: addr.clone().recipient(),
        trace: addr.clone().recipient(),
        shout: addr.clone().recipient(),
        share: addr.clone().recipient(),
        get_file: addr.clone().recipient(),
        stop_transfer: addr.clone().recipient(),
        forget: addr.clone().recipient(),
        push: addr.clone().recipient(),
        letters: addr.clone().recipient(),
        letter: addr.clone().recipient(),
        pull: addr.clone().recipient(),
        acknowledge: addr.clone().recipient(),
        relays: addr.clone().recipient(),
        figures: addr.clone().recipient(),
        config: addr.clone().recipient(),
        reload: addr.clone().recipient(),
        shutdown: addr.recipient(),
    }
}

pub fn facts() -> Facts {
    Facts {
        id: id(1),
        label: "alice".into(),
        listen: vec![([127, 0, 0, 1], 9001).into()],
        state_dir: Some("profiles/alice".into()),
        started: Instant::now(),
        token: Token::new(TOKEN),
        tally: Arc::default(),
    }
}

pub fn context(services: Services, drain: &Drain) -> web::Data<Context> {
    context_of(&Fake::default(), services, drain)
}

pub fn context_of(fake: &Fake, services: Services, drain: &Drain) -> web::Data<Context> {
    web::Data::new(Context {
        services,
        facts: facts(),
        view: fake.view.subscribe(),
        pieces: fake.pieces.subscribe(),
        mail: fake.mail.view.subscribe(),
        places: Places::default(),
        hosts: Hosts::of(([127, 0, 0, 1], 7777).into()),
        addr: ([127, 0, 0, 1], 7777).into(),
        sessions: Sessions::default(),
        drain: drain.clone(),
        requests: Default::default(),
    })
}

/// A request that breaks no rule.
pub fn request(method: Method, path: &str) -> TestRequest {
    TestRequest::with_uri(path)
        .method(method)
        .insert_header(("host", "127.0.0.1:7777"))
        .insert_header(("authorization", format!("Bearer {TOKEN}")))
}

/// Sends it to a fresh API over `fake`; the status and the whole answer.
pub async fn send(fake: &Fake, request: TestRequest) -> (StatusCode, String) {
    let drain = Drain::default();
    let app = init_service(app(context_of(fake, services(fake), &drain))).await;
    call(&app, request.to_request()).await
}

pub async fn call<Q>(
    app: &impl Service<Q, Response = ServiceResponse, Error = Error>,
    request: Q,
) -> (StatusCode, String) {
    let answer = try_call_service(app, request).await;
    let response = answer.expect("answered, not failed");
    assert_eq!(response.headers().get("x-content-type-options").unwrap(), "nosniff");
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    let status = response.status();
    (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

pub async fn get(fake: &Fake, path: &str) -> (StatusCode, Value) {
    let (status, body) = send(fake, request(Method::GET, path)).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

pub async fn post(fake: &Fake, path: &str, body: Value) -> (StatusCode, Value) {
    let (status, body) = send(fake, request(Method::POST, path).set_json(body)).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}
