//! The verbs that show something.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::{LettersArgs, OneLetter, ShowLive, Verb};
use super::client::{Client, parse, segment};
use super::look::{Look, print};
use super::trouble::Trouble;
use super::watch::{Frame, PERIOD, repeat, watch};
use super::{offline, table};
use crate::api::asks::{AskWho, Config, Link, Ping};
use crate::api::shapes::{
    Graph, Letter, Letters, Path, Peers, Pieces, Relays, Shaped, Status, Transfers, Why,
};
use crate::store::unix_ms;

/// Shows what the verb asks for; nothing if it is not a verb that shows.
pub fn show(client: &Client, verb: &Verb, look: Look) -> Option<Result<(), Trouble>> {
    Some(match verb {
        Verb::Status { show } => {
            live(client, "status", *show, look, |s: Status, _| Ok(table::status(&s, look)))
        }
        Verb::Peers { show } => live(client, "peers", *show, look, |peers: Peers, now| {
            let Shaped { body: status, .. } = client.get("status")?;
            Ok(table::peers(&status, &peers, now, look))
        }),
        Verb::Graph { format: Some(format), .. } => export(client, format.as_str()),
        Verb::Graph { format: None, show } => {
            live(client, "graph", *show, look, |g: Graph, now| Ok(table::graph(&g, now, look)))
        }
        Verb::Path { who, show } => live(
            client,
            &format!("path/{}?walk=true", segment(who)),
            *show,
            look,
            |way: Path, _| {
                let Shaped { body: graph, .. } = client.get("graph")?;
                Ok(table::path(&way, &graph, look))
            },
        ),
        Verb::Why { who, show } => {
            let draw = |why: Why, now| Ok(table::why(&why, now, look));
            live(client, &format!("why/{}", segment(who)), *show, look, draw)
        }
        Verb::Ping { who, json, watch } => ping(client, who, *json, *watch),
        Verb::Transfers { stop: None, show } => {
            let draw = |t: Transfers, _| Ok(table::transfers(&t.transfers, look));
            live(client, "transfers", *show, look, draw)
        }
        Verb::Pieces { show } => {
            let draw = |known: Pieces, _| Ok(table::pieces(&known.pieces, look));
            live(client, "pieces", *show, look, draw)
        }
        Verb::Letters(args) => letters(client, args, look),
        Verb::Relays { show } => live(client, "relays", *show, look, |relays: Relays, _| {
            Ok(table::relays(&relays, look))
        }),
        // Handing the address to a program that opens it would show the key in the list of processes.
        Verb::Open { json } => {
            let text = client.post_text("session/link", &());
            once(text, *json, |link: Link| Ok(format!("{}\n", link.url)))
        }
        Verb::Config { json, origin, .. } => {
            let text = client.text(&format!("config?origin={origin}"));
            once(text, *json, |config: Config| Ok(offline::table(&config, look)))
        }
        _ => return None,
    })
}

fn letters(client: &Client, args: &LettersArgs, look: Look) -> Result<(), Trouble> {
    if let Some(OneLetter::Show { id, show }) = &args.one {
        let path = format!("letters/{}", segment(id));
        return live(client, &path, *show, look, |letter: Letter, now| {
            let Shaped { body: graph, .. } = client.get("graph")?;
            Ok(table::letter(&letter, &graph, now, look))
        });
    }
    let with = args.with.as_deref().map(|who| format!("with={}", segment(who)));
    let limit = args.limit.map(|limit| format!("limit={limit}"));
    let query: Vec<String> = with.into_iter().chain(limit).collect();
    let path = format!("letters?{}", query.join("&"));
    live(client, &path, args.show, look, |all: Letters, now| Ok(table::letters(&all, now, look)))
}

/// Measures once, or each second for ever: then every answer is news.
fn ping(client: &Client, who: &str, json: bool, again: bool) -> Result<(), Trouble> {
    let ask = || client.post_text("ping", &AskWho { who: who.to_owned() });
    let draw = |ping: Ping| Ok(table::ping(who, &ping));
    if !again {
        return once(ask(), json, draw);
    }
    let line = || {
        let text = ask()?;
        match json {
            true => Ok(format!("{}\n", parse::<Value>(&text)?)),
            false => draw(parse::<Shaped<Ping>>(&text)?.body),
        }
    };
    repeat(PERIOD, line, |answered| match answered {
        Ok(line) => print(&line),
        Err(trouble) => {
            trouble.in_json(json).report();
            Ok(())
        }
    })
}

/// Shows once, or for ever.
fn live<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    show: ShowLive,
    look: Look,
    table: impl Fn(T, u64) -> Result<String, Trouble>,
) -> Result<(), Trouble> {
    let draw = |body| table(body, unix_ms());
    if !show.watch {
        return once(client.text(path), show.json, draw);
    }
    let frame = || {
        let text = client.text(path)?;
        let answer: Value = parse(&text)?;
        let shown = match show.json {
            true => format!("{answer}\n"),
            false => draw(parse::<Shaped<T>>(&text)?.body)?,
        };
        Ok(Frame { answer, shown })
    };
    // JSON is for programs, and they do not look at a screen.
    watch(look.terminal && !show.json, PERIOD, frame, |text: &str| match show.json {
        true => print(text),
        false => print(&format!("{text}\n")),
    })
}

/// Prints an answer as JSON, or as `table` makes it.
fn once<T: DeserializeOwned>(
    answer: Result<String, Trouble>,
    json: bool,
    table: impl FnOnce(T) -> Result<String, Trouble>,
) -> Result<(), Trouble> {
    let text = answer?;
    if json {
        return print(&pretty(&parse(&text)?));
    }
    let Shaped { body, .. } = parse(&text)?;
    print(&table(body)?)
}

fn export(client: &Client, format: &str) -> Result<(), Trouble> {
    let text = client.text(&format!("graph?format={format}"))?;
    if format == "json" {
        return print(&pretty(&parse(&text)?));
    }
    print(&text)
}

/// The API's JSON, its fields in the order it gave them.
pub fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
