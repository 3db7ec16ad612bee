//! The routes about files: share, get, how far they are, what is known, forget.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::asks::{AskFile, AskGet, AskShare, Begun, Forgotten};
use super::failure::{Code, Failure, Refusal};
use super::read::{Answer, answer, ask};
use super::routes::routes;
use super::server::Context;
use super::shapes::{File, HexFile, Pieces, Shaped, Transfer, Transfers};
use super::which;
use crate::actors::messages::{self, Forget, GetFile, PiecesView, Share, StopTransfer};
use crate::pieces::event::TransferId;
use crate::pieces::ticket::{BadTicket, Ticket};

/// Longest wait for news of a transfer, milliseconds; shorter than the whole request may take.
pub const WAIT_MS_MAX: u64 = 4000;
/// A transfer is shown within a moment of its beginning; one that is not by then does not exist.
const SHOWN_WITHIN: Duration = Duration::from_millis(500);
/// Longest path, bytes: Linux's PATH_MAX.
const PATH_BYTES_MAX: usize = 4096;

routes![share, get_file, transfers, transfer, stop_transfer, pieces, forget];

/// What has begun and goes on after the answer: 202.
fn begun(transfer: TransferId) -> HttpResponse {
    HttpResponse::Accepted().json(Shaped::new(Begun { transfer }))
}

/// A path that means the same to every process of this machine.
fn absolute(text: &str) -> Result<PathBuf, Failure> {
    let remedy = "send the whole path, from the root";
    if text.len() > PATH_BYTES_MAX || text.contains('\0') {
        return Err(Failure::usage("that is no path: too long, or with a zero byte in it", remedy));
    }
    let path = PathBuf::from(text);
    match path.is_absolute() {
        true => Ok(path),
        false => Err(Failure::usage(format!("the path \"{text}\" is not absolute"), remedy)),
    }
}

/// Gives a file or directory to every node that has its ticket
///
/// It is hashed after the answer; the transfer tells how far that is, and then the ticket.
#[utoipa::path(post, path = "/api/v1/share", tag = "files", request_body = AskShare, responses(
    (status = 202, description = "it has begun", body = Shaped<Begun>),
    (status = 409, description = "it was refused", body = Refusal),
))]
async fn share(
    context: web::Data<Context>,
    body: web::Json<AskShare>,
) -> Result<HttpResponse, Failure> {
    let path = absolute(&body.path)?;
    let refused = ask("exchange", &context.services.share, Share { path }).await?;
    let what = format!("cannot share {}", body.path);
    refused.map(begun).map_err(|refused| Failure::refused(&what, refused))
}

/// Gets a file from everyone who holds it
///
/// The transfer tells how far it is.
#[utoipa::path(post, path = "/api/v1/get", tag = "files", request_body = AskGet, responses(
    (status = 202, description = "it has begun", body = Shaped<Begun>),
    (status = 409, description = "it was refused", body = Refusal),
))]
async fn get_file(
    context: web::Data<Context>,
    body: web::Json<AskGet>,
) -> Result<HttpResponse, Failure> {
    let AskGet { ticket, out, force } = body.into_inner();
    let ticket: Ticket = ticket.parse().map_err(|error: BadTicket| {
        Failure::usage(error.to_string(), "copy it again, whole, from where node share printed it")
    })?;
    let what = format!("cannot get {}", ticket.file.short());
    let out = out.as_deref().map(absolute).transpose()?;
    let message = GetFile { ticket, out, force };
    let refused = ask("exchange", &context.services.get_file, message).await?;
    refused.map(begun).map_err(|refused| Failure::refused(&what, refused))
}

/// What is being shared and got
#[utoipa::path(get, path = "/api/v1/transfers", tag = "files", responses(
    (status = 200, description = "those that run, and the last 64 that ended", body = Shaped<Transfers>),
))]
async fn transfers(context: web::Data<Context>) -> Answer<Transfers> {
    let view = context.pieces();
    answer(Transfers { transfers: view.transfers.iter().map(Transfer::from).collect() })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wait {
    /// Milliseconds to wait until it is shown otherwise.
    #[serde(default)]
    #[param(maximum = 4000)]
    wait_ms: u64,
}

/// The part of a path that names a transfer.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Numbered {
    /// Its number.
    transfer: TransferId,
}

