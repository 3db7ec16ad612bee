//! The state directory, what lies in it, and the room there.

use super::super::Check;
use super::super::facts::{Facts, Space, State, There};
use super::{failed, ok, warning};
use crate::text::size;

/// Below this much room nothing works; below the second, not for long.
const ROOM_FAILED: u64 = 16 << 20;
const ROOM_WARNING: u64 = 256 << 20;
/// Below this much room for downloads somebody should look.
const DOWNLOADS_WARNING: u64 = 1 << 30;

pub(super) fn checks(facts: &Facts, out: &mut Vec<Check>) {
    let Some(state) = &facts.state else {
        out.push(ok("state", "kept in memory only: after a restart this is another node"));
        return;
    };
    directory(state, out);
    key(facts, state, out);
    if let Some(mode) = state.token.filter(|mode| mode & 0o077 != 0) {
        let (token, what) = (state.dir.join("control.token"), "can be read by others");
        let what = format!("{} {what} ({mode:04o}): they can steer this node", token.display());
        out.push(failed(
            "token",
            what,
            format!("chmod 600 {}, then restart: a new one is made", token.display()),
        ));
    }
    if let Some(space) = state.space {
        room(space, out);
    }
    downloads(facts, state, out);
}

fn directory(state: &State, out: &mut Vec<Check>) {
    let dir = state.dir.display();
    out.push(match &state.there {
        There::Directory { writable: false, ours, .. } => {
            let whose = if *ours { "" } else { ": it belongs to another user" };
            failed(
                "state",
                format!("{dir} cannot be written to{whose}"),
                "run this as its owner, or change its owner or the disk",
            )
        }
        There::Directory { mode, .. } if mode & 0o022 != 0 => failed(
            "state",
            format!("{dir} can be changed by others ({mode:04o})"),
            format!("chmod 700 {dir}"),
        ),
        There::Directory { mode, .. } if mode & 0o055 != 0 => warning(
            "state",
            format!("others can look into {dir} ({mode:04o})"),
            format!("chmod 700 {dir}"),
        ),
        There::Directory { ours: false, .. } => warning(
            "state",
            format!("{dir} belongs to another user"),
            "run this as its owner to see everything",
        ),
        There::Directory { mode, .. } => ok("state", format!("{dir} ({mode:04o})")),
        There::Nothing { can_be_made: true } => {
            ok("state", format!("{dir} is made at the first start"))
        }
        There::Nothing { can_be_made: false } => failed(
            "state",
            format!("{dir} is not there and cannot be made"),
            "choose another: -s state.dir=DIR",
        ),
        There::Else => failed(
            "state",
            format!("{dir} is not a directory"),
            "move that file away, or choose another: -s state.dir=DIR",
        ),
        There::Unseen(why) => {
            failed("state", format!("{dir} cannot be looked at: {why}"), "run this as its owner")
        }
    });
}

fn key(facts: &Facts, state: &State, out: &mut Vec<Check>) {
    match &state.key {
        Some((path, mode)) if mode & 0o077 != 0 => out.push(failed(
            "key",
            format!(
                "{} is open to others ({mode:04o}): the daemon does not start with it",
                path.display()
            ),
            format!("chmod 600 {}", path.display()),
        )),
        Some((path, mode)) => out.push(ok("key", format!("{} ({mode:04o})", path.display()))),
        None => match &facts.values.key {
            Some(path) => out.push(failed(
                "key",
                format!("{} is not there", path.display()),
                "correct network.key, or leave it out and a key is made",
            )),
            None if state.certificate => out.push(failed(
                "key",
                "the certificate is there and its key is not: the daemon does not start",
                format!(
                    "restore {0}/identity.key, or remove {0}/identity.crt to begin as a new node",
                    state.dir.display()
                ),
            )),
            None => {}
        },
    }
}

fn room(space: Space, out: &mut Vec<Check>) {
    let what = format!("{} of {} free", size(space.free), size(space.total));
    let remedy = "free some, or choose a state directory on another disk: -s state.dir=DIR";
    out.push(match space.free {
        free if free < ROOM_FAILED => failed("disk", what, remedy),
        free if free < ROOM_WARNING => warning("disk", what, remedy),
        _ => ok("disk", what),
    });
}

/// Said only where it is another disk, or there is little.
fn downloads(facts: &Facts, state: &State, out: &mut Vec<Check>) {
    let Some((path, space)) = &facts.machine.downloads else { return };
    let same = state.space.is_some_and(|state| state.total == space.total);
    let what = format!("{} free for downloads in {}", size(space.free), path.display());
    if space.free < DOWNLOADS_WARNING {
        let remedy = "free some, or choose another place: get --out PATH, or pieces.dir";
        out.push(warning("downloads", what, remedy));
    } else if !same {
        out.push(ok("downloads", what));
    }
}
