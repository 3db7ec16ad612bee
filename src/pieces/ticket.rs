//! The one line by which a file is handed on: its id, its size, and where it was to be had.
//!
//! `kith1` and, in lower-case base32 (RFC 4648, no padding), the postcard of [`Ticket`]'s fields followed by the
//! first 4 bytes of the SHA-256 of those. Read in upper case, too; a bare file id (64 hex digits) is a ticket
//! that says nothing else.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, DecodeKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::FileId;
use crate::mesh::NodeId;
use crate::wire::bounded::List;

/// Most holders named in a ticket.
pub const HINTS_MAX: usize = 3;
/// What each ticket begins with.
const PREFIX: &str = "kith1";
/// Bytes that show whether the others are right.
const CHECK_BYTES: usize = 4;
/// Longest ticket: with three IPv6 hints and the largest numbers 330 characters, and some room.
const CHARS_MAX: usize = 400;

/// A file, and who holds it. Stays good when they move: the id finds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Which file.
    pub file: FileId,
    /// Bytes of the file; 0 if unknown (a bare id).
    pub bytes: u64,
    /// Who holds it, and where they were last.
    pub hints: List<(NodeId, SocketAddr), HINTS_MAX>,
}

/// Why a text is not a ticket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTicket {
    /// Nothing was given.
    #[error("there is no ticket: nothing was given")]
    Empty,
    /// It is something else.
    #[error("this is no ticket: one begins with '{PREFIX}', or is a file id of 64 hex digits")]
    NotATicket,
    /// It is far longer than any ticket.
    #[error("this is too long for a ticket: {chars} characters, and {CHARS_MAX} are the most")]
    TooLong {
        /// How long it is, characters.
        chars: usize,
    },
    /// A character that no ticket has.
    #[error(
        "character {at} of the ticket is {found:?}: only letters and the digits 2 to 7 can be there"
    )]
    Character {
        /// Which, from 1.
        at: usize,
        /// What it is.
        found: char,
    },
    /// Characters are missing at the end.
    #[error("the ticket is cut short: copy all of it, to the end of the line")]
    CutShort,
    /// Characters follow that do not belong to it.
    #[error("something follows the ticket that does not belong to it")]
    LeftOver,
    /// The checksum is wrong.
    #[error("a character of the ticket is wrong, or missing: the checksum does not fit")]
    Checksum,
    /// The checksum is right, the content is not.
    #[error("the ticket is whole, but this version does not understand what it says")]
    Content,
}

impl From<FileId> for Ticket {
    fn from(file: FileId) -> Ticket {
        Ticket { file, bytes: 0, hints: List::default() }
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = postcard::to_stdvec(self).expect("plain data always encodes");
        bytes.extend(check(&bytes));
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl FromStr for Ticket {
    type Err = BadTicket;

    fn from_str(text: &str) -> Result<Ticket, BadTicket> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadTicket::Empty);
        }
        let chars = text.chars().count();
        if chars > CHARS_MAX {
            return Err(BadTicket::TooLong { chars });
        }
        if let Ok(file) = text.parse::<FileId>() {
            return Ok(file.into());
        }
        let body = match text.split_at_checked(PREFIX.len()) {
            Some((prefix, body)) if prefix.eq_ignore_ascii_case(PREFIX) => body,
            _ => return Err(BadTicket::NotATicket),
        };
        let strange = |c: &char| !c.is_ascii_alphabetic() && !('2'..='7').contains(c);
        if let Some((at, found)) =
            text.chars().enumerate().skip(PREFIX.len()).find(|(_, c)| strange(c))
        {
            return Err(BadTicket::Character { at: at + 1, found });
        }
        let bytes = BASE32_NOPAD.decode(body.to_ascii_uppercase().as_bytes());
        let bytes = bytes.map_err(|wrong| match wrong.kind {
            DecodeKind::Length => BadTicket::CutShort,
            _ => BadTicket::Checksum,
        })?;
        read(&bytes)
    }
}

fn check(content: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(content));
    [a, b, c, d]
}

