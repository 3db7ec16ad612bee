//! What stdout can show, and printing to it.

use std::io::{IsTerminal, Write};

use super::trouble::Trouble;

/// What stdout can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// It is a terminal, so it can be cleared.
    pub terminal: bool,
    /// Colours are wanted.
    pub colour: bool,
}

impl Look {
    /// That of this process.
    pub fn of_stdout() -> Look {
        let terminal = std::io::stdout().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Look { terminal: terminal && !dumb, colour: terminal && !refused && !dumb }
    }
}

/// Prints to stdout, at once.
pub fn print(text: &str) -> Result<(), Trouble> {
    let mut stdout = std::io::stdout().lock();
    let done = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    done.map_err(|error| Trouble::output(&error))
}