/// One transfer
///
/// With `wait_ms`, once it is shown otherwise than when it was asked about. What is over is told at once.
#[utoipa::path(get, path = "/api/v1/transfers/{transfer}", tag = "files", params(Numbered, Wait), responses(
    (status = 200, description = "how far it is", body = Shaped<Transfer>),
    (status = 404, description = "there is no such transfer", body = Refusal),
))]
async fn transfer(
    context: web::Data<Context>,
    numbered: web::Path<Numbered>,
    query: web::Query<Wait>,
) -> Answer<Transfer> {
    if query.wait_ms > WAIT_MS_MAX {
        let why = format!("wait_ms is at most {WAIT_MS_MAX}, this is {}", query.wait_ms);
        return Err(Failure::usage(why, "ask again when it has been answered"));
    }
    let number = numbered.transfer;
    let find =
        |view: &PiecesView| view.transfers.iter().find(|t| t.row.transfer == number).cloned();
    let mut now = find(&context.pieces());
    if now.is_none() {
        now = changed(&context, SHOWN_WITHIN, |view| find(view).is_some())
            .await
            .and_then(|v| find(&v));
    } else if query.wait_ms > 0 && now.as_ref().is_some_and(|t| !is_over(t)) {
        let wait = Duration::from_millis(query.wait_ms);
        let news = changed(&context, wait, |view| find(view) != now).await;
        // One that is shown no more was told of for the last time.
        now = news.and_then(|view| find(&view)).or(now);
    }
    match now {
        Some(now) => answer(Transfer::from(&now)),
        None => Err(Failure::new(
            StatusCode::NOT_FOUND,
            Code::NotFound,
            format!("there is no transfer {number}"),
            "it never was, was before the daemon's last start, or ended long ago",
            "node transfers lists them",
        )),
    }
}

fn is_over(transfer: &messages::Transfer) -> bool {
    super::shapes::Phase::from(transfer.row.phase).is_over()
}

/// The first view that is `wanted`; none if there is none in time, or the daemon shuts down.
async fn changed(
    context: &Context,
    within: Duration,
    wanted: impl Fn(&PiecesView) -> bool,
) -> Option<Arc<PiecesView>> {
    let mut pieces = context.pieces.clone();
    let news = async { pieces.wait_for(|view| wanted(view)).await.ok().map(|view| view.clone()) };
    tokio::select! {
        news = timeout(within, news) => news.ok().flatten(),
        () = context.drain.wait() => None,
    }
}

/// Ends a transfer
///
/// What is there stays, and getting the file again goes on with it.
#[utoipa::path(post, path = "/api/v1/transfers/{transfer}/stop", tag = "files", params(Numbered), responses(
    (status = 200, description = "it has ended", body = Shaped<Begun>),
    (status = 409, description = "it does not run", body = Refusal),
))]
async fn stop_transfer(
    context: web::Data<Context>,
    numbered: web::Path<Numbered>,
) -> Answer<Begun> {
    let transfer = numbered.transfer;
    let result =
        ask("exchange", &context.services.stop_transfer, StopTransfer { transfer }).await?;
    let what = format!("cannot stop transfer {transfer}");
    result.map_err(|refused| Failure::refused(&what, refused))?;
    answer(Begun { transfer })
}

/// The files known here
#[utoipa::path(get, path = "/api/v1/pieces", tag = "files", responses(
    (status = 200, description = "by name", body = Shaped<Pieces>),
))]
async fn pieces(context: web::Data<Context>) -> Answer<Pieces> {
    let view = context.pieces();
    answer(Pieces { pieces: view.files.iter().map(File::from).collect() })
}

/// Gives a file to nobody any more
///
/// Shared files and finished downloads stay on the disk; what there is of an unfinished one is removed.
#[utoipa::path(post, path = "/api/v1/forget", tag = "files", request_body = AskFile, responses(
    (status = 200, description = "it was done", body = Shaped<Forgotten>),
    (status = 404, description = "no file fits", body = Refusal),
    (status = 409, description = "several fit, or it was refused", body = Refusal),
))]
async fn forget(context: web::Data<Context>, body: web::Json<AskFile>) -> Answer<Forgotten> {
    let view = context.pieces();
    let found = which::resolve(&body.file, &view.files);
    let file = found.map_err(|error| Failure::which(&body.file, error))?;
    let name = view.files.iter().find(|f| f.row.file == file).map(|f| f.row.name.clone());
    let result = ask("exchange", &context.services.forget, Forget { file }).await?;
    result.map_err(|why| Failure::refused(&format!("cannot forget {}", file.short()), why))?;
    answer(Forgotten { file_id: HexFile(file), name: name.unwrap_or_default() })
}
