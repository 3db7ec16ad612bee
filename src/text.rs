//! Making text that others wrote safe to print, and numbers of bytes readable.
//!
//! PURE: knows characters, nothing else. Labels, pings and reasons come from peers; whatever prints them
//! to a person calls [`escape`] first.

use unicode_width::UnicodeWidthChar;

/// Most columns of one escaped label.
pub const COLUMNS_MAX: usize = 64;

/// Units of bytes, largest first.
pub const UNITS: [(u64, &str); 4] =
    [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];

/// Bytes in their largest unit: `3.0 MiB`, `480 MiB`.
pub fn size(bytes: u64) -> String {
    let Some((unit, word)) = UNITS.iter().find(|(unit, _)| bytes >= *unit) else {
        return format!("{bytes} B");
    };
    match bytes / unit {
        whole @ 0..10 => format!("{whole}.{} {word}", bytes % unit * 10 / unit),
        whole => format!("{whole} {word}"),
    }
}

/// `text` with everything that could act on a terminal or deceive a reader made visible (`\u{1b}`), at
/// most [`COLUMNS_MAX`] columns, then `…`.
pub fn escape(text: &str) -> String {
    escape_to(text, COLUMNS_MAX)
}

/// As [`escape`], for longer lines: at most `columns_max` columns, then `…`.
pub fn escape_to(text: &str, columns_max: usize) -> String {
    visible(text, columns_max, true)
}

/// As [`escape_to`], for text that should have been escaped before it came: its backslashes stay single.
pub fn tame(text: &str, columns_max: usize) -> String {
    visible(text, columns_max, false)
}

fn visible(text: &str, columns_max: usize, backslashes: bool) -> String {
    let mut shown = String::new();
    let mut columns = 0;
    for c in text.chars() {
        let piece: String = match c {
            '\\' if !backslashes => c.into(),
            '\n' | '\r' | '\t' | '\\' => c.escape_default().collect(),
            c if deceives(c) => c.escape_unicode().collect(),
            c => c.into(),
        };
        // A mark without width still counts as one column, or a thousand of them would fit in a cell.
        let width: usize = piece.chars().map(|c| c.width().unwrap_or(1).max(1)).sum();
        if columns + width > columns_max {
            shown.push('…');
            break;
        }
        columns += width;
        shown.push_str(&piece);
    }
    shown
}

/// Characters that are not seen, move the cursor, or change the order in which others are seen.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["alice", "Zoë's laptop", "ноутбук", "電腦", "🦀", ""] {
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn what_acts_on_a_terminal_becomes_visible() {
        for (text, shown) in [
            ("\x1b[2J", "\\u{1b}[2J"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("a\\nb", "a\\\\nb"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{200b}b", "a\\u{200b}b"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{2028}", "\\u{2028}"),
            ("\u{fffe}", "\\u{fffe}"),
            ("\0\u{7f}", "\\u{0}\\u{7f}"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn what_is_escaped_once_is_left_alone() {
        for text in ["a\nb", "\\", "\u{202e}gpj.exe", "plain"] {
            assert_eq!(tame(&escape(text), 64), escape(text), "{text:?}");
            let harmless = |c: char| !c.is_control() && c != '\u{202e}';
            assert!(tame(text, 64).chars().all(harmless), "{text:?}");
        }
    }

    #[test]
    fn it_never_takes_more_than_its_columns() {
        let marks = "e\u{301}".repeat(500);
        for text in ["x".repeat(500), "電".repeat(500), "\x1b".repeat(500), marks] {
            let shown = escape(&text);
            let columns: usize = shown.chars().map(|c| c.width().unwrap_or(1).max(1)).sum();
            assert!(columns <= COLUMNS_MAX + 1, "{columns}");
            assert!(shown.ends_with('…'));
        }
    }
}
