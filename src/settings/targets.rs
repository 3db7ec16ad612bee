//! The file of initial peers: a JSON array of addresses (`["[::1]:8090", "host.example:8100"]`).

use std::path::Path;

use super::check::is_target;
use super::files::read_text;
use super::problem::{Problem, shown_text};

/// Most addresses in the file.
const TARGETS_MAX: usize = 4096;

/// The addresses in the file at `path`, relative to the working directory. `layer` is where the
/// path was written. All that is wrong with the file is returned, not only the first.
pub(super) fn read_targets(path: &Path, layer: &str) -> Result<Vec<String>, Vec<Problem>> {
    let wrong = |message: String| Problem::PeerFile {
        path: path.to_path_buf(),
        layer: layer.to_string(),
        message,
    };
    let text = match read_text(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Err(vec![wrong("there is no such file".into())]),
        Err(Problem::Unreadable { message, .. }) => return Err(vec![wrong(message)]),
        Err(other) => return Err(vec![other]),
    };
    let items: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(|error| {
        let error = shown_text(&error.to_string());
        vec![wrong(format!("expected a JSON array of addresses: {error}"))]
    })?;
    if items.len() > TARGETS_MAX {
        let message = format!("expected at most {TARGETS_MAX} addresses, not {}", items.len());
        return Err(vec![wrong(message)]);
    }
    let mut targets = Vec::new();
    let mut problems = Vec::new();
    for (place, item) in items.iter().enumerate() {
        match item.as_str().filter(|text| is_target(text)) {
            Some(text) => targets.push(text.to_string()),
            None => problems.push(wrong(format!(
                "entry {}, {}, is not an address such as \"[::1]:8090\" or \"host.example:8100\"",
                place + 1,
                shown_text(&item.to_string()),
            ))),
        }
    }
    if problems.is_empty() { Ok(targets) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("peers.json");
        std::fs::write(&path, text).unwrap();
        read_targets(&path, "-s")
            .map_err(|problems| problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn addresses_and_names_are_read() {
        assert_eq!(read("[]"), Ok(vec![]));
        let targets = read(r#"["[::1]:8090", "node.example:8100"]"#).unwrap();
        assert_eq!(targets, ["[::1]:8090", "node.example:8100"]);
    }

    #[test]
    fn every_wrong_entry_is_told() {
        let problems = read(r#"["::1", "a:1", 5]"#).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("entry 1, \"::1\", is not an address"), "{problems:?}");
        assert!(problems[1].contains("entry 3, 5, is not"), "{problems:?}");
        for text in ["", "{}", "[\"a:1\"", "\u{1b}"] {
            let problems = read(text).unwrap_err();
            assert!(problems[0].contains("expected a JSON array of addresses"), "{problems:?}");
        }
    }

    #[test]
    fn a_missing_file_is_told() {
        let problems = read_targets(Path::new("no/such.json"), "-s").unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "no/such.json (network.controller.target.path, from -s): there is no such file"
        );
    }
}
