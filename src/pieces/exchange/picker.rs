//! Which piece next: the pieces nobody is asked for, ordered by how many hold them.
//!
//! The pieces stand in one row, those of equal rarity beside one another (as in libtorrent's piece picker), so a
//! piece that becomes one holder less rare is swapped over one border, and nothing is ever sorted. Holders of
//! everything change nobody's order and are only counted.

use super::fetch::SOURCES_MAX;
use crate::mesh::dice::Dice;
use crate::pieces::Bitmap;

/// Pieces looked at in order of rarity before the holder's own set is searched instead.
const LOOKS_MAX: u32 = 256;
/// Rarities told apart: not free, and free with none up to all of the holders a download may have.
const RARITIES: usize = SOURCES_MAX + 2;

/// The free pieces of one download.
#[derive(Clone, Debug)]
pub(super) struct Picker {
    /// All pieces, by rank.
    row: Vec<u32>,
    /// Where each piece stands in the row.
    place: Vec<u32>,
    /// How many that do not hold everything hold each piece.
    holders: Vec<u16>,
    /// Which may be asked for: missing, and nobody is asked yet.
    free: Bitmap,
    /// Where the pieces of each rank begin in the row. Rank 0: not free; rank n + 1: free, n holders.
    begins: Vec<u32>,
    /// How many hold everything.
    pub(super) whole: u32,
}

fn at(index: u32) -> usize {
    usize::try_from(index).expect("32 bits fit")
}

impl Picker {
    /// All pieces that `have` lacks are free, and nobody holds any.
    pub(super) fn new(have: &Bitmap, dice: &mut Dice) -> Picker {
        let pieces = have.len();
        let mut free: Vec<u32> = have.missing().collect();
        dice.shuffle(&mut free);
        let mut row: Vec<u32> = have.iter().collect();
        let taken = have.count();
        row.append(&mut free);
        let mut place = vec![0; row.len()];
        for (rank, piece) in (0..).zip(&row) {
            place[at(*piece)] = rank;
        }
        let mut begins = vec![pieces; RARITIES + 1];
        begins[0] = 0;
        begins[1] = taken;
        let mut free = Bitmap::none(pieces);
        for piece in have.missing() {
            free.insert(piece);
        }
        Picker { holders: vec![0; row.len()], row, place, free, begins, whole: 0 }
    }

    /// How many pieces are free.
    pub(super) fn free(&self) -> u32 {
        self.free.count()
    }

    fn rank(&self, piece: u32) -> usize {
        let holders = usize::from(self.holders[at(piece)]);
        if self.free.contains(piece) { (holders + 1).min(RARITIES - 1) } else { 0 }
    }

    fn swap(&mut self, piece: u32, to: u32) {
        let from = self.place[at(piece)];
        let other = self.row[at(to)];
        self.row.swap(at(from), at(to));
        self.place[at(piece)] = to;
        self.place[at(other)] = from;
    }

    /// Moves a piece over borders until it stands where its new rank says.
    fn shift(&mut self, piece: u32, from: usize, to: usize) {
        for rank in from..to {
            // To the end of its rank, which then ends one earlier.
            self.begins[rank + 1] -= 1;
            self.swap(piece, self.begins[rank + 1]);
        }
        for rank in (to..from).rev() {
            self.swap(piece, self.begins[rank + 1]);
            self.begins[rank + 1] += 1;
        }
    }

    fn set(&mut self, piece: u32, change: impl FnOnce(&mut Picker)) {
        if piece < self.free.len() {
            let before = self.rank(piece);
            change(self);
            let after = self.rank(piece);
            self.shift(piece, before, after);
        }
    }

    /// One more holds this piece.
    pub(super) fn gained(&mut self, piece: u32) {
        self.set(piece, |p| p.holders[at(piece)] = p.holders[at(piece)].saturating_add(1));
    }

    /// One less holds this piece.
    pub(super) fn lost(&mut self, piece: u32) {
        self.set(piece, |p| p.holders[at(piece)] = p.holders[at(piece)].saturating_sub(1));
    }

    /// Somebody is asked for this piece (or it is here).
    pub(super) fn take(&mut self, piece: u32) {
        self.set(piece, |p| _ = p.free.remove(piece));
    }

    /// This piece is to be asked for (again).
    pub(super) fn release(&mut self, piece: u32) {
        self.set(piece, |p| _ = p.free.insert(piece));
    }

    /// Whether anybody holds a free piece.
    pub(super) fn any_held(&self) -> bool {
        let first = if self.whole > 0 { 1 } else { 2 };
        self.begins[first] < self.free.len()
    }

