//! How a file is named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::mesh::{NodeId, ParseIdError};

/// Names a file or directory: the SHA-256 of its manifest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub [u8; 32]);

impl FileId {
    /// The id of the file with this manifest.
    pub fn of_manifest(bytes: &[u8]) -> FileId {
        FileId(Sha256::digest(bytes).into())
    }

    /// The first 8 hex digits, for people.
    pub fn short(&self) -> String {
        NodeId(self.0).short()
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NodeId(self.0).fmt(f)
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileId({})", self.short())
    }
}

impl FromStr for FileId {
    type Err = ParseIdError;

    /// Reads 64 hex digits.
    fn from_str(text: &str) -> Result<FileId, ParseIdError> {
        text.parse().map(|NodeId(bytes)| FileId(bytes))
    }
}
