//! Where state is kept, and how a node is called, if nobody says so.

use std::path::{Path, PathBuf};

use super::load::Sources;

/// The state directory; `None` means that state is kept in memory only.
///
/// An explicit `state.dir` wins. With a configuration directory it is `profiles/<profile>` relative
/// to the working directory (`profiles/default` without a profile). With only a profile it is
/// `$XDG_DATA_HOME/kith/<profile>`, `$HOME/.local/share/kith/<profile>` where that is not an
/// absolute path; in memory if neither is. With neither it is in memory.
pub fn state_dir(explicit: &Path, sources: &Sources) -> Option<PathBuf> {
    if !explicit.as_os_str().is_empty() {
        return Some(explicit.to_path_buf());
    }
    match (&sources.config_dir, &sources.profile) {
        (Some(_), profile) => {
            Some(Path::new("profiles").join(profile.as_deref().unwrap_or("default")))
        }
        (None, Some(profile)) => Some(data_dir(&sources.env)?.join(profile)),
        (None, None) => None,
    }
}

/// Where profiles without a configuration directory keep their state: `kith` in the directory for a
/// user's data (XDG Base Directory Specification: relative paths are ignored).
pub fn data_dir(environment: &[(String, String)]) -> Option<PathBuf> {
    let path = |wanted: &str| {
        let (_, text) = environment.iter().find(|(name, _)| name == wanted)?;
        Some(PathBuf::from(text)).filter(|path| path.is_absolute())
    };
    let home = path("XDG_DATA_HOME").or_else(|| Some(path("HOME")?.join(".local/share")));
    Some(home?.join("kith"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_follows_how_the_daemon_was_started() {
        let xdg = ("XDG_DATA_HOME", "/data");
        let home = ("HOME", "/home/bob");
        for (explicit, config, profile, env, expected) in [
            ("/x", Some("config"), Some("bob"), vec![home], Some("/x")),
            ("x", None, None, vec![], Some("x")),
            ("", Some("config"), Some("bob"), vec![xdg], Some("profiles/bob")),
            ("", Some("/etc/kith"), None, vec![], Some("profiles/default")),
            ("", None, Some("bob"), vec![xdg, home], Some("/data/kith/bob")),
            ("", None, Some("bob"), vec![home], Some("/home/bob/.local/share/kith/bob")),
            (
                "",
                None,
                Some("bob"),
                vec![("XDG_DATA_HOME", "data"), home],
                Some("/home/bob/.local/share/kith/bob"),
            ),
            ("", None, Some("bob"), vec![], None),
            ("", None, None, vec![xdg, home], None),
        ] {
            let sources = Sources {
                config_dir: config.map(PathBuf::from),
                profile: profile.map(String::from),
                env: env.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect(),
                ..Sources::default()
            };
            let found = state_dir(Path::new(explicit), &sources);
            assert_eq!(found, expected.map(PathBuf::from), "{explicit} {config:?} {profile:?}");
        }
    }
}
