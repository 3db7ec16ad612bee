//! The Disk: what blocks on files, on a thread of its own.

use actix::{Actor, ActorContext, Context, Handler};

use super::lifeline::Lifeline;
use super::messages::{SaveBook, Stop};
use crate::store::book_db::BookDb;

/// The actor.
pub struct Disk {
    book: BookDb,
    failing: bool,
    lifeline: Lifeline,
}

impl Disk {
    /// A disk that keeps the book in `book`.
    pub fn new(book: BookDb, lifeline: Lifeline) -> Disk {
        Disk { book, failing: false, lifeline }
    }
}

impl Actor for Disk {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.lifeline.release();
    }
}

impl Handler<SaveBook> for Disk {
    type Result = bool;

    fn handle(&mut self, SaveBook(book): SaveBook, _: &mut Context<Self>) -> bool {
        match self.book.save(&book) {
            Ok(_) => {
                if std::mem::take(&mut self.failing) {
                    log::info!("the address book is saved again");
                }
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    log::error!("the address book was not saved, it will be tried again: {error}");
                }
                false
            }
        }
    }
}

impl Handler<Stop> for Disk {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
