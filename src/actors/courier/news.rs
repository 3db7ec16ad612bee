//! What is told of letters as it happens.

use std::sync::Arc;

use actix::Context;

use super::super::messages::{Happened, MailView, NEWS_MAX, News, UnreadWanted};
use super::super::turn::Driver;
use super::Courier;
use crate::mail::LetterId;
use crate::mail::rows::State;
use crate::mesh::NodeId;
use crate::store::unix_ms;

/// Keeps one question about the unread letters under way.
#[derive(Default)]
pub(super) struct Newsroom {
    /// The number of unread letters is being asked for; and again, if more have come since.
    counting: bool,
    again: bool,
}

impl Courier {
    pub(super) fn came(&mut self, id: LetterId, from: NodeId, ctx: &mut Context<Self>) {
        self.tell(Happened::Came { id, from });
        self.count_unread(ctx);
    }

    pub(super) fn turned(&mut self, id: LetterId, to: NodeId, state: State, why: String) {
        self.tell(Happened::Turned { id, to, state, why });
    }

    /// Asks how many letters are unread, one question at a time.
    pub(super) fn count_unread(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.news.counting, true) {
            self.news.again = true;
            return;
        }
        self.ask(&self.ports.letterbox.unread, UnreadWanted, ctx, |courier, unread, ctx| {
            courier.news.counting = false;
            courier.publish(|view| view.unread = unread);
            if std::mem::take(&mut courier.news.again) {
                courier.count_unread(ctx);
            }
        });
    }

    fn tell(&mut self, what: Happened) {
        self.publish(|view| {
            // They go on where an earlier generation of actors left them.
            let number = view.news.back().map_or(0, |last| last.number) + 1;
            let news = News { number, at_ms: unix_ms(), what };
            if view.news.len() == NEWS_MAX {
                view.news.pop_front();
            }
            view.news.push_back(news);
        });
    }

    /// Changes what is shown where it is: it is copied only while somebody looks at it.
    fn publish(&mut self, change: impl FnOnce(&mut MailView)) {
        let waiting = self.turn.core.under_way_count() as u64;
        self.ports.view.send_modify(|view| {
            let view = Arc::make_mut(view);
            view.waiting = waiting;
            change(view);
        });
    }
}
