//! Which names a shared file, or a file in a shared directory, may have.
//!
//! A manifest is written by a stranger, and its names become paths on this disk. What is decided here:
//!
//! - Refused, because it leaves the folder or is no name: an absolute path, `.`, `..`, an empty part, `\`,
//!   NUL; more than 255 bytes in a part, 1,024 in a path, or 32 parts.
//! - Refused, because it deceives whoever reads it: control characters, characters that change the order in
//!   which others are shown, and characters that are not seen. The two joiners (U+200C, U+200D) and the
//!   variation selectors are kept where something stands before them: Persian, Indian scripts and emoji are
//!   written with them.
//! - Refused, because it becomes something else when the folder is copied to, or mounted by, a Windows
//!   machine, without a word: device names (`CON`, `aux.txt`), a dot or a space at the end.
//! - Accepted: `: < > " | ? *`, and a name that begins with `-` or `~`. They are ordinary on Linux and macOS,
//!   which is where this program runs; Windows refuses to create them, so nothing is lost silently.
//! - Accepted: names that differ only in case, or in how accents are composed. Source trees have both
//!   `Makefile` and `makefile`. On a disk that takes them for one name, the second cannot be created: whoever
//!   writes files must create each anew, and see that no two are one when it opens them again.
//!
//! A name that may not be is refused when the file is shared, and again when a manifest is received.

/// Longest part of a path, bytes: what file systems take.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest path, bytes.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Most parts of a path.
pub const DEPTH_MAX: usize = 32;
/// What an unfinished download has at the end of its name.
pub const UNFINISHED: &str = ".part";

/// Why a name or path may not be. The text goes on where "the name … cannot be used:" stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing at all, or nothing between two `/`.
    #[error("it, or a part of it, is empty")]
    Empty,
    /// It begins with `/`.
    #[error("it begins with '/', and so leaves the folder")]
    Absolute,
    /// `.` or `..`.
    #[error("'.' and '..' are not names, but ways to other folders")]
    Dots,
    /// `/` in a name that is to be one part.
    #[error("it has a '/' in it, and must be a single name")]
    Slash,
    /// `\`.
    #[error("it has a '\\' in it, which parts folders on some systems")]
    Backslash,
    /// NUL.
    #[error("it has a NUL in it, where some programs take it to end")]
    Nul,
    /// Another control character.
    #[error("it has a control character in it (U+{:04X})", u32::from(*.0))]
    Control(char),
    /// A character that changes the order in which others are shown.
    #[error("it has a character in it that turns the order of others round (U+{:04X})", u32::from(*.0))]
    Turning(char),
    /// A character that is not seen, or a joiner with nothing before it.
    #[error("it has a character in it that cannot be seen (U+{:04X})", u32::from(*.0))]
    Unseen(char),
    /// A part is too long.
    #[error("a part of it has {0} bytes, and {NAME_BYTES_MAX} are the most")]
    LongPart(usize),
    /// The path is too long.
    #[error("it has {0} bytes, and {PATH_BYTES_MAX} are the most")]
    LongPath(usize),
    /// Too many parts.
    #[error("it is {0} folders deep, and {DEPTH_MAX} are the most")]
    Deep(usize),
    /// A device of Windows, with or without an extension.
    #[error("it is the name of a device on Windows (as CON, NUL or COM1 are, with any ending)")]
    Device,
    /// A dot or space at the end.
    #[error("it, or a part of it, ends with a dot or a space, which Windows leaves away")]
    End,
    /// It looks like an unfinished download.
    #[error("it ends with '{UNFINISHED}', as unfinished downloads do")]
    Unfinished,
    /// Too long for an unfinished download of it.
    #[error("it has {0} bytes, and with '{UNFINISHED}' behind it {NAME_BYTES_MAX} are the most")]
    LongTop(usize),
}

