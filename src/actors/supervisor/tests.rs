//! Actors that panic, in whole daemons in one process: what was promised of each comes true.

use std::sync::Arc;

use actix::{MessageResult, SyncContext};
use tokio::sync::watch;

use super::*;
use crate::actors::courier::Courier;
use crate::actors::disk::Disk;
use crate::actors::exchange::Exchange;
use crate::actors::heartbeat::Heartbeat;
use crate::actors::letterbox::Letterbox;
use crate::actors::post::post;
use crate::actors::registry::Registry;
use crate::actors::sealers::Sealers;
use crate::actors::shelf::Shelf;
use crate::actors::topology::Topology;
use crate::mesh::view::View;
use crate::store::pieces::ShareError;

/// Anyone: panic.
#[derive(Message)]
#[rtype(result = "()")]
struct Fail;

macro_rules! can_fail {
    ($($actor:ty),*) => {$(
        impl Handler<Fail> for $actor {
            type Result = ();

            fn handle(&mut self, _: Fail, _: &mut Context<Self>) {
                panic!("told to fail");
            }
        }
    )*};
}
can_fail!(Registry, Heartbeat, Topology, Disk, Exchange, Courier, Listener, Connection, Supervisor);
can_fail!(Discovery);

/// The same for those that have threads of their own.
macro_rules! can_fail_in_threads {
    ($($actor:ty),*) => {$(
        impl Handler<Fail> for $actor {
            type Result = ();

            fn handle(&mut self, _: Fail, _: &mut SyncContext<Self>) {
                panic!("told to fail");
            }
        }
    )*};
}
can_fail_in_threads!(Shelf, Letterbox, Sealers);

/// Supervisor: make this child panic.
#[derive(Message)]
#[rtype(result = "()")]
struct FailChild(Child);

impl Handler<FailChild> for Supervisor {
    type Result = ();

    fn handle(&mut self, FailChild(child): FailChild, _: &mut Context<Self>) {
        let actors = self.actors.as_ref().expect("between two generations there is nobody to fail");
        match child {
            Child::Registry => post(&to(&actors.mesh.registry), Fail),
            Child::Heartbeat => post(&to(&actors.mesh.heartbeat), Fail),
            Child::Topology => post(&to(&actors.mesh.topology), Fail),
            Child::Disk => post(&to(&actors.disk), Fail),
            Child::Exchange => post(&to(&actors.exchange), Fail),
            Child::Shelf => post(&to(&actors.shelf), Fail),
            Child::Courier => post(&to(&actors.courier), Fail),
            Child::Letterbox => post(&to(&actors.letterbox), Fail),
            Child::Sealers => post(&to(&actors.sealers), Fail),
            Child::Listener => post(&to(self.listener.as_ref().expect("it listens")), Fail),
            Child::Connection(conn) => post(&to(&self.connections[&conn]), Fail),
            Child::Discovery => post(&to(self.discovery.as_ref().expect("it looks")), Fail),
            Child::Control => unreachable!("it is in a room above"),
        }
    }
}

/// Supervisor: which generation is it, and what connections has it?
#[derive(Message)]
#[rtype(result = "(u64, Vec<ConnId>)")]
struct Look;

impl Handler<Look> for Supervisor {
    type Result = MessageResult<Look>;

    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> Self::Result {
        let built = self.actors.is_some();
        let generation = if built { self.generation } else { u64::MAX };
        MessageResult((generation, self.connections.keys().copied().collect()))
    }
}

/// Supervisor: does anybody look for others on the local network?
#[derive(Message)]
#[rtype(result = "bool")]
struct Looks;

impl Handler<Looks> for Supervisor {
    type Result = bool;

    fn handle(&mut self, _: Looks, _: &mut Context<Self>) -> bool {
        self.discovery.as_ref().is_some_and(Addr::connected)
    }
}

/// A daemon, as a test sees it.
struct Daemon {
    supervisor: Addr<Supervisor>,
    view: watch::Receiver<Arc<View>>,
    listen: std::net::SocketAddr,
    store: crate::store::pieces::PieceStore,
    _home: tempfile::TempDir,
}

impl Daemon {
    fn start(label: &str, seed: Option<&Daemon>) -> Daemon {
        Daemon::start_with(label, seed, &[])
    }

    fn start_with(label: &str, seed: Option<&Daemon>, sets: &[&str]) -> Daemon {
        let home = tempfile::tempdir().expect("a directory");
        let mut line: Vec<String> = vec!["node".into()];
        line.extend(["--port".into(), "0".into()]);
        for set in [
            format!("state.dir={}", home.path().display()),
            format!("label={label}"),
            "network.controller.listen.addr=127.0.0.1".into(),
        ] {
            line.extend(["-s".into(), set]);
        }
        for set in sets {
            line.extend(["-s".into(), set.to_string()]);
        }
        if let Some(seed) = seed {
            line.extend(["--connect".into(), seed.listen.to_string()]);
        }
        let line = crate::cli::parse(line.into_iter().map(Into::into)).expect("a good line");
        let boot = crate::daemon::boot(&line.flags).expect("a good start");
        let (view, listen) = (boot.view.subscribe(), boot.home.listen);
        let store = boot.store.clone();
        Daemon { supervisor: Supervisor::new(boot).start(), view, listen, store, _home: home }
    }

    async fn look(&self) -> (u64, Vec<ConnId>) {
        self.supervisor.send(Look).await.expect("it lives")
    }

    async fn fail(&self, child: Child) {
        self.supervisor.send(FailChild(child)).await.expect("it lives");
    }

    fn links(&self) -> usize {
        self.view.borrow().links.iter().filter(|l| l.confirmed).count()
    }

    async fn wait_for_links(&self, count: usize) {
        wait(&format!("{count} confirmed links"), async || self.links() == count).await;
    }

