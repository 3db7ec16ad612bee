//! Real handshakes over an in-memory stream: what is let in, and every lie we know of refused.

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SigningKey as _, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::*;
use crate::net::proof::{Role, proof, proof_fits};

type Handshake =
    (io::Result<client::TlsStream<DuplexStream>>, io::Result<server::TlsStream<DuplexStream>>);

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Both ends at once; the dialler then reads, since in TLS 1.3 it learns of a refusal only so.
async fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Handshake {
    let (a, b) = tokio::io::duplex(64 * 1024);
    let accept = async {
        let mut stream = TlsAcceptor::from(server).accept(b).await?;
        stream.write_all(b"!").await?;
        Ok(stream)
    };
    let dial = async {
        let mut stream = TlsConnector::from(client).connect(server_name(), a).await?;
        stream.read_exact(&mut [0]).await?;
        Ok(stream)
    };
    tokio::join!(dial, accept)
}

fn node() -> (Identity, Tls) {
    let identity = Identity::generate().unwrap();
    let tls = Tls::new(&identity).unwrap();
    (identity, tls)
}

/// Fails with both ends' texts if the acceptor let the dialler in, or the other way round.
fn refused((dial, accept): Handshake) -> (io::Error, io::Error) {
    match (dial, accept) {
        (Err(dial), Err(accept)) => (dial, accept),
        (dial, accept) => panic!("not refused: {:?} {:?}", dial.err(), accept.err()),
    }
}

/// A certificate of one key, presented by a signer with another (or any) key.
fn presenting(certificates: Vec<Vec<u8>>, pkcs8: &[u8]) -> Arc<Ours> {
    let pkcs8 = rustls::pki_types::PrivateKeyDer::try_from(pkcs8.to_vec()).unwrap();
    let key = aws_lc_rs::sign::any_supported_type(&pkcs8).unwrap();
    let chain = certificates.into_iter().map(CertificateDer::from).collect();
    // CertifiedKey::new, unlike from_der, does not compare the key with the certificate.
    Arc::new(Ours(Arc::new(CertifiedKey::new(chain, key))))
}

fn client_presenting(tls: &Tls, ours: Arc<Ours>) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&tls.client(None));
    config.client_auth_cert_resolver = Arc::new(AnyScheme(ours.0.clone()));
    Arc::new(config)
}

fn server_presenting(tls: &Tls, ours: Arc<Ours>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(&tls.server());
    config.cert_resolver = ours;
    Arc::new(config)
}

/// Presents its certificate even to a server that did not ask for its kind.
#[derive(Debug)]
struct AnyScheme(Arc<CertifiedKey>);

impl rustls::client::ResolvesClientCert for AnyScheme {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
    fn has_certs(&self) -> bool {
        true
    }
}

/// Refused in both directions: shown to a server by a client, and to a client by a server.
fn refused_both_ways(certificates: Vec<Vec<u8>>, pkcs8: &[u8]) -> (io::Error, io::Error) {
    let ((_, liar), (_, honest)) = (node(), node());
    let ours = presenting(certificates, pkcs8);
    let as_client = run(handshake(client_presenting(&liar, ours.clone()), honest.server()));
    let as_server = run(handshake(honest.client(None), server_presenting(&liar, ours)));
    (refused(as_client).1, refused(as_server).0)
}

fn self_signed(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    change(&mut params);
    params.self_signed(key).unwrap().der().to_vec()
}

#[test]
fn both_ends_learn_the_others_id_and_share_an_exporter() {
    let ((alice, a), (bob, b)) = (node(), node());
    let (dial, accept) = run(handshake(a.client(Some(bob.id())), b.server()));
    let (dial, accept) = (dial.unwrap(), accept.unwrap());
    let (dial, accept) = (dial.get_ref().1, accept.get_ref().1);

    let (id, key) = peer_id(dial).unwrap();
    assert_eq!((id, NodeId::of_key(&key)), (bob.id(), bob.id()));
    assert_eq!(peer_id(accept).unwrap().0, alice.id());

    let (at_a, at_b) = (exporter(dial).unwrap(), exporter(accept).unwrap());
    let sent = proof(b"secret", &at_a, Role::Dialler, alice.id(), bob.id());
    assert!(proof_fits(&sent, b"secret", &at_b, Role::Acceptor, bob.id(), alice.id()));
    let (again, _) = run(handshake(a.client(None), b.server()));
    assert_ne!(exporter(again.unwrap().get_ref().1).unwrap(), at_a, "bound to one connection");
}

