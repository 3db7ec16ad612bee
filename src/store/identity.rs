//! Who this node is: an Ed25519 key and the certificate that carries its public half.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::pkcs8::Document;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rcgen::{CertificateParams, DnType, PKCS_ED25519, PublicKeyData, SignatureAlgorithm};
use zeroize::Zeroizing;

use super::certificate;
pub use super::key_file::IdentityError;
use super::key_file::{read_certificate, read_key};
use super::state_dir::{Durability, StateDir};
use crate::mesh::NodeId;
use crate::mesh::record::Crypto;

/// File in the state directory with the private key, PKCS#8 in PEM, mode 0600.
pub const KEY_FILE: &str = "identity.key";
/// File in the state directory with the certificate, PEM.
pub const CERTIFICATE_FILE: &str = "identity.crt";

/// A node's key and certificate. Clones share the key.
#[derive(Clone)]
pub struct Identity {
    pair: Arc<Ed25519KeyPair>,
    key: [u8; 32],
    /// DER.
    certificate: Arc<[u8]>,
}

impl fmt::Debug for Identity {
    /// Shows the id only, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.id().short())
    }
}

impl Identity {
    /// A new identity, in memory only.
    pub fn generate() -> Result<Identity, IdentityError> {
        Identity::of(Ed25519KeyPair::generate().map_err(|_| IdentityError::Crypto)?)
    }

    /// Reads a key from a PEM file (PKCS#8) that only its owner may read, and its certificate if a file
    /// is named; otherwise one is made. `Err` names the file, what is wrong and what to do.
    pub fn from_pem(key: &Path, certificate: Option<&Path>) -> Result<Identity, IdentityError> {
        let identity = Identity::of(read_key(key)?)?;
        match certificate {
            Some(path) => identity.with_certificate(key, path),
            None => Ok(identity),
        }
    }

    /// The identity kept in a state directory ([`KEY_FILE`], [`CERTIFICATE_FILE`]); made and written
    /// if there is none, and the certificate made anew if only that is missing.
    pub fn load_or_create(dir: &StateDir) -> Result<Identity, IdentityError> {
        let (key, cert) = (dir.path().join(KEY_FILE), dir.path().join(CERTIFICATE_FILE));
        let identity = match Identity::from_pem(&key, None) {
            Ok(identity) => identity,
            Err(IdentityError::Missing(_)) if cert.exists() => {
                return Err(IdentityError::KeyLost { cert, key });
            }
            Err(IdentityError::Missing(_)) => {
                let identity = Identity::generate()?;
                let pem = identity.key_pem()?;
                dir.write_atomic(KEY_FILE, pem.as_bytes(), 0o600, Durability::Synced)?;
                identity
            }
            Err(other) => return Err(other),
        };
        if cert.exists() {
            return identity.with_certificate(&key, &cert);
        }
        let pem = pem_text("CERTIFICATE", identity.certificate());
        dir.write_atomic(CERTIFICATE_FILE, pem.as_bytes(), 0o644, Durability::Synced)?;
        Ok(identity)
    }

    /// The id that peers will compute from the certificate.
    pub fn id(&self) -> NodeId {
        NodeId::of_key(&self.key)
    }

    /// The certificate to present, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The private key in PKCS#8 (version 1, which every tool reads); wiped from memory when dropped.
    pub(crate) fn pkcs8(&self) -> Result<Document, IdentityError> {
        self.pair.to_pkcs8v1().map_err(|_| IdentityError::Crypto)
    }

    fn of(pair: Ed25519KeyPair) -> Result<Identity, IdentityError> {
        let key: [u8; 32] =
            pair.public_key().as_ref().try_into().map_err(|_| IdentityError::Crypto)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "kith");
        let signer = Signer { pair: &pair, key: &key };
        let certificate = params.self_signed(&signer).map_err(|_| IdentityError::Crypto)?;
        let certificate = certificate.der().as_ref().into();
        Ok(Identity { pair: Arc::new(pair), key, certificate })
    }

    /// Takes the certificate of a file instead of the one made, if peers would accept it for this key.
    fn with_certificate(mut self, key: &Path, cert: &Path) -> Result<Identity, IdentityError> {
        let der = read_certificate(cert)?;
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        match certificate::key_of(&der, now_s) {
            Ok(found) if found == self.key => {
                self.certificate = der.into();
                Ok(self)
            }
            Ok(_) => Err(IdentityError::Foreign { key: key.to_owned(), cert: cert.to_owned() }),
            Err(bad) => Err(IdentityError::Certificate { path: cert.to_owned(), bad }),
        }
    }

    fn key_pem(&self) -> Result<Zeroizing<String>, IdentityError> {
        Ok(Zeroizing::new(pem_text("PRIVATE KEY", self.pkcs8()?.as_ref())))
    }
}

fn pem_text(tag: &str, der: &[u8]) -> String {
    let section = pem::Pem::new(tag, der);
    let text =
        pem::encode_config(&section, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF));
    // The section copied the bytes, and they may be a private key.
    drop(Zeroizing::new(section.into_contents()));
    text
}

impl Crypto for Identity {
    fn key(&self) -> [u8; 32] {
        self.key
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature = self.pair.sign(message);
        signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }

    fn verify(&self, key: &[u8; 32], message: &[u8], sig: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, key).verify(message, sig).is_ok()
    }
}

/// Lets rcgen sign with our key without a copy of it.
struct Signer<'a> {
    pair: &'a Ed25519KeyPair,
    key: &'a [u8; 32],
}

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.key
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests;