/// Reads a ticket's bytes, checksum last.
fn read(bytes: &[u8]) -> Result<Ticket, BadTicket> {
    let Some((content, found)) = bytes.split_last_chunk() else { return Err(BadTicket::CutShort) };
    if check(content) == *found {
        return match postcard::take_from_bytes(content) {
            Ok((ticket, [])) => Ok(ticket),
            _ => Err(BadTicket::Content),
        };
    }
    // What went wrong can only be guessed: the content says itself where it ends.
    Err(match postcard::take_from_bytes::<Ticket>(bytes) {
        Err(postcard::Error::DeserializeUnexpectedEnd) => BadTicket::CutShort,
        Ok((_, rest)) if rest.len() < CHECK_BYTES => BadTicket::CutShort,
        Ok((_, rest)) if rest.len() > CHECK_BYTES => BadTicket::LeftOver,
        _ => BadTicket::Checksum,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hints() -> impl Strategy<Value = List<(NodeId, SocketAddr), HINTS_MAX>> {
        let hint = (any::<[u8; 32]>(), any::<std::net::IpAddr>(), any::<u16>());
        let hint = hint.prop_map(|(id, ip, port)| (NodeId(id), SocketAddr::new(ip, port)));
        proptest::collection::vec(hint, 0..=HINTS_MAX).prop_map(List::first_of)
    }

    prop_compose! {
        fn tickets()(file in any::<[u8; 32]>(), bytes in any::<u64>(), hints in hints()) -> Ticket {
            Ticket { file: FileId(file), bytes, hints }
        }
    }

    fn read_text(text: &str) -> Result<Ticket, BadTicket> {
        text.parse()
    }

    proptest! {
        #[test]
        fn a_ticket_survives_its_text(ticket in tickets()) {
            let text = ticket.to_string();
            prop_assert!(text.len() <= CHARS_MAX);
            prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
            prop_assert_eq!(read_text(&text), Ok(ticket.clone()));
            prop_assert_eq!(read_text(&format!(" \t{}\n", text.to_ascii_uppercase())), Ok(ticket));
        }

        #[test]
        fn any_changed_character_is_noticed(
            ticket in tickets(), at in any::<prop::sample::Index>(), to in any::<char>(), alike in "[a-z0-9]",
        ) {
            let text = ticket.to_string();
            let at = at.index(text.len());
            for to in [to, alike.chars().next().expect("one")] {
                if !to.eq_ignore_ascii_case(&char::from(text.as_bytes()[at])) {
                    let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
                    // A white space at either end is taken for what surrounds it: then one is missing.
                    prop_assert!(read_text(&changed).is_err(), "{changed}");
                }
            }
        }

        #[test]
        fn any_missing_end_is_noticed(ticket in tickets(), at in any::<prop::sample::Index>()) {
            let text = ticket.to_string();
            prop_assert!(read_text(&text[..at.index(text.len())]).is_err());
        }

        #[test]
        fn no_text_and_no_bytes_do_harm(text in "(kith1)?\\PC{0,60}", bytes in any::<Vec<u8>>()) {
            let _ = read_text(&text);
            let _ = read(&bytes);
            let mut sealed = bytes;
            sealed.extend(check(&sealed));
            let _ = read(&sealed);
        }
    }

    #[test]
    fn the_error_says_what_is_wrong() {
        let ticket = Ticket { file: FileId([7; 32]), bytes: 1 << 30, hints: List::default() };
        let text = ticket.to_string();
        let (long, wide) = ("x".repeat(1_000), "é".repeat(CHARS_MAX));
        for (text, why) in [
            ("  ", BadTicket::Empty),
            ("hello", BadTicket::NotATicket),
            ("é", BadTicket::NotATicket),
            ("kit", BadTicket::NotATicket),
            ("kith2abc", BadTicket::NotATicket),
            (&long, BadTicket::TooLong { chars: 1_000 }),
            (&wide, BadTicket::NotATicket),
            (&format!("{wide}é"), BadTicket::TooLong { chars: CHARS_MAX + 1 }),
            ("kith1", BadTicket::CutShort),
            (&text[..text.len() - 1], BadTicket::CutShort),
            (&text[..30], BadTicket::CutShort),
            (&format!("{text}aaaaaaaa"), BadTicket::LeftOver),
            (&format!("kith1a0{}", &text[7..]), BadTicket::Character { at: 7, found: '0' }),
            (&format!("kith1é{}", &text[6..]), BadTicket::Character { at: 6, found: 'é' }),
            (&text.replacen("dqob", "dqoa", 1), BadTicket::Checksum),
        ] {
            assert_eq!(read_text(text), Err(why), "{text}");
        }
        let shown = read_text(&text.replacen("dqob", "dqoa", 1)).expect_err("changed").to_string();
        assert!(shown.contains("checksum does not fit"), "{shown}");
    }

    #[test]
    fn a_right_checksum_over_nonsense_is_not_believed() {
        // Four hints are announced.
        let file = FileId([1; 32]);
        let four = vec![(NodeId([2; 32]), SocketAddr::from(([127, 0, 0, 1], 1))); 4];
        let mut bytes = postcard::to_stdvec(&(file, 5u64, four)).expect("encodes");
        bytes.extend(check(&bytes));
        assert_eq!(read(&bytes), Err(BadTicket::Content));
    }

    #[test]
    fn a_bare_id_is_a_ticket_that_says_nothing_else() {
        let file = FileId([0xab; 32]);
        assert_eq!(read_text(&format!("{file}\n")), Ok(Ticket::from(file)));
        assert_eq!(read_text(&file.to_string().to_ascii_uppercase()), Ok(Ticket::from(file)));
    }

    #[test]
    fn a_ticket_is_mostly_the_ids_in_it() {
        let hint =
            |i: u8, ip: &str| (NodeId([i; 32]), format!("{ip}:40001").parse().expect("good"));
        let chars = |ips: &[&str]| {
            let hints = List::first_of(ips.iter().map(|ip| hint(9, ip)));
            Ticket { file: FileId([1; 32]), bytes: 1 << 40, hints }.to_string().len()
        };
        let six = "[2001:db8::1]";
        assert_eq!(
            [chars(&[]), chars(&[six]), chars(&[six; 2]), chars(&[six; 3])],
            [74, 157, 241, 324]
        );
        assert_eq!(chars(&["192.0.2.1"; 3]), 266);
    }
}
