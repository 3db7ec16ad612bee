//! The verbs that need no daemon: `check`, `config`, `init`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use comfy_table::Cell;
use serde::Serialize;

use super::args::Flags;
use super::called::called;
use super::look::{Look, print};
use super::read::pretty;
use super::table::{lines, plain};
use super::trouble::{Exit, Trouble};
use crate::actors::messages::SettingRow;
use crate::api::asks::{Checked, Config, Wrong};
use crate::api::shapes::Shaped;
use crate::settings::Problems;
use crate::text::escape_to;

/// Reads the settings a command line leads to, all of them with their origin and secrets redacted; or
/// everything that is wrong with them.
pub type Effective = fn(&Flags) -> Result<Vec<SettingRow>, Problems>;

/// `node check`: says that the settings are good, or all that is wrong with them.
pub fn check(flags: &Flags, effective: Effective, json: bool) -> Result<(), Trouble> {
    let read = effective(flags);
    if json {
        let checked = match &read {
            Ok(rows) => Checked { good: true, settings: Some(rows.len()), problems: Vec::new() },
            Err(Problems(all)) => Checked {
                good: false,
                settings: None,
                problems: all.iter().map(Wrong::from).collect(),
            },
        };
        print(&as_json(checked)?)?;
        // It has been told already; what is left is how the process ends.
        return read.map(drop).map_err(|_| Trouble::usage("", "", ""));
    }
    let rows = read.map_err(|problems| Trouble::settings(&problems))?;
    print(&format!("{} settings, all good\n", rows.len()))
}

fn as_json(shape: impl Serialize) -> Result<String, Trouble> {
    let value = serde_json::to_value(Shaped::new(shape)).map_err(|error| {
        Trouble::new(Exit::Internal, "cannot write JSON", error.to_string(), "")
    })?;
    Ok(pretty(&value))
}

/// `node config`: the settings this command line leads to.
pub fn config(
    flags: &Flags,
    effective: Effective,
    json: bool,
    origin: bool,
    look: Look,
) -> Result<(), Trouble> {
    let rows = effective(flags).map_err(|problems| Trouble::settings(&problems))?;
    let config = Config::of(rows, origin);
    if !json {
        return print(&table(&config, look));
    }
    print(&as_json(config)?)
}

/// Settings as a table: key, value, and where it comes from if that was asked.
pub fn table(config: &Config, look: Look) -> String {
    let origins = config.settings.iter().any(|s| s.origin.is_some());
    let mut header = vec!["KEY", "VALUE"];
    header.extend(origins.then_some("FROM"));
    let mut table = plain(&header, look);
    for setting in &config.settings {
        let value = escape_to(&setting.value.to_string(), 120);
        let from = setting.origin.as_deref().map(|from| escape_to(from, 120));
        let row = [Some(setting.key.clone()), Some(value), from];
        table.add_row(row.into_iter().flatten().map(Cell::new));
    }
    lines(&table)
}

/// `node init DIR`: a profile to begin with, that keeps its state in `state` if that is given. Overwrites
/// nothing.
pub fn init(flags: &Flags, dir: &Path, state: Option<&Path>) -> Result<(), Trouble> {
    let profile = flags.profile.as_deref().unwrap_or("home");
    let settings = dir.join("network").join(format!("{profile}.toml"));
    let peers = dir.join("peers").join(format!("{profile}.json"));
    let utf8 = |path: &Path| {
        let path = path.to_str().map(ToOwned::to_owned);
        path.ok_or_else(|| {
            Trouble::usage("cannot write the profile", "the path is not UTF-8", "choose another")
        })
    };
    let name = utf8(&peers)?;
    let state = state.map(utf8).transpose()?;
    for file in [&settings, &peers] {
        if file.exists() {
            let why = format!("{} exists", file.display());
            return Err(cannot(&why, "choose another directory, or another profile with -p"));
        }
    }
    write_new(&settings, &starter(profile, &name, state.as_deref()))?;
    write_new(&peers, "[]\n")?;
    print(&format!(
        "wrote {}\nwrote {}\nstart it with: {} -c {} -p {profile}\n",
        settings.display(),
        peers.display(),
        called(),
        dir.display()
    ))
}

