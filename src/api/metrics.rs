//! `GET /metrics`: figures for Prometheus, in the OpenMetrics format.
//!
//! Every scrape looks at the daemon anew and builds all families from what it saw; nothing is kept between two.
//! Labels are few and bounded: words of ours, and of own links the peer's id and label, for at most
//! [`mesh::LINKS_MAX`] of them.

mod api;
mod files;
mod limits;
mod mail;
mod mesh;
mod node;
mod process;
pub(super) mod requests;
mod sheet;

use std::sync::Arc;

use actix_web::{HttpResponse, web};

use self::sheet::Sheet;
use super::read::ask;
use super::routes::routes;
use super::server::Context;
use crate::actors::messages::{
    ConfigWanted, FiguresWanted, MailFigures, MailView, PeerRow, PeersWanted, PiecesView,
    RegistryStatus, SettingRow, StatusWanted,
};
use crate::mesh::view::View;

/// What is answered, and how long it is understood: OpenMetrics 1.0.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What one scrape saw of the daemon. What did not answer in time is none, and the rest is told all the same.
struct Seen {
    status: Option<RegistryStatus>,
    peers: Option<Vec<PeerRow>>,
    figures: Option<MailFigures>,
    settings: Option<Vec<SettingRow>>,
    view: Arc<View>,
    pieces: Arc<PiecesView>,
    mail: Arc<MailView>,
}

impl Seen {
    async fn of(context: &Context) -> Seen {
        let services = &context.services;
        let (status, peers, figures, settings) = tokio::join!(
            ask("registry", &services.status, StatusWanted),
            ask("registry", &services.peers, PeersWanted),
            ask("courier", &services.figures, FiguresWanted),
            ask("supervisor", &services.config, ConfigWanted),
        );
        Seen {
            status: status.ok(),
            peers: peers.ok(),
            figures: figures.ok(),
            settings: settings.ok(),
            view: context.view(),
            pieces: context.pieces(),
            mail: context.mail.borrow().clone(),
        }
    }
}

/// The whole text of one scrape.
fn text(context: &Context, seen: &Seen) -> Result<String, std::fmt::Error> {
    let mut sheet = Sheet::new("kith");
    node::tell(&mut sheet, context, seen);
    mesh::tell(&mut sheet, context, seen);
    files::tell(&mut sheet, seen);
    mail::tell(&mut sheet, seen);
    api::tell(&mut sheet, context);
    limits::tell(&mut sheet, seen);
    let mut process = Sheet::new("process");
    process::tell(&mut process);
    sheet::written(&[sheet, process])
}

routes![metrics];

/// Figures for Prometheus
///
/// OpenMetrics 1.0; each family has a help text. What does not answer in time is left out, and `kith_service_up`
/// says so.
#[utoipa::path(get, path = "/metrics", tag = "see", responses(
    (status = 200, description = "all families", body = String, content_type = "application/openmetrics-text"),
))]
async fn metrics(context: web::Data<Context>) -> HttpResponse {
    let seen = Seen::of(&context).await;
    match text(&context, &seen) {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        // A String takes whatever is written into it.
        Err(error) => {
            log::error!("the metrics cannot be written: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}

#[cfg(test)]
mod tests;
