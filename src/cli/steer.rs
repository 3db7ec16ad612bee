//! The verbs that change something: one line says what was done.

use super::args::Verb;
use super::client::Client;
use super::look::print;
use super::trouble::Trouble;
use crate::api::asks::{
    AskConnect, AskFile, AskShout, AskWho, Begun, Connected, Forgotten, Reload, Shouted, Steered,
    Stopping,
};
use crate::text::{escape, escape_to};

/// Does what the verb says, and says so. Verbs that show are done elsewhere and do nothing here.
pub fn steer(client: &Client, verb: &Verb) -> Result<(), Trouble> {
    let done = match verb {
        Verb::Connect { addr } => {
            let made: Connected = client.post("connect", &AskConnect { addr: addr.clone() })?;
            format!("linked with {} at {}", made.id.0.short(), made.addr)
        }
        Verb::Disconnect { who } => whom(client, "disconnect", who, "disconnected")?,
        Verb::Pin { who } => whom(client, "pin", who, "pinned")?,
        Verb::Unpin { who } => whom(client, "unpin", who, "unpinned")?,
        Verb::Ban { who } => whom(client, "ban", who, "banned")?,
        Verb::Unban { who } => whom(client, "unban", who, "unbanned")?,
        Verb::Shout { text } => {
            let told: Shouted = client.post("shout", &AskShout { text: text.join(" ") })?;
            let plural = if told.links == 1 { "link" } else { "links" };
            format!("sent on {} {plural}, to be passed on to everyone", told.links)
        }
        Verb::Transfers { stop: Some(transfer), .. } => {
            let done: Begun = client.post(&format!("transfers/{transfer}/stop"), &())?;
            format!("stopped transfer {}; what is there stays", done.transfer)
        }
        Verb::Forget { file } => {
            let done: Forgotten = client.post("forget", &AskFile { file: file.clone() })?;
            format!("forgot {} ({})", escape(&done.name), done.file_id.0.short())
        }
        Verb::Reload => reload(&client.post("reload", &())?),
        Verb::Leave => end(client, "leave", "said goodbye and stopped")?,
        Verb::Stop => end(client, "stop", "stopped")?,
        Verb::Status { .. }
        | Verb::Peers { .. }
        | Verb::Top
        | Verb::Graph { .. }
        | Verb::Path { .. }
        | Verb::Ping { .. }
        | Verb::Why { .. }
        | Verb::Share { .. }
        | Verb::Get { .. }
        | Verb::Transfers { stop: None, .. }
        | Verb::Pieces { .. }
        | Verb::Push(_)
        | Verb::Pull(_)
        | Verb::Letters(_)
        | Verb::Relays { .. }
        | Verb::Open { .. }
        | Verb::Check { .. }
        | Verb::Config { .. }
        | Verb::Init { .. }
        | Verb::Completions { .. }
        | Verb::Man
        | Verb::Doctor(_) => return Ok(()),
    };
    print(&format!("{done}\n"))
}

fn whom(client: &Client, verb: &str, who: &str, done: &str) -> Result<String, Trouble> {
    let steered: Steered = client.post(verb, &AskWho { who: who.into() })?;
    Ok(match steered.id {
        Some(id) => format!("{done} {} ({})", escape(who), id.0.short()),
        None => format!("{done} the label {}", escape(who)),
    })
}

fn end(client: &Client, verb: &str, done: &str) -> Result<String, Trouble> {
    let _: Stopping = client.post(verb, &())?;
    client.wait_for_end()?;
    Ok(done.into())
}

fn reload(done: &Reload) -> String {
    let list = |word: &str, keys: &[String]| match keys {
        [] => String::new(),
        keys => format!("\n{word}: {}", escape_to(&keys.join(", "), 4000)),
    };
    let applied = list("applied", &done.applied);
    let waiting = list("needs a restart", &done.needs_restart);
    if applied.is_empty() && waiting.is_empty() {
        return "read again: nothing changed".into();
    }
    format!("read again{applied}{waiting}")
}