/// The content of a new profile.
fn starter(profile: &str, peers: &str, state: Option<&str>) -> String {
    // A JSON string of printable text is a TOML string too, whatever the directory is called.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let state = state.map_or_else(String::new, |dir| {
        format!("\n[state]\n# Its key, whom it knows, its letters.\ndir = {}\n", quoted(dir))
    });
    format!(
        "# Settings of this node. What is not set here is as in default.toml;\n\
         # {} config --origin prints all settings in force and where each comes from.\n\
         \n\
         # The name others see.\n\
         label = {}\n\
         \n\
         [network.controller.listen]\n\
         # The port other nodes connect to.\n\
         port = 8090\n\
         \n\
         [network.controller.target]\n\
         # Nodes to join first: a JSON array of addresses, [\"192.0.2.7:8090\", \"[::1]:8095\"].\n\
         path = {}\n\
         {state}",
        called(),
        quoted(profile),
        quoted(peers)
    )
}

fn write_new(path: &Path, content: &str) -> Result<(), Trouble> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content.as_bytes())
    };
    write().map_err(|error| cannot(&format!("{}: {error}", path.display()), ""))
}

fn cannot(why: &str, remedy: &str) -> Trouble {
    Trouble::new(Exit::Failed, "cannot write the profile", why.into(), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Problem;

    #[test]
    fn a_new_profile_can_be_read_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("con \"fig\"");
        let flags = Flags { profile: Some("alice".into()), ..Flags::default() };
        assert_eq!(init(&flags, &config, None), Ok(()));
        let text = fs::read_to_string(config.join("network/alice.toml")).unwrap();
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["label"].as_str(), Some("alice"));
        let target = &read["network"]["controller"]["target"]["path"];
        assert_eq!(fs::read_to_string(target.as_str().unwrap()).unwrap(), "[]\n");

        fs::write(config.join("network/alice.toml"), "mine").unwrap();
        fs::remove_file(config.join("peers/alice.json")).unwrap();
        assert!(init(&flags, &config, None).is_err());
        assert_eq!(fs::read_to_string(config.join("network/alice.toml")).unwrap(), "mine");
        assert!(!config.join("peers/alice.json").exists(), "nothing half done");

        assert_eq!(init(&flags, &dir.path().join("b"), Some(Path::new("/srv/a \"b\""))), Ok(()));
        let text = fs::read_to_string(dir.path().join("b/network/alice.toml")).unwrap();
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["state"]["dir"].as_str(), Some("/srv/a \"b\""));
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let problem = |text: &str| Problem::NotAssignment { text: text.into() };
        let wrong: Effective = |_| {
            let problem = |text: &str| Problem::NotAssignment { text: text.into() };
            Err(Problems(vec![problem("a"), problem("b")]))
        };
        let trouble = check(&Flags::default(), wrong, false).err().unwrap();
        assert_eq!(trouble, Trouble::settings(&Problems(vec![problem("a"), problem("b")])));
        assert!(format!("{trouble:?}").contains("-s b: expected key=value"));
        // As JSON they are what was asked for, and nothing is told beside them.
        let told = check(&Flags::default(), wrong, true).err().unwrap();
        assert_eq!((told.exit(), told.in_short().as_str()), (Exit::Usage, ""));
    }

    #[test]
    fn settings_are_a_table() {
        let row = |key: &str, value: serde_json::Value| SettingRow {
            key: key.into(),
            value,
            origin: "default".into(),
        };
        let rows = vec![row("label", "al\x1bice".into()), row("network.period", 5.into())];
        insta::assert_snapshot!(table(&Config::of(rows.clone(), false), Look::default()), @r#"
    KEY             VALUE
    label           "al\\u001bice"
    network.period  5
    "#);
        insta::assert_snapshot!(table(&Config::of(rows, true), Look::default()), @r#"
    KEY             VALUE           FROM
    label           "al\\u001bice"  default
    network.period  5               default
    "#);
    }
}
