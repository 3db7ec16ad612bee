//! What a certificate must be to name a node: small, well-formed, valid now, self-signed, Ed25519.
//!
//! Used alike for our own certificate and for a stranger's, so that what we would present is what we
//! would accept. Only the key in it means anything; names and extensions are not looked at.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::mesh::NodeId;

/// Largest certificate read, bytes of DER. Ours are about 300.
pub const CERTIFICATE_BYTES_MAX: usize = 4096;

/// DER bytes between the signed part and the 64 signature bytes: the algorithm Ed25519 (RFC 8410,
/// section 3) and the header of a bit string of 64 whole bytes.
const SIGNATURE_PREFIX: [u8; 10] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x41, 0x00];

/// Why a certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// It has more bytes than [`CERTIFICATE_BYTES_MAX`].
    #[error("the certificate has {0} bytes, more than the {CERTIFICATE_BYTES_MAX} allowed")]
    TooLarge(usize),
    /// More came with it; a kith node presents exactly one certificate.
    #[error("the certificate came with {0} others, a node presents exactly one")]
    Chain(usize),
    /// It is not X.509 in DER, or bytes follow it.
    #[error("the certificate is not well-formed X.509")]
    Malformed,
    /// Its key is RSA, EC or anything else but Ed25519.
    #[error("the certificate's key is not Ed25519")]
    NotEd25519,
    /// Its signature was not made by its own key.
    #[error("the certificate is not signed by its own key")]
    NotSelfSigned,
    /// Its validity begins later than now.
    #[error("the certificate is not valid yet (is a clock wrong?)")]
    NotYetValid,
    /// Its validity has ended.
    #[error("the certificate has expired (or a clock is wrong)")]
    Expired,
}

/// Checks a certificate (DER) at `now_s` (unix seconds); the Ed25519 public key in it, 32 bytes.
///
/// `Err` says what was wrong with it. That its sender holds the key is for the TLS handshake to prove.
pub fn key_of(der: &[u8], now_s: u64) -> Result<[u8; 32], BadCertificate> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(BadCertificate::TooLarge(der.len()));
    }
    let Ok((&[], cert)) = X509Certificate::from_der(der) else {
        return Err(BadCertificate::Malformed);
    };
    let spki = cert.public_key();
    let key: [u8; 32] = match spki.subject_public_key.data.as_ref().try_into() {
        Ok(key) => key,
        Err(_) => return Err(BadCertificate::NotEd25519),
    };
    // Comparing the whole SPKI refuses other algorithms and every second encoding of the same key.
    if spki.raw != NodeId::spki(&key) {
        return Err(BadCertificate::NotEd25519);
    }
    // The parser is generous in the few bytes that no signature covers; DER allows them one form.
    let signed = cert.tbs_certificate.as_ref();
    let tail = der.len().saturating_sub(SIGNATURE_PREFIX.len() + 64);
    let signature = der[tail..].strip_prefix(&SIGNATURE_PREFIX);
    let signature = signature.filter(|_| der[..tail].ends_with(signed));
    UnparsedPublicKey::new(&ED25519, key)
        .verify(signed, signature.ok_or(BadCertificate::NotSelfSigned)?)
        .map_err(|_| BadCertificate::NotSelfSigned)?;
    let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
    let validity = cert.validity();
    if now_s < validity.not_before.timestamp() {
        Err(BadCertificate::NotYetValid)
    } else if now_s > validity.not_after.timestamp() {
        Err(BadCertificate::Expired)
    } else {
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, date_time_ymd};

    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn sample() -> (Vec<u8>, [u8; 32]) {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let cert = CertificateParams::default().self_signed(&key).unwrap();
        (cert.der().to_vec(), key.public_key_raw().try_into().unwrap())
    }

    #[test]
    fn a_good_certificate_gives_its_key() {
        let (der, key) = sample();
        assert_eq!(key_of(&der, NOW_S), Ok(key));
    }

    #[test]
    fn validity_is_checked_at_both_ends() {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let (from_s, to_s) = (1_577_836_800, 1_609_459_200);
        assert_eq!(key_of(&der, from_s - 1), Err(BadCertificate::NotYetValid));
        assert!(key_of(&der, from_s).is_ok() && key_of(&der, to_s).is_ok());
        assert_eq!(key_of(&der, to_s + 1), Err(BadCertificate::Expired));
        assert_eq!(key_of(&der, u64::MAX), Err(BadCertificate::Expired));
    }

    #[test]
    fn another_algorithm_another_signer_and_too_many_bytes_are_refused() {
        let ec = KeyPair::generate().unwrap();
        let der = CertificateParams::default().self_signed(&ec).unwrap().der().to_vec();
        assert_eq!(key_of(&der, NOW_S), Err(BadCertificate::NotEd25519));

        let (ours, other) = (sample().0, KeyPair::generate_for(&PKCS_ED25519).unwrap());
        let issuer = rcgen::Issuer::new(CertificateParams::default(), other);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let issued = CertificateParams::default().signed_by(&key, &issuer).unwrap();
        assert_eq!(key_of(issued.der(), NOW_S), Err(BadCertificate::NotSelfSigned));

        assert_eq!(
            key_of(&[ours.clone(), vec![0]].concat(), NOW_S),
            Err(BadCertificate::Malformed)
        );
        assert_eq!(key_of(&[], NOW_S), Err(BadCertificate::Malformed));
        let large = [ours, vec![0; CERTIFICATE_BYTES_MAX]].concat();
        assert_eq!(key_of(&large, NOW_S), Err(BadCertificate::TooLarge(large.len())));
    }

    #[test]
    fn a_certificate_with_any_one_byte_changed_is_refused() {
        let (der, _) = sample();
        for at in 0..der.len() {
            let mut bad = der.clone();
            bad[at] ^= 1;
            assert!(key_of(&bad, NOW_S).is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = key_of(&bytes, NOW_S);
        }

        #[test]
        fn no_damage_makes_it_panic(at in 0usize..300, byte: u8, cut in 0usize..300) {
            let (mut der, _) = sample();
            let at = at % der.len();
            der[at] = byte;
            der.truncate(der.len().max(cut) - cut);
            let _ = key_of(&der, NOW_S);
        }
    }
}
