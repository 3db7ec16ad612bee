//! Values that cannot be larger than they may be: reading one from hostile bytes fails before memory
//! is taken, and making one too large is an error at once.

use std::fmt;
use std::ops::Deref;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value was larger than its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} is more than the {max} that fit")]
pub struct TooLarge {
    /// How large it was.
    pub len: usize,
    /// How large it may be.
    pub max: usize,
}

fn fits(len: usize, max: usize) -> Result<(), TooLarge> {
    if len > max { Err(TooLarge { len, max }) } else { Ok(()) }
}

/// At most `MAX` items.
#[derive(Clone, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Takes `items` if there are not too many.
    pub fn new(items: Vec<T>) -> Result<Self, TooLarge> {
        fits(items.len(), MAX).map(|()| List(items))
    }

    /// Takes the first `MAX` of `items`.
    pub fn first_of(items: impl IntoIterator<Item = T>) -> Self {
        List(items.into_iter().take(MAX).collect())
    }

    /// The items, unwrapped.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for List<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = List<T, MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} items")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                // The claimed length is not believed: the vector grows as items really arrive.
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    fits(items.len() + 1, MAX).map_err(A::Error::custom)?;
                    items.push(item);
                }
                Ok(List(items))
            }
        }
        d.deserialize_seq(Items(std::marker::PhantomData))
    }
}

/// At most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Blob<MAX> {
    /// Takes `bytes` if they fit.
    pub fn new(bytes: Vec<u8>) -> Result<Self, TooLarge> {
        fits(bytes.len(), MAX).map(|()| Blob(bytes))
    }
}

impl<const MAX: usize> Deref for Blob<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const MAX: usize> Serialize for Blob<MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Blob<MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Bytes<const MAX: usize>;
        impl<const MAX: usize> Visitor<'_> for Bytes<MAX> {
            type Value = Blob<MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                fits(bytes.len(), MAX).map_err(E::custom)?;
                Ok(Blob(bytes.to_vec()))
            }
        }
        d.deserialize_bytes(Bytes)
    }
}

/// At most `MAX` bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Takes `text` if it fits.
    pub fn new(text: impl Into<String>) -> Result<Self, TooLarge> {
        let text = text.into();
        fits(text.len(), MAX).map(|()| Text(text))
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Chars<const MAX: usize>;
        impl<const MAX: usize> Visitor<'_> for Chars<MAX> {
            type Value = Text<MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} bytes of text")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Text::new(text).map_err(E::custom)
            }
        }
        d.deserialize_str(Chars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_survives_a_round_trip_and_what_does_not_is_refused() {
        let list: List<u16, 3> = List::new(vec![1, 2, 300]).expect("3 fit");
        let bytes = postcard::to_stdvec(&list).expect("encodes");
        assert_eq!(postcard::from_bytes::<List<u16, 3>>(&bytes), Ok(list));
        assert!(postcard::from_bytes::<List<u16, 2>>(&bytes).is_err());

        let text = postcard::to_stdvec("hello").expect("encodes");
        assert_eq!(&*postcard::from_bytes::<Text<5>>(&text).expect("fits"), "hello");
        assert!(postcard::from_bytes::<Text<4>>(&text).is_err());
        assert_eq!(&*postcard::from_bytes::<Blob<5>>(&text).expect("fits"), b"hello");
        assert!(postcard::from_bytes::<Blob<4>>(&text).is_err());
    }

    #[test]
    fn a_claimed_length_takes_no_memory() {
        // 2^60 items are announced, none follows.
        let lie = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(postcard::from_bytes::<List<u64, { usize::MAX }>>(&lie).is_err());
        assert!(postcard::from_bytes::<Blob<{ usize::MAX }>>(&lie).is_err());
    }
}
