//! What is told of letters as it happens.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::Context;

use super::super::messages::{Happened, MailView, NEWS_MAX, News, UnreadWanted};
use super::super::turn::Driver;
use super::Courier;
use crate::mail::LetterId;
use crate::mail::rows::State;
use crate::mesh::NodeId;
use crate::store::unix_ms;

/// Numbers the news and publishes them.
#[derive(Default)]
pub(super) struct Newsroom {
    news: VecDeque<News>,
    number: u64,
    unread: u64,
    /// The number of unread letters is being asked for; and again, if more have come since.
    counting: bool,
    again: bool,
}

impl Newsroom {
    fn add(&mut self, what: Happened) {
        self.number += 1;
        if self.news.len() == NEWS_MAX {
            self.news.pop_front();
        }
        self.news.push_back(News { number: self.number, at_ms: unix_ms(), what });
    }
}

impl Courier {
    pub(super) fn came(&mut self, id: LetterId, from: NodeId, ctx: &mut Context<Self>) {
        self.news.add(Happened::Came { id, from });
        self.tell();
        self.count_unread(ctx);
    }

    pub(super) fn turned(&mut self, id: LetterId, to: NodeId, state: State, why: String) {
        self.news.add(Happened::Turned { id, to, state, why });
        self.tell();
    }

    /// Asks how many letters are unread, one question at a time.
    pub(super) fn count_unread(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.news.counting, true) {
            self.news.again = true;
            return;
        }
        self.ask(&self.ports.letterbox.unread, UnreadWanted, ctx, |courier, unread, ctx| {
            courier.news.unread = unread;
            courier.news.counting = false;
            courier.tell();
            if std::mem::take(&mut courier.news.again) {
                courier.count_unread(ctx);
            }
        });
    }

    fn tell(&mut self) {
        let view = MailView {
            unread: self.news.unread,
            waiting: self.turn.core.under_way_count() as u64,
            news: self.news.news.clone(),
        };
        self.ports.view.send_replace(Arc::new(view));
    }
}