    /// A free piece of those a peer holds (`None`: everything): the rarest, or any with `rarest` false; which of
    /// equals is chance.
    pub(super) fn pick(&self, held: Option<&Bitmap>, rarest: bool, dice: &mut Dice) -> Option<u32> {
        let holds = |piece: u32| held.is_none_or(|set| set.contains(piece));
        let mut looks = 0;
        // What only holders of everything have is nothing a peer with a few pieces could give.
        let first = if held.is_none() { 1 } else { 2 };
        let mut rank = first;
        while rank < RARITIES {
            let begin = self.begins[rank];
            let end = if rarest { self.begins[rank + 1] } else { self.free.len() };
            let len = end - begin;
            let start = u32::try_from(dice.below(u64::from(len))).unwrap_or(0);
            for step in 0..len {
                let piece = self.row[at(begin + (start + step) % len)];
                if holds(piece) {
                    return Some(piece);
                }
                looks += 1;
                if looks >= LOOKS_MAX {
                    return held.and_then(|set| self.search(set, dice));
                }
            }
            if !rarest || end == self.free.len() {
                break;
            }
            rank += 1;
        }
        None
    }

    /// Looks through the holder's set, from anywhere on: the rarest of the first few free ones.
    fn search(&self, held: &Bitmap, dice: &mut Dice) -> Option<u32> {
        let (free, held) = (self.free.as_bytes(), held.as_bytes());
        let len = free.len().min(held.len());
        let start = usize::try_from(dice.below(len as u64)).unwrap_or(0);
        let mut best: Option<(u16, u32)> = None;
        let mut found = 0;
        for byte in (start..len).chain(0..start) {
            let both = free[byte] & held[byte];
            for bit in (0..8).filter(|bit| both >> bit & 1 == 1) {
                let piece = u32::try_from(byte * 8 + bit).expect("pieces are numbered in 32 bits");
                let holders = self.holders[at(piece)];
                if best.is_none_or(|(fewest, _)| holders < fewest) {
                    best = Some((holders, piece));
                }
                found += 1;
            }
            if found >= 32 {
                break;
            }
        }
        best.map(|(_, piece)| piece)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Picker {
        pub fn is_free(&self, piece: u32) -> bool {
            self.free.contains(piece)
        }

        fn check(&self) {
            for (rank, piece) in (0..).zip(&self.row) {
                assert_eq!(self.place[at(*piece)], rank);
                let wanted = self.rank(*piece);
                assert!(self.begins[wanted] <= rank && rank < self.begins[wanted + 1]);
            }
        }
    }

    proptest! {
        #[test]
        fn the_row_stays_ordered_and_the_rarest_is_picked(
            pieces in 1u32..40,
            steps in proptest::collection::vec((0u8..4, 0u32..40), 0..200),
            held in proptest::collection::vec(0u32..40, 0..20),
            seed in 0u64..1000,
        ) {
            let mut dice = Dice::new(seed);
            let mut have = Bitmap::none(pieces);
            have.insert(0);
            let mut picker = Picker::new(&have, &mut dice);
            for (what, piece) in steps {
                match what {
                    0 => picker.gained(piece),
                    1 => picker.lost(piece),
                    2 => picker.take(piece),
                    _ => picker.release(piece),
                }
                picker.check();
            }
            let mut set = Bitmap::none(pieces);
            for piece in held {
                set.insert(piece);
                picker.gained(piece);
            }
            let free: Vec<u32> = set.iter().filter(|p| picker.free.contains(*p)).collect();
            let fewest = free.iter().map(|p| picker.holders[at(*p)]).min();
            let picked = picker.pick(Some(&set), true, &mut dice);
            prop_assert_eq!(picked.map(|p| picker.holders[at(p)]), fewest);
            prop_assert!(picked.is_none_or(|p| set.contains(p)));
            let any = picker.pick(Some(&set), false, &mut dice);
            prop_assert_eq!(any.is_some(), fewest.is_some());
            prop_assert_eq!(picker.pick(None, true, &mut dice).is_some(), picker.free() > 0);
        }
    }

    #[test]
    fn a_holder_of_one_piece_of_very_many_is_asked_for_it() {
        let mut dice = Dice::new(1);
        let mut picker = Picker::new(&Bitmap::none(65_536), &mut dice);
        let mut set = Bitmap::none(65_536);
        set.insert(40_000);
        (0..65_536).for_each(|piece| picker.gained(piece));
        assert_eq!(picker.pick(Some(&set), true, &mut dice), Some(40_000));
        picker.take(40_000);
        assert_eq!(picker.pick(Some(&set), true, &mut dice), None);
    }
}