#[test]
fn the_handshake_is_what_we_promise() {
    let ((_, a), (_, b)) = (node(), node());
    let (dial, _) = run(handshake(a.client(None), b.server()));
    let mut dial = dial.unwrap();
    let state = dial.get_mut().1;
    assert_eq!(state.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    let suite = state.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    let group = state.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(state.handshake_kind(), Some(rustls::HandshakeKind::Full));
    assert_eq!(state.tls13_tickets_received(), 0);
}

#[test]
fn a_stolen_certificate_with_another_key_fails_in_the_handshake() {
    let ((alice, _), (mallory, _)) = (node(), node());
    let errors =
        refused_both_ways(vec![alice.certificate().to_vec()], mallory.pkcs8().unwrap().as_ref());
    for error in [errors.0, errors.1] {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        let bad = rustls::Error::InvalidCertificate(CertificateError::BadSignature);
        assert_eq!(inner, Some(&bad));
    }
}

#[test]
fn another_id_than_the_expected_is_refused_before_the_dialler_says_who_it_is() {
    let ((alice, a), (bob, b)) = (node(), node());
    let (dial, accept) = refused(run(handshake(a.client(Some(alice.id())), b.server())));
    assert_eq!(identity_mismatch(&dial), Some((alice.id(), bob.id())));
    assert_eq!(identity_mismatch(&accept), None);
    assert_eq!(identity_mismatch(&io::Error::other("else")), None);
    assert_eq!(identity_mismatch(&ErrorKind::NotFound.into()), None);
}

#[test]
fn wrong_and_missing_protocols_are_refused() {
    let ((_, a), (_, b)) = (node(), node());
    for offered in [vec![], vec![b"h2".to_vec()], vec![b"kith/2".to_vec(), b"kith/10".to_vec()]] {
        let mut config = ClientConfig::clone(&a.client(None));
        config.alpn_protocols = offered;
        refused(run(handshake(Arc::new(config), b.server())));
    }
    // A server that names no protocol is let through by rustls and stopped by peer_id.
    let mut config = ServerConfig::clone(&b.server());
    config.alpn_protocols = vec![];
    let (dial, accept) = run(handshake(a.client(None), Arc::new(config)));
    assert!(matches!(peer_id(dial.unwrap().get_ref().1), Err(TlsError::Protocol)));
    assert!(matches!(peer_id(accept.unwrap().get_ref().1), Err(TlsError::Protocol)));
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let ((_, a), (_, b)) = (node(), node());
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            expect: None,
            algorithms: a.algorithms,
        }))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let (_, accept) = refused(run(handshake(Arc::new(config), b.server())));
    let inner = accept.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    assert_eq!(inner, Some(&rustls::Error::NoCertificatesPresented));
}

#[test]
fn expired_and_not_yet_valid_certificates_are_refused() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let expired = self_signed(&key, |p| p.not_after = date_time_ymd(2020, 1, 1));
    let early = self_signed(&key, |p| p.not_before = date_time_ymd(3000, 1, 1));
    for (der, wanted) in
        [(expired, CertificateError::Expired), (early, CertificateError::NotValidYet)]
    {
        let errors = refused_both_ways(vec![der], key.serialized_der());
        for error in [errors.0, errors.1] {
            let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
            assert_eq!(inner, Some(&rustls::Error::InvalidCertificate(wanted.clone())));
        }
    }
}

