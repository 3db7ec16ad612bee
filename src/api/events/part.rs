//! One view of the daemon, told row by row: what differs from the view told before.

use std::sync::Arc;

use tokio::sync::watch;

/// A view whose rows can be told one after another.
pub trait Rows: Send + Sync + 'static {
    /// Says what is different from `told`, beginning at row number `from` (at 0: also what is gone), until about
    /// a chunk is full: the row to go on with, if there is one.
    fn say(&self, told: &Self, from: usize, text: &mut String) -> Option<usize>;
}

/// A view that is told.
pub struct Part<V> {
    view: watch::Receiver<Arc<V>>,
    /// What was told of last, in whole.
    told: Arc<V>,
    /// What is being told of, and how many of its rows are done.
    telling: Option<(Arc<V>, usize)>,
}

impl<V: Rows> Part<V> {
    /// Will tell all of `view`; `nothing` is one without rows.
    pub fn new(mut view: watch::Receiver<Arc<V>>, nothing: V) -> Part<V> {
        view.mark_changed();
        Part { view, told: Arc::new(nothing), telling: None }
    }

    /// Says about a chunk of what is new; whether there is more. None: the view's owner is gone.
    pub fn say(&mut self, text: &mut String) -> Option<bool> {
        if self.telling.is_none() && self.view.has_changed().ok()? {
            self.telling = Some((self.view.borrow_and_update().clone(), 0));
        }
        let Some((now, done)) = self.telling.take() else { return Some(false) };
        match now.say(&self.told, done, text) {
            Some(done) => self.telling = Some((now, done)),
            None => self.told = now,
        }
        Some(self.telling.is_some())
    }

    /// Ends when there is something new. None: the view's owner is gone.
    pub async fn changed(&mut self) -> Option<()> {
        self.view.changed().await.ok()?;
        self.view.mark_changed();
        Some(())
    }
}