/// Whether one part of a path may be called this.
///
/// # Errors
/// The first reason found why it may not.
pub fn check_name(part: &str) -> Result<(), BadName> {
    if part.is_empty() {
        return Err(BadName::Empty);
    }
    if part == "." || part == ".." {
        return Err(BadName::Dots);
    }
    if part.len() > NAME_BYTES_MAX {
        return Err(BadName::LongPart(part.len()));
    }
    let mut chars = part.chars();
    if let Some(first) = chars.next().filter(|c| joins(*c)) {
        return Err(BadName::Unseen(first));
    }
    part.chars().try_for_each(check_char)?;
    if part.ends_with(['.', ' ']) {
        return Err(BadName::End);
    }
    if is_device(part) { Err(BadName::Device) } else { Ok(()) }
}

/// Whether a file in a shared directory may have this path, relative to the directory.
///
/// # Errors
/// The first reason found why it may not.
pub fn check_path(path: &str) -> Result<(), BadName> {
    if path.starts_with('/') {
        return Err(BadName::Absolute);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(BadName::LongPath(path.len()));
    }
    let depth = path.split('/').count();
    if depth > DEPTH_MAX {
        return Err(BadName::Deep(depth));
    }
    path.split('/').try_for_each(check_name)
}

/// Whether a shared file or directory itself may be called this: it becomes a name in a folder of the person
/// who gets it, and for a while that name with [`UNFINISHED`] behind it.
///
/// # Errors
/// The first reason found why it may not.
pub fn check_top(name: &str) -> Result<(), BadName> {
    check_name(name)?;
    let tail = name.len().checked_sub(UNFINISHED.len()).and_then(|at| name.get(at..));
    if tail.is_some_and(|tail| tail.eq_ignore_ascii_case(UNFINISHED)) {
        return Err(BadName::Unfinished);
    }
    if name.len() > NAME_BYTES_MAX - UNFINISHED.len() {
        return Err(BadName::LongTop(name.len()));
    }
    Ok(())
}

fn check_char(c: char) -> Result<(), BadName> {
    match c {
        '/' => Err(BadName::Slash),
        '\\' => Err(BadName::Backslash),
        '\0' => Err(BadName::Nul),
        c if c.is_control() => Err(BadName::Control(c)),
        c if turns(c) => Err(BadName::Turning(c)),
        c if unseen(c) => Err(BadName::Unseen(c)),
        _ => Ok(()),
    }
}

/// Marks, embeddings, overrides and isolates of the bidirectional algorithm (Unicode Annex 9).
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Seen only by what they do to the character before them.
fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Never seen, and no part of how any living language is written.
fn unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'
        | '\u{ffff}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

