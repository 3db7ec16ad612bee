//! The Control actor: serves the API, and keeps the files people look at current.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, ActorFutureExt, Arbiter, AsyncContext, Context, Handler, WrapFuture,
};
use tokio::sync::watch;

use super::shapes::{self, Shaped};
use super::{Drain, Facts, Serving, export, serve};
use crate::actors::boot::{ControlHandle, ControlParts, StartControl};
use crate::actors::messages::{Answers, Stop};
use crate::actors::{Lifeline, deliver, to};
use crate::mesh::view::View;
use crate::store::state_dir::{Durability, StateDir};

/// The file that says where the API listens.
pub const ADDR_FILE: &str = "control.addr";
/// Shortest time between two writings of the graph files.
const WRITE_PAUSE: Duration = Duration::from_millis(200);
/// And so many times as long as the last one took: where the graph is large and changes all the time, people's files
/// are a twentieth of the work at most.
const WRITE_SHARE: u32 = 20;

/// How Control runs.
#[derive(Clone)]
pub struct Plan {
    /// Where to listen; port 0 is any free one.
    pub listen: std::net::SocketAddr,
    /// What the API tells of the daemon.
    pub facts: Facts,
    /// Where to write the address, and the graph files if they are wanted.
    pub dir: Option<Arc<StateDir>>,
    /// Write `peers.json` and `peers.d2`.
    pub graph_files: bool,
}

/// What the Supervisor starts Control with.
pub fn starter(plan: Plan) -> StartControl {
    Box::new(move |parts, arbiter: &Arbiter| {
        let drain = Drain::default();
        let control = Control {
            plan: plan.clone(),
            drain: drain.clone(),
            parts: Some(parts),
            serving: None,
            lifeline: None,
        };
        let addr = Control::start_in_arbiter(&arbiter.handle(), |_| control);
        ControlHandle { drain: Box::new(move || drain.begin()), stop: to(&addr) }
    })
}

struct Control {
    plan: Plan,
    drain: Drain,
    parts: Option<ControlParts>,
    serving: Option<actix_web::dev::ServerHandle>,
    lifeline: Option<Lifeline>,
}

impl Control {
    fn begin(&mut self, ctx: &mut Context<Self>) -> Result<(), String> {
        let parts = self.parts.take().ok_or("started twice")?;
        let ControlParts { services, view, pieces, mail, answers, lifeline } = parts;
        self.lifeline = Some(lifeline);
        let Plan { listen, facts, dir, graph_files } = self.plan.clone();
        let drain = self.drain.clone();
        let serving = serve(listen, services, facts, view.clone(), pieces, mail, drain);
        let Serving { addr, handle, server } = serving.map_err(|e| match &e {
            super::ApiError::Listen { source, .. } => format!("{e}: {source}"),
            super::ApiError::NotLoopback(_) => e.to_string(),
        })?;
        log::info!("control API on {addr}");
        self.serving = Some(handle);
        ctx.spawn(server.into_actor(self).map(|ended, _, ctx| {
            if let Err(error) = ended {
                log::error!("the control API failed: {error}");
            }
            ctx.stop();
        }));
        if let Some(dir) = dir {
            let text = addr.to_string();
            dir.write_atomic(ADDR_FILE, text.as_bytes(), 0o600, Durability::Cached)
                .map_err(|e| e.to_string())?;
            if graph_files {
                ctx.spawn(keep_files(dir, view).into_actor(self));
            }
        }
        deliver(&answers, Answers);
        Ok(())
    }
}

/// Writes the graph files whenever the graph has changed.
async fn keep_files(dir: Arc<StateDir>, mut view: watch::Receiver<Arc<View>>) {
    let mut failing = false;
    loop {
        let now = view.borrow_and_update().clone();
        let (to, begun) = (dir.clone(), Instant::now());
        let written = tokio::task::spawn_blocking(move || write_files(&to, &now)).await;
        match written {
            Ok(Ok(())) => failing = false,
            Ok(Err(error)) if !std::mem::replace(&mut failing, true) => {
                log::warn!("the graph files are not current: {error}");
            }
            Ok(Err(_)) => {}
            Err(error) => log::error!("writing the graph files crashed: {error}"),
        }
        tokio::time::sleep(WRITE_PAUSE.max(WRITE_SHARE * begun.elapsed())).await;
        if view.changed().await.is_err() {
            return;
        }
    }
}

fn write_files(dir: &StateDir, view: &View) -> Result<(), String> {
    let graph = Shaped::new(shapes::Graph::from(view));
    let json = serde_json::to_vec_pretty(&graph).map_err(|e| e.to_string())?;
    let write = |name, bytes: &[u8]| {
        dir.write_atomic(name, bytes, 0o644, Durability::Cached).map_err(|e| e.to_string())
    };
    write("peers.json", &json)?;
    write("peers.d2", export::d2(view).as_bytes())
}

impl Actor for Control {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Err(error) = self.begin(ctx) {
            log::error!("the control API cannot start: {error}");
            ctx.stop();
        }
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        if let Some(lifeline) = &mut self.lifeline {
            lifeline.release();
        }
    }
}

impl Handler<Stop> for Control {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        if let Some(serving) = self.serving.take() {
            ctx.spawn(serving.stop(true).into_actor(self).map(|(), _, ctx| ctx.stop()));
        } else {
            ctx.stop();
        }
    }
}
