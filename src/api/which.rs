//! Finding the file a person means, as [`who`](super::who) finds nodes: what fits two is answered with both.

use super::who::PREFIX_DIGITS_MIN;
use crate::actors::messages::File;
use crate::pieces::FileId;
use crate::pieces::ticket::Ticket;

/// Most candidates listed in an error.
const CANDIDATES_MAX: usize = 8;

/// Why a text does not name one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhichError {
    /// Nothing fits.
    #[error("no file is known here by that id, ticket or name")]
    None,
    /// More than one fits: their names (hostile until escaped) and ids, at most 8 of them.
    #[error("{count} files fit")]
    Ambiguous {
        /// How many fit.
        count: usize,
        /// The first of them.
        fits: Vec<(String, FileId)>,
    },
}

/// The one file that `text` names: a full id or a ticket, else the only id that begins so (8 or more hex
/// digits), else the only name. A full id is taken as it is, known or not.
pub fn resolve(text: &str, files: &[File]) -> Result<FileId, WhichError> {
    if let Ok(ticket) = text.parse::<Ticket>() {
        return Ok(ticket.file);
    }
    let prefix = text.to_ascii_lowercase();
    let is_prefix =
        prefix.len() >= PREFIX_DIGITS_MIN && prefix.bytes().all(|b| b.is_ascii_hexdigit());
    let by_prefix = |f: &File| is_prefix && f.row.file.to_string().starts_with(&prefix);
    let by_name = |f: &File| !text.is_empty() && f.row.name == text;
    only(files, by_prefix).or_else(|| only(files, by_name)).unwrap_or(Err(WhichError::None))
}

/// The only file that fits; an error if several do; nothing if none does.
fn only(files: &[File], fits: impl Fn(&File) -> bool) -> Option<Result<FileId, WhichError>> {
    let found: Vec<&File> = files.iter().filter(|f| fits(f)).collect();
    match found.as_slice() {
        [] => None,
        [one] => Some(Ok(one.row.file)),
        many => {
            let fits = many.iter().take(CANDIDATES_MAX);
            let fits = fits.map(|f| (f.row.name.clone(), f.row.file)).collect();
            Some(Err(WhichError::Ambiguous { count: many.len(), fits }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{file, pieces};
    use super::*;

    #[test]
    fn ids_tickets_and_names_are_found() {
        let files = pieces().files;
        let disc = &files[0];
        for text in [
            disc.row.file.to_string(),
            disc.row.file.short(),
            disc.row.file.short().to_uppercase(),
            disc.ticket.to_string(),
            disc.row.name.clone(),
        ] {
            assert_eq!(resolve(&text, &files), Ok(disc.row.file), "{text}");
        }
        assert_eq!(resolve(&file(200).to_string(), &files), Ok(file(200)), "known or not");
        for text in ["", "nothing.iso", &disc.row.file.short()[..7], "kith1nonsense"] {
            assert_eq!(resolve(text, &files), Err(WhichError::None), "{text}");
        }
    }

    #[test]
    fn one_of_two_is_never_guessed() {
        let files = pieces().files;
        let Err(WhichError::Ambiguous { count, fits }) = resolve("photos", &files) else {
            panic!()
        };
        assert_eq!((count, fits.len()), (2, 2));
        let mut twin = files.to_vec();
        twin[1].row.file = files[0].row.file;
        twin[1].row.file.0[31] ^= 1;
        assert!(resolve(&files[0].row.file.short(), &twin).is_err());
    }

    #[test]
    fn an_id_goes_before_a_name_that_imitates_it() {
        let mut files = pieces().files.to_vec();
        files[1].row.name = files[0].row.file.short();
        assert_eq!(resolve(&files[0].row.file.short(), &files), Ok(files[0].row.file));
    }
}
