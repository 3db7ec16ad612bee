//! A member of foca 2: its core, which knows no sockets and no time, driven by one task with one UDP socket.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use foca::{AccumulatingRuntime, Config, Foca, Identity, OwnedNotification, PostcardCodec, Timer};
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::board::Board;

/// Between two tries to join, as long as nobody answered.
const RETRY: Duration = Duration::from_secs(1);
const DATAGRAM_MAX: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Name {
    addr: SocketAddr,
    /// Tells apart lives at one address: who was called gone comes back with the next one.
    life: u32,
}

impl Identity for Name {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Name> {
        Some(Name { life: self.life.wrapping_add(1), ..*self })
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, adversary: &Name) -> bool {
        self.life > adversary.life
    }
}

/// One member, as long as it is not dropped.
pub struct Member {
    task: JoinHandle<()>,
    stopped: watch::Sender<bool>,
}

impl Member {
    /// Starts member `number` of a cluster that will have about `size`; it joins by way of `seed`.
    pub async fn start(
        number: usize,
        size: u32,
        seed: Option<SocketAddr>,
        board: Arc<Board>,
    ) -> Result<(Member, SocketAddr)> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let addr = socket.local_addr()?;
        board.call(addr, number);
        let config = Config::new_lan(NonZeroU32::new(size).unwrap_or(NonZeroU32::MIN));
        let rng: StdRng = rand::make_rng();
        let (stopped, pause) = watch::channel(false);
        let driven = Driven {
            number,
            seed: seed.map(|addr| Name { addr, life: 0 }),
            core: Foca::new(Name { addr, life: 0 }, config, rng, PostcardCodec),
            socket,
            runtime: AccumulatingRuntime::new(),
            timers: BinaryHeap::new(),
            board,
        };
        let task = tokio::spawn(driven.run(pause));
        Ok((Member { task, stopped }, addr))
    }

    /// As SIGSTOP (or SIGCONT) would: it does nothing, and its socket stays open.
    pub fn stop(&self, stop: bool) {
        self.stopped.send_replace(stop);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Driven {
    number: usize,
    seed: Option<Name>,
    core: Foca<Name, PostcardCodec, StdRng, foca::NoCustomBroadcast>,
    socket: UdpSocket,
    runtime: AccumulatingRuntime<Name>,
    /// In the order they are due; foca wants those of one moment in its own order.
    timers: BinaryHeap<Reverse<(Instant, Timer<Name>)>>,
    board: Arc<Board>,
}

impl Driven {
    async fn run(mut self, mut pause: watch::Receiver<bool>) {
        let mut datagram = vec![0; DATAGRAM_MAX];
        let mut retry = Instant::now();
        loop {
            if *pause.borrow_and_update() {
                if pause.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let seed = self.seed.filter(|_| self.core.num_members() == 0);
            let due = self.timers.peek().map(|Reverse((at, _))| *at);
            let wake = due.into_iter().chain(seed.map(|_| retry)).min();
            tokio::select! {
                changed = pause.changed() => if changed.is_err() { return },
                got = self.socket.recv_from(&mut datagram) => if let Ok((len, _)) = got {
                    // What it cannot use it says, and goes on.
                    let _ = self.core.handle_data(&datagram[..len], &mut self.runtime);
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    if let Some(seed) = seed.filter(|_| retry <= Instant::now()) {
                        let _ = self.core.announce(seed, &mut self.runtime);
                        retry = Instant::now() + RETRY;
                    }
                    self.fire();
                }
            }
            self.perform().await;
        }
    }

    /// Hands the core all timers that are due.
    fn fire(&mut self) {
        let now = Instant::now();
        while self.timers.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            if let Some(Reverse((_, timer))) = self.timers.pop() {
                let _ = self.core.handle_timer(timer, &mut self.runtime);
            }
        }
    }

    /// Does what the core asked for.
    async fn perform(&mut self) {
        while let Some((to, data)) = self.runtime.to_send() {
            if let Ok(len) = self.socket.send_to(&data, to.addr).await {
                self.board.count_sent(len);
            }
        }
        let now = Instant::now();
        while let Some((after, timer)) = self.runtime.to_schedule() {
            self.timers.push(Reverse((now + after, timer)));
        }
        while let Some(notice) = self.runtime.to_notify() {
            let (name, alive) = match notice {
                OwnedNotification::MemberUp(name) => (name, true),
                OwnedNotification::MemberDown(name) => (name, false),
                _ => continue,
            };
            if let Some(of) = self.board.number(name.addr) {
                self.board.see(self.number, of, alive);
            }
        }
    }
}
