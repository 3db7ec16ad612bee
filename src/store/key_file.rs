//! Reading keys and certificates that a person may have made: PEM files, and all the ways they can be wrong.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use zeroize::Zeroizing;

use super::certificate::BadCertificate;
use super::state_dir::StateError;

/// More bytes than any key or certificate file has.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why there is no identity. No file was changed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file is not there.
    #[error("{} does not exist; correct the path, or leave it out and a key is made", .0.display())]
    Missing(PathBuf),
    /// The file is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may read or change the key file; ssh refuses such keys too.
    #[error("{} is open to others than its owner (mode {mode:04o}); run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds nothing of the kind looked for.
    #[error("{} holds no PEM section {wanted}; is it another kind of file, or damaged?", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// The section looked for.
        wanted: &'static str,
    },
    /// The key is protected by a passphrase, which a daemon cannot type.
    #[error(
        "{} is encrypted; write it without passphrase: openssl pkey -in {} -out key.pem",
        .0.display(), .0.display()
    )]
    Encrypted(PathBuf),
    /// A key of another kind.
    #[error(
        "{} holds {kind} and a node needs an Ed25519 key in PKCS#8; make one with: \
         openssl genpkey -algorithm ed25519 -out key.pem && \
         openssl req -x509 -key key.pem -out cert.pem -days 3650 -subj /CN=kith",
        path.display()
    )]
    NotEd25519 {
        /// The file.
        path: PathBuf,
        /// What it holds, with its article.
        kind: &'static str,
    },
    /// The key says Ed25519 and cannot be read as one.
    #[error(
        "the Ed25519 key in {} is damaged; restore it, or make a new identity with: \
         openssl genpkey -algorithm ed25519 -out key.pem",
        .0.display()
    )]
    Damaged(PathBuf),
    /// The certificate would be refused by every peer.
    #[error(
        "{} cannot be used: {bad}; leave it out, or make one that fits: \
         openssl req -x509 -key key.pem -out cert.pem -days 3650 -subj /CN=kith",
        path.display()
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        bad: BadCertificate,
    },
    /// The certificate is of another key.
    #[error(
        "the certificate {} does not belong to the key {}; leave it out, or make one that does: \
         openssl req -x509 -key {} -out cert.pem -days 3650 -subj /CN=kith",
        cert.display(), key.display(), key.display()
    )]
    Foreign {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        cert: PathBuf,
    },
    /// The state directory has a certificate and its key is gone; a new key would be another node.
    #[error(
        "{} is there and its key {} is not; restore the key, or remove the certificate to begin as a new node",
        cert.display(), key.display()
    )]
    KeyLost {
        /// The certificate file.
        cert: PathBuf,
        /// Where the key should be.
        key: PathBuf,
    },
    /// The new identity could not be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The crypto library failed; nothing a file could cause.
    #[error("the crypto library could not make a key or certificate")]
    Crypto,
}

/// Reads an Ed25519 key pair from the first private key in a PEM file.
pub(super) fn read_key(path: &Path) -> Result<Ed25519KeyPair, IdentityError> {
    let wanted = "PRIVATE KEY";
    let sections = sections(path, Guard::OwnerOnly, wanted)?;
    let not_ed25519 = |kind| IdentityError::NotEd25519 { path: path.to_owned(), kind };
    for section in &sections {
        let encrypted = section.headers().iter().any(|(_, value)| value.contains("ENCRYPTED"));
        return match section.tag() {
            "ENCRYPTED PRIVATE KEY" => Err(IdentityError::Encrypted(path.to_owned())),
            tag if encrypted && tag.ends_with(wanted) => {
                Err(IdentityError::Encrypted(path.to_owned()))
            }
            "PRIVATE KEY" => match other_algorithm(section.contents()) {
                Some(kind) => Err(not_ed25519(kind)),
                None => Ed25519KeyPair::from_pkcs8_maybe_unchecked(section.contents())
                    .map_err(|_| IdentityError::Damaged(path.to_owned())),
            },
            "RSA PRIVATE KEY" => Err(not_ed25519("an RSA key")),
            "EC PRIVATE KEY" => Err(not_ed25519("an EC key")),
            "OPENSSH PRIVATE KEY" => Err(not_ed25519("a key in the format of ssh")),
            tag if tag.ends_with(wanted) => Err(not_ed25519("a key of an old kind")),
            // Parameters, or a certificate kept in the same file.
            _ => continue,
        };
    }
    Err(IdentityError::NotPem { path: path.to_owned(), wanted })
}

/// The DER bytes of the first certificate in a PEM file; whether they are one is not looked at.
pub(super) fn read_certificate(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let wanted = "CERTIFICATE";
    sections(path, Guard::Anyone, wanted)?
        .into_iter()
        .find(|section| section.tag() == wanted)
        .map(pem::Pem::into_contents)
        .ok_or(IdentityError::NotPem { path: path.to_owned(), wanted })
}

#[derive(Clone, Copy, PartialEq)]
enum Guard {
    OwnerOnly,
    Anyone,
}

fn sections(
    path: &Path,
    guard: Guard,
    wanted: &'static str,
) -> Result<Vec<pem::Pem>, IdentityError> {
    let unreadable = |source: io::Error| match source.kind() {
        ErrorKind::NotFound => IdentityError::Missing(path.to_owned()),
        _ => IdentityError::Unreadable { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file, so that it cannot be another one than is read.
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if guard == Guard::OwnerOnly && mode & 0o077 != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    pem::parse_many(&bytes).map_err(|_| IdentityError::NotPem { path: path.to_owned(), wanted })
}

/// What a PKCS#8 key is if it is certainly not Ed25519, by the algorithm named at its beginning.
fn other_algorithm(pkcs8: &[u8]) -> Option<&'static str> {
    const NAMED: [(&[u8], &str); 6] = [
        (&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], "an RSA key"),
        (&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a], "an RSA-PSS key"),
        (&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], "an EC key"),
        (&[0x06, 0x03, 0x2b, 0x65, 0x6e], "an X25519 key"),
        (&[0x06, 0x03, 0x2b, 0x65, 0x6f], "an X448 key"),
        (&[0x06, 0x03, 0x2b, 0x65, 0x71], "an Ed448 key"),
    ];
    let beginning = &pkcs8[..pkcs8.len().min(24)];
    NAMED
        .iter()
        .find(|(oid, _)| beginning.windows(oid.len()).any(|bytes| bytes == *oid))
        .map(|(_, kind)| *kind)
}
