//! What changes between two readings of the settings, and what a running daemon can take of it.

use serde::Serialize;
use toml::Value;

use super::load::Loaded;
use super::merge::{redacted, typed};
use super::problem::Problems;
use super::table::{OnReload, ROWS};

/// One setting that changed, secrets redacted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Full dotted key.
    pub key: &'static str,
    /// The value before.
    pub old: Value,
    /// The value now.
    pub new: Value,
}

/// What a reload means, in the order of `default.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reloaded {
    /// The running daemon takes these at once.
    pub applied: Vec<Change>,
    /// These wait for the next start; until then the old value holds.
    pub needs_restart: Vec<Change>,
}

/// What changed from `old` to `new`.
///
/// If only the content of the file `network.controller.target.path` changed, that key is listed
/// with the addresses before and now as its values.
pub fn diff(old: &Loaded, new: &Loaded) -> Reloaded {
    let mut reloaded = Reloaded::default();
    for row in ROWS {
        let (Some(before), Some(now)) = (old.effective.get(row.key), new.effective.get(row.key))
        else {
            continue;
        };
        let changed = if before.value != now.value {
            (redacted(&row.kind, &before.value), redacted(&row.kind, &now.value))
        } else if row.key == "network.controller.target.path" && file_changed(old, new) {
            (Value::from(old.targets.clone()), Value::from(new.targets.clone()))
        } else {
            continue;
        };
        let change = Change { key: row.key, old: changed.0, new: changed.1 };
        match row.on_reload {
            OnReload::Applied => reloaded.applied.push(change),
            OnReload::Restart => reloaded.needs_restart.push(change),
        }
    }
    reloaded
}

/// What is in force after a reload: the new values of what a running daemon can take, and the old ones of
/// what waits for the next start.
pub fn in_force(old: &Loaded, mut new: Loaded) -> Result<Loaded, Problems> {
    for row in ROWS.iter().filter(|row| row.on_reload == OnReload::Restart) {
        if let Some(won) = old.effective.get(row.key) {
            new.effective.insert(row.key, won.clone());
        }
    }
    new.settings = typed(&new.effective).map_err(|problem| Problems(vec![problem]))?;
    new.targets.clone_from(&old.targets);
    new.state_dir.clone_from(&old.state_dir);
    Ok(new)
}

/// Whether the addresses differ although the settings they come from do not.
fn file_changed(old: &Loaded, new: &Loaded) -> bool {
    let connect = |loaded: &Loaded| loaded.settings.network.controller.target.connect.clone();
    connect(old) == connect(new) && old.targets != new.targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Sources, load};

    fn loaded(sets: &[&str]) -> Loaded {
        let sets = sets.iter().map(ToString::to_string).collect();
        load(&Sources { sets, ..Sources::default() }).unwrap()
    }

    #[test]
    fn a_reload_tells_what_it_can_take() {
        let old = loaded(&["network.secret=one"]);
        let new = loaded(&[
            "network.controller.peers.heartbeat_period=0.5",
            "network.controller.listen.port=9000",
            "control.listen=127.0.0.1:9",
            "log.format=json",
            "log.levels=warn",
            "network.secret=two",
        ]);
        let reloaded = diff(&old, &new);
        let keys = |changes: &[Change]| changes.iter().map(|c| c.key).collect::<Vec<_>>();
        assert_eq!(
            keys(&reloaded.applied),
            ["network.controller.peers.heartbeat_period", "log.format", "log.levels"]
        );
        assert_eq!(
            keys(&reloaded.needs_restart),
            ["network.secret", "network.controller.listen.port", "control.listen"]
        );
        assert_eq!(reloaded.applied[0].old, Value::Float(1.0));
        assert_eq!(reloaded.applied[0].new, Value::Float(0.5));
        assert_eq!(reloaded.needs_restart[0].new, Value::from("(secret)"));
    }

    #[test]
    fn what_waits_for_a_restart_is_not_in_force_and_is_told_again() {
        let old = loaded(&["network.period=5"]);
        let new = loaded(&["network.period=7", "network.controller.listen.port=9000"]);
        let now = in_force(&old, new.clone()).unwrap();
        assert_eq!(now.settings.network.controller.listen.port, 8100);
        assert_eq!(now.origin("network.controller.listen.port"), Some("default"));
        assert_eq!(now.settings.network.period, new.settings.network.period);
        let again = diff(&now, &new);
        assert!(again.applied.is_empty());
        assert_eq!(again.needs_restart.len(), 1);
    }

    #[test]
    fn the_same_value_in_another_form_is_no_change() {
        let old = loaded(&["network.period=5"]);
        assert_eq!(diff(&old, &loaded(&["network.period=5.0"])), Reloaded::default());
    }

    #[test]
    fn new_initial_peers_are_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("peers.json");
        let set = format!("network.controller.target.path={}", path.display());
        std::fs::write(&path, "[]").unwrap();
        let old = loaded(&[&set]);
        std::fs::write(&path, "[\"a:1\"]").unwrap();
        let reloaded = diff(&old, &loaded(&[&set]));
        assert_eq!(reloaded.needs_restart.len(), 1);
        assert_eq!(reloaded.needs_restart[0].new, Value::from(vec!["a:1"]));
    }
}
