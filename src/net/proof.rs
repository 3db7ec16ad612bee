//! Proof that both ends know the network's secret, bound to one TLS connection so that it cannot be
//! passed on, and to one end so that it cannot be sent back.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::mesh::NodeId;

/// Which end of a connection a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It dialled.
    Dialler,
    /// It accepted.
    Acceptor,
}

impl Role {
    /// The other end's role.
    pub fn other(self) -> Role {
        match self {
            Role::Dialler => Role::Acceptor,
            Role::Acceptor => Role::Dialler,
        }
    }
}

/// What node `me` sends to `peer` to prove that it knows `secret` (any length), 32 bytes:
/// HMAC-SHA-256(secret, exporter ‖ role ‖ dialler's id ‖ acceptor's id).
///
/// `exporter` is [`super::tls::exporter`] of this very connection; `role` is that of `me`.
pub fn proof(secret: &[u8], exporter: &[u8; 32], role: Role, me: NodeId, peer: NodeId) -> [u8; 32] {
    let (role_byte, dialler, acceptor) = match role {
        Role::Dialler => (b'd', me, peer),
        Role::Acceptor => (b'a', peer, me),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(exporter);
    mac.update(&[role_byte]);
    mac.update(&dialler.0);
    mac.update(&acceptor.0);
    mac.finalize().into_bytes().into()
}

/// Whether `given` is the proof that `peer` owes to `me`, who has `role`; takes the same time wherever
/// they differ.
pub fn proof_fits(
    given: &[u8],
    secret: &[u8],
    exporter: &[u8; 32],
    role: Role,
    me: NodeId,
    peer: NodeId,
) -> bool {
    proof(secret, exporter, role.other(), peer, me).ct_eq(given).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_accepts_the_other_and_nothing_else() {
        let (a, b, c) = (NodeId([1; 32]), NodeId([2; 32]), NodeId([3; 32]));
        let (secret, exporter) = (b"geheim".as_slice(), [9; 32]);
        let from_a = proof(secret, &exporter, Role::Dialler, a, b);
        let from_b = proof(secret, &exporter, Role::Acceptor, b, a);

        assert!(proof_fits(&from_a, secret, &exporter, Role::Acceptor, b, a));
        assert!(proof_fits(&from_b, secret, &exporter, Role::Dialler, a, b));

        assert_ne!(from_a, from_b, "what b sent cannot be sent back to it");
        assert!(!proof_fits(&from_a, secret, &exporter, Role::Dialler, a, b), "reflected");
        assert!(!proof_fits(&from_a, b"other", &exporter, Role::Acceptor, b, a), "secret");
        assert!(!proof_fits(&from_a, secret, &[8; 32], Role::Acceptor, b, a), "connection");
        assert!(!proof_fits(&from_a, secret, &exporter, Role::Acceptor, c, a), "acceptor");
        assert!(!proof_fits(&from_a, secret, &exporter, Role::Acceptor, b, c), "dialler");
        assert!(!proof_fits(&from_a[..31], secret, &exporter, Role::Acceptor, b, a), "short");
        assert!(!proof_fits(&[], secret, &exporter, Role::Acceptor, b, a), "empty");
    }
}