/// What Windows opens as a device in every folder: the name up to the first dot, spaces at its end left away.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end_matches(' ');
    let plain = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    if plain.iter().any(|device| stem.eq_ignore_ascii_case(device)) {
        return true;
    }
    let Some((port, number)) = stem.get(..3).zip(stem.get(3..)) else { return false };
    let mut digits = number.chars();
    let one = matches!(digits.next(), Some('1'..='9' | '¹' | '²' | '³')) && digits.next().is_none();
    one && ["COM", "LPT"].iter().any(|device| port.eq_ignore_ascii_case(device))
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_bad_name_has_its_own_reason() {
        use BadName::*;
        let long = "x".repeat(256);
        let deep = ["d"; 33].join("/");
        let path = ["y".repeat(250).as_str(); 5].join("/");
        for (path, why) in [
            ("", Empty),
            ("a//b", Empty),
            ("a/", Empty),
            ("/etc/x", Absolute),
            ("/", Absolute),
            (".", Dots),
            ("..", Dots),
            ("../x", Dots),
            ("a/../../x", Dots),
            ("a/./b", Dots),
            ("a\\b", Backslash),
            ("..\\x", Backslash),
            ("a\0b", Nul),
            ("a\nb", Control('\n')),
            ("a\x1b[2J", Control('\x1b')),
            ("a\x7f", Control('\x7f')),
            ("a\u{9b}31m", Control('\u{9b}')),
            ("Icon\r", Control('\r')),
            ("\u{202e}gpj.exe", Turning('\u{202e}')),
            ("a\u{2066}b", Turning('\u{2066}')),
            ("a\u{200f}", Turning('\u{200f}')),
            ("a\u{200b}b", Unseen('\u{200b}')),
            ("\u{feff}a", Unseen('\u{feff}')),
            ("a\u{ad}b", Unseen('\u{ad}')),
            ("\u{2800}", Unseen('\u{2800}')),
            ("a\u{e0041}", Unseen('\u{e0041}')),
            ("\u{200d}a", Unseen('\u{200d}')),
            ("a/\u{fe0f}", Unseen('\u{fe0f}')),
            (&long, LongPart(256)),
            (&path, LongPath(1_254)),
            (&deep, Deep(33)),
            ("CON", Device),
            ("con", Device),
            ("a/nul/b", Device),
            ("Aux.txt", Device),
            ("prn.tar.gz", Device),
            ("com1", Device),
            ("LPT9.log", Device),
            ("COM²", Device),
            ("CON .txt", Device),
            ("conin$", Device),
            ("a.", End),
            ("a ", End),
            ("a /b", End),
            ("...", End),
        ] {
            assert_eq!(check_path(path), Err(why), "{path:?}");
        }
        assert_eq!(check_name("a/b"), Err(Slash));
        assert_eq!(check_top("a/b"), Err(Slash));
        assert_eq!(check_top("film.mkv.part"), Err(Unfinished));
        assert_eq!(check_top(".PART"), Err(Unfinished));
        assert_eq!(check_top(&"x".repeat(251)), Err(LongTop(251)));
    }

    #[test]
    fn names_that_people_use_are_accepted() {
        let long = "x".repeat(255);
        let deep = ["d"; 32].join("/");
        for path in [
            "a",
            "a:b",
            "what?.txt",
            "<x>|\"*",
            "-rf",
            "~",
            ".hidden",
            "..hidden",
            ".DS_Store",
            " a",
            "a b/c d",
            "Makefile",
            "console.log",
            "com10",
            "COM",
            "com",
            "lpt0",
            "nully",
            "Zoë",
            "Zoe\u{308}",
            "ноутбук",
            "電腦",
            "می\u{200c}خواهم",
            "❤\u{fe0f}.txt",
            "👨\u{200d}👩\u{200d}👧.jpg",
            "x.part",
            &long,
            &deep,
        ] {
            assert_eq!(check_path(path), Ok(()), "{path:?}");
        }
        assert_eq!(check_top(&"x".repeat(250)), Ok(()));
        assert_eq!(check_top("part"), Ok(()));
        assert_eq!(check_top("é.par"), Ok(()));
        assert_eq!(check_top("電part"), Ok(()));
    }

    #[test]
    fn the_reasons_differ_and_are_safe_to_print() {
        let reasons: std::collections::BTreeSet<String> = ["", "/", "..", "\\", "\0", "\x1b"]
            .iter()
            .chain(&["\u{202e}", "\u{feff}", &"x".repeat(300), &"x/".repeat(600)])
            .chain(&["x/".repeat(40).as_str(), "nul", "a."])
            .map(|path| check_path(path).expect_err(path).to_string())
            .collect();
        assert_eq!(reasons.len(), 13);
        assert!(reasons.iter().all(|r| !r.contains(|c: char| c.is_control() || turns(c))));
    }

    /// Paths made of what attacks are made of.
    fn paths() -> impl Strategy<Value = String> {
        let parts = prop_oneof![
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just("/".to_owned()),
            Just("\\".to_owned()),
            Just("\0".to_owned()),
            Just("C:".to_owned()),
            "[a-c. ]{1,3}",
            "\\PC{0,4}",
        ];
        proptest::collection::vec(parts, 0..8)
            .prop_flat_map(|parts| prop_oneof![Just(parts.concat()), Just(parts.join("/"))])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn an_accepted_path_never_leaves_its_root(path in paths()) {
            if check_path(&path).is_ok() {
                let root = Path::new("/some/folder");
                let joined = root.join(&path);
                let below = joined.strip_prefix(root).expect("below its root");
                prop_assert!(below.components().all(|c| matches!(c, Component::Normal(_))));
                prop_assert_eq!(below.components().count(), path.split('/').count());
                prop_assert!(!path.contains(['\0', '\\']));
            }
            prop_assert!(check_top(&path).is_err() || !path.contains('/'));
        }
    }
}
