//! Which pieces of a file are there: one bit each.

/// A set of piece numbers below a fixed length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    /// Piece 0 is the lowest bit of the first byte; bits past the length are 0.
    bytes: Vec<u8>,
    len: u32,
    count: u32,
}

impl Bitmap {
    /// A set of none of `len` pieces.
    pub fn none(len: u32) -> Bitmap {
        let bytes = usize::try_from(len.div_ceil(8)).expect("32 bits fit");
        Bitmap { bytes: vec![0; bytes], len, count: 0 }
    }

    /// A set of all of `len` pieces.
    pub fn all(len: u32) -> Bitmap {
        let mut all = Bitmap::none(len);
        for piece in 0..len {
            all.insert(piece);
        }
        all
    }

    /// The set of `len` pieces that these bytes say; none unless they are exactly as long as they must be and
    /// say nothing of pieces that do not exist.
    pub fn from_bytes(bytes: &[u8], len: u32) -> Option<Bitmap> {
        let mut set = Bitmap::none(len);
        if bytes.len() != set.bytes.len() {
            return None;
        }
        set.bytes.copy_from_slice(bytes);
        set.count = bytes.iter().map(|b| b.count_ones()).sum();
        let past = usize::try_from(len % 8).expect("below 8");
        let clean = past == 0 || set.bytes.last().is_none_or(|last| last >> past == 0);
        clean.then_some(set)
    }

    /// As bytes: piece 0 is the lowest bit of the first.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many pieces there are, in the set or not.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether none is in the set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many are in the set.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether all are in the set.
    pub fn is_full(&self) -> bool {
        self.count == self.len
    }

    fn place(piece: u32) -> (usize, u8) {
        (usize::try_from(piece / 8).expect("32 bits fit"), 1 << (piece % 8))
    }

    /// Whether this piece is in the set.
    pub fn contains(&self, piece: u32) -> bool {
        let (byte, bit) = Bitmap::place(piece);
        self.bytes.get(byte).is_some_and(|b| b & bit != 0)
    }

    /// Adds a piece; false if it was there, or there is no such piece.
    pub fn insert(&mut self, piece: u32) -> bool {
        let (byte, bit) = Bitmap::place(piece);
        if piece >= self.len || self.bytes[byte] & bit != 0 {
            return false;
        }
        self.bytes[byte] |= bit;
        self.count += 1;
        true
    }

    /// Takes a piece out; false if it was not there.
    pub fn remove(&mut self, piece: u32) -> bool {
        let (byte, bit) = Bitmap::place(piece);
        if piece >= self.len || self.bytes[byte] & bit == 0 {
            return false;
        }
        self.bytes[byte] &= !bit;
        self.count -= 1;
        true
    }

    /// The pieces in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).filter(|piece| self.contains(*piece))
    }

    /// The pieces that are in one of two sets of the same length and not in the other, in order.
    pub fn differing(&self, other: &Bitmap) -> impl Iterator<Item = u32> + '_ {
        let bytes = self.bytes.iter().zip(&other.bytes).map(|(a, b)| a ^ b).collect::<Vec<u8>>();
        (0u32..).zip(bytes).filter(|(_, bits)| *bits != 0).flat_map(|(at, bits)| {
            (0..8).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| at * 8 + bit)
        })
    }

    /// The pieces not in the set, in order.
    pub fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).filter(|piece| !self.contains(*piece))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_and_set_say_the_same(len in 0u32..200, picks in proptest::collection::vec(0u32..210, 0..50)) {
            let mut set = Bitmap::none(len);
            for piece in &picks {
                set.insert(*piece);
            }
            let wanted: std::collections::BTreeSet<u32> = picks.into_iter().filter(|p| *p < len).collect();
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), wanted.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(u32::try_from(wanted.len()).expect("few"), set.count());
            let (none, all) = (Bitmap::none(len), Bitmap::all(len));
            prop_assert!(set.differing(&none).eq(set.iter()));
            prop_assert!(set.differing(&all).eq(set.missing()));
            prop_assert_eq!(set.missing().count() + set.iter().count(), len as usize);
            prop_assert_eq!(Bitmap::from_bytes(set.as_bytes(), len), Some(set));
        }
    }

    #[test]
    fn bytes_of_another_length_or_with_pieces_too_many_are_refused() {
        assert_eq!(Bitmap::from_bytes(&[0], 9), None);
        assert_eq!(Bitmap::from_bytes(&[0, 0], 8), None);
        assert_eq!(Bitmap::from_bytes(&[0b1000], 3), None);
        assert_eq!(Bitmap::from_bytes(&[0b111], 3), Some(Bitmap::all(3)));
        let mut set = Bitmap::all(3);
        assert!(!set.insert(3) && set.remove(1) && !set.remove(1) && !set.contains(1));
    }
}