#[test]
fn keys_of_other_kinds_chains_and_huge_certificates_are_refused() {
    let ec = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    for key in [&ec, &rsa] {
        refused_both_ways(vec![self_signed(key, |_| {})], key.serialized_der());
    }
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let good = self_signed(&key, |_| {});
    let huge = self_signed(&key, |p| {
        p.distinguished_name.push(rcgen::DnType::OrganizationName, "x".repeat(4096));
    });
    let bad = |error: &io::Error| -> Option<BadCertificate> {
        let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) =
            error.get_ref()?.downcast_ref::<rustls::Error>()?
        else {
            return None;
        };
        inner.downcast_ref().copied()
    };
    let (at_server, at_client) =
        refused_both_ways(vec![good.clone(), good.clone()], key.serialized_der());
    assert_eq!(bad(&at_server), Some(BadCertificate::Chain(1)));
    assert_eq!(bad(&at_client), Some(BadCertificate::Chain(1)));
    let (at_server, at_client) = refused_both_ways(vec![huge.clone()], key.serialized_der());
    assert_eq!(bad(&at_server), Some(BadCertificate::TooLarge(huge.len())));
    assert_eq!(bad(&at_client), Some(BadCertificate::TooLarge(huge.len())));
    assert!(key.sign(b"the key itself is usable").is_ok());
}

#[test]
fn tls12_is_refused_before_a_certificate_is_shown() {
    // rustls is built without TLS 1.2, so the hello is made by hand: version 1.2, one of its suites,
    // Ed25519, X25519, our protocol, and no supported_versions extension.
    let extensions: &[&[u8]] = &[
        &[0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x08, 0x07],
        &[0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x1d],
        &[0x00, 0x0b, 0x00, 0x02, 0x01, 0x00],
        &[0x00, 0x10, 0x00, 0x09, 0x00, 0x07, 0x06, b'k', b'i', b't', b'h', b'/', b'1'],
        &[0x00, 0x17, 0x00, 0x00],
    ];
    let extensions = extensions.concat();
    let mut hello = vec![0x03, 0x03];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let len = u16::try_from(hello.len()).unwrap();
    let record = [
        &[0x16, 0x03, 0x01][..],
        &(len + 4).to_be_bytes(),
        &[0x01, 0x00],
        &len.to_be_bytes(),
        &hello,
    ]
    .concat();

    let (_, b) = node();
    run(async {
        let (mut raw, stream) = tokio::io::duplex(64 * 1024);
        raw.write_all(&record).await.unwrap();
        let error = TlsAcceptor::from(b.server()).accept(stream).await.unwrap_err();
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        assert!(matches!(inner, Some(rustls::Error::PeerIncompatible(_))), "{error}");
        let mut answer = Vec::new();
        raw.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, [0x15, 3, 3, 0, 2, 2, 70], "one alert, protocol_version, no more");
    });
}

#[test]
fn what_openssl_thinks_of_us() {
    // Another implementation, so that what we accept and refuse is not only what rustls says of itself.
    let dir = tempfile::tempdir().unwrap();
    let (key, cert) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
    let openssl = |args: &[&str]| {
        Command::new("openssl").args(args).current_dir(dir.path()).stderr(Stdio::null()).status()
    };
    let Ok(made) = openssl(&["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]) else {
        return crate::tests::skipped("there is no openssl here");
    };
    assert!(made.success());
    let req = ["req", "-x509", "-key", "key.pem", "-out", "cert.pem", "-days", "3650"];
    assert!(openssl(&[&req[..], &["-subj", "/CN=kith"]].concat()).unwrap().success());
    let theirs = Identity::from_pem(&key, Some(&cert)).unwrap();

    let (_, b) = node();
    let (ours, served) = run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut seen = Vec::new();
        for version in ["-tls1_3", "-tls1_2"] {
            let mut child = Command::new("openssl")
                .args(["s_client", "-connect", &address, "-alpn", "kith/1", version, "-quiet"])
                .args(["-key", "key.pem", "-cert", "cert.pem"])
                .current_dir(dir.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let (socket, _) = listener.accept().await.unwrap();
            let accepted = TlsAcceptor::from(b.server()).accept(socket).await;
            seen.push(accepted.map(|stream| peer_id(stream.get_ref().1).unwrap().0).ok());
            drop(child.stdin.take());
            child.kill().ok();
            child.wait().unwrap();
        }
        (seen[0], seen[1])
    });
    assert_eq!(ours, Some(theirs.id()), "TLS 1.3 with a certificate of openssl's making");
    assert_eq!(served, None, "TLS 1.2");
}
