//! What the Supervisor is given to start a daemon from.

use std::path::PathBuf;
use std::sync::Arc;

use actix::{Arbiter, Recipient};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::lifeline::Lifeline;
use super::messages::{Answers, MailView, PiecesView, Stop};
use super::services::Services;
use super::voice::Voice;
use crate::mail::rows::Recalled;
use crate::mesh::book::Book;
use crate::mesh::peers::Home;
use crate::mesh::record::Crypto;
use crate::mesh::topology::Identity;
use crate::mesh::view::View;
use crate::net::session::Shared;
use crate::settings::{Loaded, Sources};
use crate::store::book_db::BookDb;
use crate::store::letters::LetterStore;
use crate::store::pieces::PieceStore;
use crate::store::state_dir::StateDir;

/// What Control is started with.
pub struct ControlParts {
    /// Who answers what.
    pub services: Services,
    /// The graph as it is.
    pub view: watch::Receiver<Arc<View>>,
    /// The files and transfers as they are.
    pub pieces: watch::Receiver<Arc<PiecesView>>,
    /// What is told of letters.
    pub mail: watch::Receiver<Arc<MailView>>,
    /// Is told once it listens.
    pub answers: Recipient<Answers>,
    /// Tells when it has ended.
    pub lifeline: Lifeline,
}

/// How Control is told to stop.
pub struct ControlHandle {
    /// From now on the API answers 503.
    pub drain: Box<dyn Fn() + Send>,
    /// End.
    pub stop: Recipient<Stop>,
}

/// Starts Control on an arbiter. Control is in the room above; whoever builds the daemon brings it.
pub type StartControl = Box<dyn Fn(ControlParts, &Arbiter) -> ControlHandle + Send>;

/// Everything the daemon is built from.
pub struct Boot {
    /// The settings, and where they came from.
    pub loaded: Loaded,
    /// For reading them again.
    pub sources: Sources,
    /// Signs and checks records.
    pub crypto: Arc<dyn Crypto + Send + Sync>,
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// The state directory, locked; none when only in memory.
    pub state: Option<Arc<StateDir>>,
    /// What the last run remembered, with this boot's epoch in it.
    pub book: Book,
    /// Where it is kept.
    pub book_db: BookDb,
    /// Where we are and whom to dial first.
    pub home: Home,
    /// Who we are.
    pub identity: Identity,
    /// Listens already.
    pub socket: std::net::TcpListener,
    /// Standard output.
    pub voice: Voice,
    /// The graph before anything is known.
    pub view: watch::Sender<Arc<View>>,
    /// What is shared and fetched.
    pub store: PieceStore,
    /// Where downloads go when nobody says where to.
    pub downloads: Option<PathBuf>,
    /// The files and transfers before any are known.
    pub pieces: watch::Sender<Arc<PiecesView>>,
    /// Where letters are kept.
    pub letters: LetterStore,
    /// What the last run left of them.
    pub recalled: Recalled,
    /// What is told of letters before there is anything to tell.
    pub mail: watch::Sender<Arc<MailView>>,
    /// Starts Control.
    pub control: StartControl,
    /// Seed of all chance that need not be secret.
    pub seed: u64,
    /// Seed of the chance that must be.
    pub secret: [u8; 32],
}

impl Boot {
    /// Secret chance of one generation: no two draw the same.
    pub(super) fn secret_of(&self, generation: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(generation.to_be_bytes());
        hash.finalize().into()
    }
}
