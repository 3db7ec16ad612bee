//! Letters from their writer to their reader's disk, and the word back.

use super::world::*;
use crate::mail::rows::State;

#[test]
fn a_letter_arrives_once_and_its_sender_knows() {
    let mut w = World::new(6, 1, policy());
    w.start_all();
    let ask = w.letter(0, 1, b"hello");
    w.run_for(secs(1));
    let letter = w.nodes[0].pushed[&ask].clone().expect("taken");
    assert_eq!(w.nodes[0].turned[&letter.id], State::Delivered);
    w.all_delivered().expect("it has come");
    assert_eq!(w.nodes[1].disk.came.len(), 1);
    w.quiet().expect("nothing is left over");
}
