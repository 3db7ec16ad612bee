use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::mesh::record::{BadRecord, EPOCH_MAX, Kind, Signed};
use crate::wire::bounded::Blob;

fn open(signed: Signed) -> Result<Record, BadRecord> {
    Arc::new(signed).open(&node(9))
}

#[test]
fn what_was_signed_is_what_is_opened() {
    for record in [card(1, 3), links(1, 4, &[2, 3])] {
        assert_eq!(open((**record.signed()).clone()), Ok(record));
    }
}

#[test]
fn a_forged_signature_and_an_altered_body_are_refused() {
    let signed = (**card(1, 1).signed()).clone();
    let forged = Signed { sig: Blob::new(vec![0; 64]).expect("fits"), ..signed.clone() };
    assert_eq!(open(forged), Err(BadRecord::Signature));
    let mut body = signed.body.to_vec();
    body[40] ^= 1;
    let altered = Signed { body: Blob::new(body).expect("fits"), ..signed.clone() };
    assert_eq!(open(altered), Err(BadRecord::Signature));
    // A signature over a card is none over links.
    assert_eq!(open(Signed { kind: Kind::Links, ..signed }), Err(BadRecord::Signature));
}

#[test]
fn nobody_speaks_for_another() {
    for body in
        [Body::Card(plain_card(2, Ver { epoch: 1, seq: 1 })), Body::Links(link_state(2, 1, &[3]))]
    {
        let record = Record::sign(body, &node(1));
        assert_eq!(open((**record.signed()).clone()), Err(BadRecord::Author));
    }
}

#[test]
fn an_epoch_that_the_next_boot_could_not_exceed_is_refused() {
    let at = |epoch| {
        let body = Body::Card(plain_card(1, Ver { epoch, seq: 0 }));
        open((**Record::sign(body, &node(1)).signed()).clone()).map(|_| ())
    };
    assert_eq!(at(EPOCH_MAX), Ok(()));
    assert_eq!(at(EPOCH_MAX + 1), Err(BadRecord::Epoch));
    assert_eq!(at(u64::MAX), Err(BadRecord::Epoch));
}

#[test]
fn links_out_of_order_doubled_or_to_oneself_are_refused() {
    let good = link_state(1, 1, &[2, 3, 4]);
    let with = |links: Vec<LinkEntry>| {
        let body = Body::Links(LinkState { links: List::first_of(links), ..good.clone() });
        open((**Record::sign(body, &node(1)).signed()).clone()).map(|_| ())
    };
    let entries = good.links.to_vec();
    assert_eq!(with(entries.clone()), Ok(()));
    assert_eq!(with(entries.iter().rev().copied().collect()), Err(BadRecord::Links));
    assert_eq!(with(vec![entries[0], entries[0]]), Err(BadRecord::Links));
    assert_eq!(with(vec![LinkEntry { peer: id(1), ..entries[0] }]), Err(BadRecord::Links));
}

#[test]
fn bytes_after_a_body_are_refused() {
    let record = card(1, 1);
    let mut body = record.signed().body.to_vec();
    body.push(0);
    let sig = node(1).sign(&crate::mesh::record::domain_separated("card", &body));
    let signed = Signed {
        body: Blob::new(body).expect("fits"),
        sig: Blob::new(sig.to_vec()).expect("fits"),
        ..(**record.signed()).clone()
    };
    assert_eq!(open(signed), Err(BadRecord::Body));
}

proptest! {
    #[test]
    fn no_signed_bytes_make_opening_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        kind in prop::sample::select(vec![Kind::Card, Kind::Links, Kind::Cast]),
    ) {
        // Validly signed, so that the body is really read.
        let purpose = match kind { Kind::Card => "card", Kind::Links => "links", Kind::Cast => "cast" };
        let sig = node(1).sign(&crate::mesh::record::domain_separated(purpose, &bytes));
        let signed = Signed {
            kind,
            key: [1; 32],
            body: Blob::new(bytes).expect("fits"),
            sig: Blob::new(sig.to_vec()).expect("fits"),
        };
        if let Ok(record) = open(signed) {
            prop_assert_eq!(record.id(), id(1), "only its author's");
        }
    }
}
