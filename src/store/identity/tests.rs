use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, date_time_ymd};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use x509_parser::prelude::FromDer;

use super::*;
use crate::store::certificate::BadCertificate;

fn write(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn section(tag: &str, bytes: &[u8]) -> String {
    pem_text(tag, bytes)
}

/// The one line a person sees; also checks that it is one.
fn message(result: Result<Identity, IdentityError>) -> String {
    let text = result.unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn the_id_is_the_hash_of_the_spki_in_the_certificate() {
    let identity = Identity::generate().unwrap();
    let der = identity.certificate();
    let (_, cert) = x509_parser::certificate::X509Certificate::from_der(der).unwrap();
    assert_eq!(identity.id().0, <[u8; 32]>::from(Sha256::digest(cert.public_key().raw)));
    assert_eq!(certificate::key_of(der, 1_800_000_000), Ok(identity.key()));
}

#[test]
fn signatures_check_and_wrong_ones_do_not() {
    let (ours, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let sig = ours.sign(b"message");
    assert!(other.verify(&ours.key(), b"message", &sig));
    assert!(!other.verify(&other.key(), b"message", &sig));
    assert!(!other.verify(&ours.key(), b"massage", &sig));
    assert!(!other.verify(&ours.key(), b"message", &sig[..63]));
    assert!(!other.verify(&ours.key(), b"message", &[]));
    assert!(!other.verify(&[0xff; 32], b"message", &sig), "a key that is no point");
}

#[test]
fn a_restart_is_the_same_node() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::open(tmp.path()).unwrap();
    let first = Identity::load_or_create(&dir).unwrap();
    let key = tmp.path().join(KEY_FILE);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Identity::load_or_create(&dir).unwrap();
    assert_eq!((again.id(), again.certificate()), (first.id(), first.certificate()));

    fs::remove_file(tmp.path().join(CERTIFICATE_FILE)).unwrap();
    assert_eq!(Identity::load_or_create(&dir).unwrap().id(), first.id());

    fs::remove_file(key).unwrap();
    assert!(message(Identity::load_or_create(&dir)).contains("restore the key"));
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_helps() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = StateDir::open(tmp.path()).unwrap();
    Identity::load_or_create(&dir).unwrap();
    let key = tmp.path().join(KEY_FILE);
    for mode in [0o644, 0o640, 0o604, 0o620] {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        let text = message(Identity::load_or_create(&dir));
        assert!(text.ends_with(&format!("chmod 600 {}", key.display())), "{text}");
    }
    fs::set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
    Identity::load_or_create(&dir).unwrap();
}

#[test]
fn keys_of_other_kinds_are_named_with_the_command_that_makes_a_right_one() {
    let tmp = tempfile::tempdir().unwrap();
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    for (text, kind) in [
        (section("PRIVATE KEY", ec.serialized_der()), "an EC key"),
        (section("PRIVATE KEY", rsa.serialized_der()), "an RSA key"),
        (section("RSA PRIVATE KEY", b"as openssl genrsa -traditional"), "an RSA key"),
        (
            section("EC PARAMETERS", b"a curve")
                + &section("EC PRIVATE KEY", b"as openssl ecparam"),
            "an EC key",
        ),
        (section("OPENSSH PRIVATE KEY", b"as ssh-keygen"), "the format of ssh"),
        (section("DSA PRIVATE KEY", b"old"), "an old kind"),
    ] {
        let path = write(&tmp, "key.pem", &text);
        let text = message(Identity::from_pem(&path, None));
        assert!(text.contains(kind), "{text}");
        assert!(text.contains("openssl genpkey -algorithm ed25519 -out key.pem"), "{text}");
        assert!(
            text.contains("openssl req -x509 -key key.pem -out cert.pem -days 3650 -subj /CN=kith")
        );
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
}

#[test]
fn every_other_way_a_key_file_can_be_wrong_has_its_line() {
    let tmp = tempfile::tempdir().unwrap();
    let good = Identity::generate().unwrap();
    let pkcs8 = good.pkcs8().unwrap();
    let truncated = section("PRIVATE KEY", &pkcs8.as_ref()[..40]);
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
                  AAAA\n-----END RSA PRIVATE KEY-----\n";
    for (text, wanted) in [
        ("", "no PEM section PRIVATE KEY"),
        ("\u{0}\u{1}binary", "no PEM section PRIVATE KEY"),
        ("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n", "no PEM section"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "no PEM section"),
        (section("CERTIFICATE", good.certificate()).as_str(), "no PEM section PRIVATE KEY"),
        (section("ENCRYPTED PRIVATE KEY", b"x").as_str(), "without passphrase"),
        (legacy, "without passphrase"),
        (truncated.as_str(), "damaged"),
        (section("PRIVATE KEY", b"").as_str(), "damaged"),
    ] {
        let path = write(&tmp, "key.pem", text);
        let line = message(Identity::from_pem(&path, None));
        assert!(line.contains(wanted), "{text:?}: {line}");
    }
    let none = tmp.path().join("none");
    assert!(message(Identity::from_pem(&none, None)).contains("does not exist"));
    fs::create_dir(&none).unwrap();
    fs::set_permissions(&none, Permissions::from_mode(0o700)).unwrap();
    assert!(message(Identity::from_pem(&none, None)).contains("cannot read"));
}

#[test]
fn a_certificate_must_be_one_that_peers_accept_for_this_key() {
    let tmp = tempfile::tempdir().unwrap();
    let (ours, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let key = write(&tmp, "key.pem", &ours.key_pem().unwrap());
    let with = |text: &str| {
        let cert = write(&tmp, "cert.pem", text);
        Identity::from_pem(&key, Some(&cert))
    };
    let given = Identity::from_pem(&key, None).unwrap();
    assert_eq!(given.id(), ours.id());
    let kept = with(&section("CERTIFICATE", ours.certificate())).unwrap();
    assert_eq!(kept.certificate(), ours.certificate());

    let text = message(with(&section("CERTIFICATE", other.certificate())));
    assert!(text.contains("does not belong to the key"), "{text}");
    assert!(message(with(&section("CERTIFICATE", b"x"))).contains("not well-formed"));
    assert!(message(with("hello")).contains("no PEM section CERTIFICATE"));
    assert!(message(Identity::from_pem(&key, Some(&tmp.path().join("no")))).contains("not exist"));

    let mut params = CertificateParams::default();
    params.not_after = date_time_ymd(2020, 1, 1);
    let signer = Signer { pair: &ours.pair, key: &ours.key };
    let expired = params.self_signed(&signer).unwrap();
    let error = with(&section("CERTIFICATE", expired.der())).unwrap_err();
    assert!(matches!(error, IdentityError::Certificate { bad: BadCertificate::Expired, .. }));
}

#[test]
fn debug_does_not_show_the_key() {
    let identity = Identity::generate().unwrap();
    assert_eq!(format!("{identity:?}"), format!("Identity({})", identity.id().short()));
}

#[test]
fn the_commands_in_the_messages_work() {
    let tmp = tempfile::tempdir().unwrap();
    let script = "openssl genpkey -algorithm ed25519 -out key.pem && \
                  openssl req -x509 -key key.pem -out cert.pem -days 3650 -subj /CN=kith && \
                  openssl pkey -in key.pem -aes256 -passout pass:x -out locked.pem && \
                  openssl genrsa -traditional -out rsa.pem 2048 && \
                  openssl ecparam -name prime256v1 -genkey -out ec.pem";
    let status = Command::new("sh")
        .args(["-c", &format!("openssl version && umask 077 && {script}")])
        .current_dir(tmp.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    if status.code() == Some(127) {
        return crate::tests::skipped("there is no openssl here");
    }
    assert!(status.success());
    let file = |name: &str| tmp.path().join(name);
    Identity::from_pem(&file("key.pem"), Some(&file("cert.pem"))).unwrap();
    let load = |name: &str| Identity::from_pem(&file(name), None);
    assert!(matches!(load("locked.pem"), Err(IdentityError::Encrypted(_))));
    assert!(matches!(load("rsa.pem"), Err(IdentityError::NotEd25519 { kind: "an RSA key", .. })));
    assert!(matches!(load("ec.pem"), Err(IdentityError::NotEd25519 { kind: "an EC key", .. })));
}
