//! The Listener: hands arriving connections to the PeerRegistry.

use std::net::SocketAddr;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture,
};

use super::lifeline::Lifeline;
use super::messages::{Arrived, Stop};
use super::post::post;

/// How long to wait after an accept that failed: most likely no descriptor is free.
const PAUSE: Duration = Duration::from_millis(100);

/// The actor.
pub struct Listener {
    socket: Option<std::net::TcpListener>,
    arrived: Recipient<Arrived>,
    lifeline: Lifeline,
}

impl Listener {
    /// Accepts from a socket that listens already and does not block.
    pub fn new(
        socket: std::net::TcpListener,
        arrived: Recipient<Arrived>,
        lifeline: Lifeline,
    ) -> Listener {
        Listener { socket: Some(socket), arrived, lifeline }
    }
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (socket, arrived) = (self.socket.take(), self.arrived.clone());
        let accept = async move {
            if let Some(socket) = socket
                && let Err(error) = accept(socket, &arrived).await
            {
                log::error!("cannot listen any more: {error}");
            }
        };
        ctx.spawn(accept.into_actor(self).map(|(), _, ctx| ctx.stop()));
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.lifeline.release();
    }
}

async fn accept(
    socket: std::net::TcpListener,
    arrived: &Recipient<Arrived>,
) -> std::io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket)?;
    let mut failing = false;
    loop {
        match socket.accept().await {
            Ok((stream, from)) => {
                failing = false;
                // A socket for both families shows IPv4 callers as ::ffff:192.0.2.7.
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                post(arrived, Arrived { socket: stream.into_std()?, from });
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    log::warn!("cannot accept connections: {error}; trying again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Handler<Stop> for Listener {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