    async fn wait_for_generation(&self, generation: u64) {
        wait("the next generation", async || self.look().await.0 == generation).await;
    }
}

/// Polls until it is so.
async fn wait(what: &str, done: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_secs(40), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn when_an_actor_that_others_build_on_fails_all_are_built_again_and_the_links_come_back() {
    for child in [
        Child::Registry,
        Child::Heartbeat,
        Child::Topology,
        Child::Disk,
        Child::Exchange,
        Child::Shelf,
        Child::Courier,
        Child::Letterbox,
        Child::Sealers,
    ] {
        System::new().block_on(async {
            let seed = Daemon::start("seed", None);
            let other = Daemon::start("other", Some(&seed));
            seed.wait_for_links(1).await;
            other.wait_for_links(1).await;
            // The seed knows nobody but from its own address book.
            seed.fail(child).await;
            seed.wait_for_generation(1).await;
            seed.wait_for_links(1).await;
            other.wait_for_links(1).await;
            assert_eq!(other.look().await.0, 0, "{child:?}: the other one has nothing to mend");
        });
    }
}

#[test]
fn a_connection_that_fails_costs_its_link_for_a_moment_and_nothing_else() {
    System::new().block_on(async {
        let seed = Daemon::start("seed", None);
        let other = Daemon::start("other", Some(&seed));
        seed.wait_for_links(1).await;
        for side in [&seed, &other] {
            wait("one connection", async || side.look().await.1.len() == 1).await;
            let before = side.look().await.1[0];
            side.fail(Child::Connection(before)).await;
            let another = async || {
                let now = side.look().await.1;
                now.len() == 1 && now[0] != before
            };
            wait("another connection", another).await;
            seed.wait_for_links(1).await;
            other.wait_for_links(1).await;
        }
        assert_eq!((seed.look().await.0, other.look().await.0), (0, 0));
    });
}

#[test]
fn a_listener_that_fails_listens_again() {
    System::new().block_on(async {
        let seed = Daemon::start("seed", None);
        wait("the first generation", async || seed.look().await.0 == 0).await;
        seed.fail(Child::Listener).await;
        let other = Daemon::start("other", Some(&seed));
        other.wait_for_links(1).await;
        assert_eq!(seed.look().await.0, 0, "a leaf takes nobody with it");
    });
}

/// Looking for others would reach the machines around this one, so it is tried where there are none.
#[test]
fn a_discovery_that_fails_looks_again_and_one_that_is_of_no_use_never_begins() {
    const INSIDE: &str = "KITH_TEST_ALONE";
    if std::env::var_os(INSIDE).is_none() {
        let apart = |program: &std::path::Path| {
            let mut command = std::process::Command::new("unshare");
            command.arg("--net").arg(program).env(INSIDE, "1");
            command
        };
        if !apart("true".as_ref()).status().is_ok_and(|status| status.success()) {
            return crate::tests::skipped("a network of its own needs root and unshare");
        }
        let this = std::thread::current().name().expect("tests have names").to_owned();
        let again = apart(&std::env::current_exe().expect("this test"))
            .args(["--exact", &this, "--nocapture"])
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && said.contains("1 passed"), "{again:?}");
        return;
    }
    let (every, on) = ("network.controller.listen.addr=::", "network.discovery.mdns=true");
    System::new().block_on(async {
        let looking = Daemon::start_with("looking", None, &[every, on]);
        let looks = async |daemon: &Daemon| daemon.supervisor.send(Looks).await.expect("it lives");
        wait("the first look", async || looks(&looking).await).await;
        looking.fail(Child::Discovery).await;
        wait("the end of it", async || !looks(&looking).await).await;
        wait("another look", async || looks(&looking).await).await;
        assert_eq!(looking.look().await.0, 0, "a leaf takes nobody with it");
        looking.fail(Child::Topology).await;
        looking.wait_for_generation(1).await;
        wait("the next generation's look", async || looks(&looking).await).await;
        for sets in [&[on][..], &[every]] {
            let not = Daemon::start_with("not", None, sets);
            wait("the first generation", async || not.look().await.0 == 0).await;
            assert!(!looks(&not).await, "{sets:?}");
        }
    });
}

#[test]
fn three_failures_within_a_minute_end_the_process_with_70() {
    let system = System::new();
    system.block_on(async {
        let daemon = Daemon::start("doomed", None);
        for generation in 0..3 {
            daemon.wait_for_generation(generation).await;
            daemon.fail(Child::Topology).await;
        }
    });
    assert_eq!(system.run_with_code().expect("it ends"), EXIT_INTERNAL);
}

#[test]
fn a_supervisor_that_fails_ends_the_process_with_70() {
    let system = System::new();
    system.block_on(async {
        let daemon = Daemon::start("headless", None);
        wait("the first generation", async || daemon.look().await.0 == 0).await;
        post(&to(&daemon.supervisor), Fail);
    });
    assert_eq!(system.run_with_code().expect("it ends"), EXIT_INTERNAL);
}

#[test]
fn a_daemon_told_to_stop_ends_with_0_also_between_two_generations() {
    let system = System::new();
    let store = system.block_on(async {
        let daemon = Daemon::start("stopped", None);
        wait("the first generation", async || daemon.look().await.0 == 0).await;
        daemon.fail(Child::Heartbeat).await;
        wait("the end of the generation", async || daemon.look().await.0 == u64::MAX).await;
        deliver(&to(&daemon.supervisor), Shutdown { leave: false, why: "a test" });
        daemon.store.clone()
    });
    assert_eq!(system.run_with_code().expect("it ends"), 0);
    let this = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let shared = store.share(&this, &|_, _| true);
    assert!(matches!(shared, Err(ShareError::Stopped)), "nothing is hashed for nobody");
}
