//! TLS between nodes: version 1.3 only, a certificate from both ends, and the id read from the key that
//! signed the handshake.
//!
//! No certificate authority and no host names: a certificate says nothing but "this key", the handshake
//! signature proves its holder, and the id is the key's hash. What follows from an id is decided elsewhere.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, CommonState, ConnectionCommon, DigitallySignedStruct,
    DistinguishedName, OtherError, ServerConfig, SignatureScheme,
};

use crate::mesh::NodeId;
use crate::store::certificate::{self, BadCertificate};
use crate::store::identity::Identity;

/// The protocol that both ends must name (ALPN).
pub const ALPN: &[u8] = b"kith/1";
/// Label under which the proof of the network's secret is bound to a connection (RFC 5705).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-kith-network";

/// Why TLS cannot be set up, or a finished handshake is worth nothing. The connection must be closed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The library refused our own key or settings.
    #[error("TLS cannot be set up with this identity")]
    Setup(#[source] rustls::Error),
    /// The private key could not be handed to the library.
    #[error("TLS cannot use the private key")]
    Key,
    /// The handshake is not finished, or the peer showed no certificate.
    #[error("the peer has not shown who it is")]
    NoCertificate,
    /// The peer's certificate is not acceptable (any more).
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    /// The peer speaks another protocol than [`ALPN`].
    #[error("the peer did not agree to speak kith/1")]
    Protocol,
    /// No bytes to bind a proof to could be taken from the connection.
    #[error("the connection gave no exporter")]
    Exporter(#[source] rustls::Error),
}

/// The node that answered is not the one that was dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected node {expected} and found {found}")]
pub struct IdentityMismatch {
    /// Who was dialled.
    pub expected: NodeId,
    /// Whom the certificate named; unproven, since the handshake ended there.
    pub found: NodeId,
}

/// The TLS settings of one identity.
#[derive(Clone, Debug)]
pub struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Tls {
    /// Prepares both ends' settings. `Err` means that the library does not take the key.
    pub fn new(identity: &Identity) -> Result<Tls, TlsError> {
        let provider = Arc::new(provider());
        let algorithms = provider.signature_verification_algorithms;
        let ours = Arc::new(Ours(Arc::new(certified_key(identity)?)));
        let anyone = Arc::new(Verifier { expect: None, algorithms });

        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Setup)?
            .dangerous()
            .with_custom_certificate_verifier(anyone.clone())
            .with_client_cert_resolver(ours.clone());
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_early_data = false;
        client.enable_sni = false;

        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Setup)?
            .with_client_cert_verifier(anyone)
            .with_cert_resolver(ours);
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.max_early_data_size = 0;

        Ok(Tls { client: Arc::new(client), server: Arc::new(server), algorithms })
    }

    /// Settings for a dial. With `expect`, a handshake with any other node fails before a byte of
    /// ours beyond the hello is sent; [`identity_mismatch`] tells it from other failures.
    pub fn client(&self, expect: Option<NodeId>) -> Arc<ClientConfig> {
        if expect.is_none() {
            return self.client.clone();
        }
        let mut config = ClientConfig::clone(&self.client);
        let verifier = Verifier { expect, algorithms: self.algorithms };
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        Arc::new(config)
    }

    /// Settings for accepted connections.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }
}

/// The name to hand to rustls when dialling; it is neither sent nor compared.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from("kith").expect("a constant that is a valid name")
}

/// The id and Ed25519 key (32 bytes) that the peer proved to hold, once the handshake is finished.
///
/// Also checks that both ends named [`ALPN`]. On `Err` the connection must be closed.
pub fn peer_id(connection: &CommonState) -> Result<(NodeId, [u8; 32]), TlsError> {
    // rustls lets a peer pass that names no protocol at all.
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(TlsError::Protocol);
    }
    let Some([end_entity]) = connection.peer_certificates() else {
        return Err(TlsError::NoCertificate);
    };
    let key = certificate::key_of(end_entity, UnixTime::now().as_secs())?;
    Ok((NodeId::of_key(&key), key))
}

/// 32 bytes that only the two ends of this one connection can compute, for [`super::proof::proof`].
pub fn exporter<Side>(connection: &ConnectionCommon<Side>) -> Result<[u8; 32], TlsError> {
    connection.export_keying_material([0; 32], EXPORTER_LABEL, None).map_err(TlsError::Exporter)
}

/// If a handshake failed because another node answered: the id `(expected, found)`.
pub fn identity_mismatch(error: &io::Error) -> Option<(NodeId, NodeId)> {
    let rustls_error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) =
        rustls_error
    else {
        return None;
    };
    let mismatch = inner.downcast_ref::<IdentityMismatch>()?;
    Some((mismatch.expected, mismatch.found))
}

fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519],
        ..aws_lc_rs::default_provider()
    }
}

fn certified_key(identity: &Identity) -> Result<CertifiedKey, TlsError> {
    let pkcs8 = identity.pkcs8().map_err(|_| TlsError::Key)?;
    let key = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_ref()))
        .map_err(TlsError::Setup)?;
    let certificate = CertificateDer::from(identity.certificate().to_vec());
    let certified = CertifiedKey::new(vec![certificate], key);
    certified.keys_match().map_err(TlsError::Setup)?;
    Ok(certified)
}

/// Presents our certificate.
#[derive(Debug)]
struct Ours(Arc<CertifiedKey>);

impl ResolvesServerCert for Ours {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Whoever does not ask for our protocol is not shown who we are; the handshake ends here.
        hello.alpn()?.any(|name| name == ALPN).then(|| self.0.clone())
    }
}

impl rustls::client::ResolvesClientCert for Ours {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        schemes.contains(&SignatureScheme::ED25519).then(|| self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Decides whether a peer's certificate and handshake signature are good.
#[derive(Debug)]
struct Verifier {
    expect: Option<NodeId>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn certificate(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        if !intermediates.is_empty() {
            return Err(refusal(BadCertificate::Chain(intermediates.len())));
        }
        let key = certificate::key_of(end_entity, now.as_secs()).map_err(refusal)?;
        let found = NodeId::of_key(&key);
        match self.expect {
            Some(expected) if expected != found => {
                let mismatch = OtherError(Arc::new(IdentityMismatch { expected, found }));
                Err(CertificateError::Other(mismatch).into())
            }
            _ => Ok(()),
        }
    }

    /// The signature is checked against the very key the id is computed from, in the form the id is
    /// computed from, so that no second parser of certificates can see another key in the same bytes.
    fn signature(
        &self,
        message: &[u8],
        end_entity: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if signed.scheme != SignatureScheme::ED25519 {
            return Err(rustls::PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        let now_s = UnixTime::now().as_secs();
        let key = certificate::key_of(end_entity, now_s).map_err(refusal)?;
        let spki = NodeId::spki(&key);
        let spki = SubjectPublicKeyInfoDer::from(spki.as_slice());
        verify_tls13_signature_with_raw_key(message, &spki, signed, &self.algorithms)
    }
}

fn refusal(bad: BadCertificate) -> rustls::Error {
    match bad {
        BadCertificate::Expired => CertificateError::Expired,
        BadCertificate::NotYetValid => CertificateError::NotValidYet,
        BadCertificate::Malformed => CertificateError::BadEncoding,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
    .into()
}

fn no_tls12() -> rustls::Error {
    rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13.into()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.certificate(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.certificate(end_entity, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
mod tests;
