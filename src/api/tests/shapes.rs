//! The fields of every answer, at once: programs read them, so none may go or change what it is.

use std::fmt::Write;

use serde_json::json;

use super::*;
use crate::api::samples::{file, letter_id};

/// Where each field is and what it can be, in the order they are written.
#[derive(Default)]
struct Fields(Vec<(String, Vec<&'static str>)>);

impl Fields {
    fn read(&mut self, at: &str, value: &Value) {
        let kind = match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let dot = if at.is_empty() { "" } else { "." };
                    self.read(&format!("{at}{dot}{name}"), value);
                }
                return;
            }
            Value::Array(items) => {
                items.iter().for_each(|item| self.read(&format!("{at}[]"), item));
                if !items.is_empty() {
                    return;
                }
                "an empty list"
            }
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "number",
            Value::String(_) => "text",
        };
        match self.0.iter_mut().find(|(known, _)| known == at) {
            Some((_, kinds)) if kinds.contains(&kind) => {}
            Some((_, kinds)) => kinds.push(kind),
            None => self.0.push((at.into(), vec![kind])),
        }
    }

    fn lines(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (at, kinds)| {
            writeln!(text, "  {at}: {}", kinds.join(" or ")).expect("into a string");
            text
        })
    }
}

#[actix::test]
async fn no_field_of_any_answer_is_lost_or_renamed() {
    let fake = Fake::default();
    fake.mail.arrive(bob_says(1, "hello"));
    fake.mail.arrive(samples::came(2, id(9), b"\xff\0"));
    let one = letter_id(2).to_string();
    let bob = json!({"who": "bob"});
    let came = json!({"letters": [{"id": letter_id(1).to_string(), "from": id(2).to_string()}]});
    let mut all = String::new();
    for (path, body) in [
        ("status", None),
        ("peers", None),
        ("graph", None),
        ("path/carol?walk=true", None),
        ("why/dave", None),
        ("config?origin=true", None),
        ("transfers", None),
        ("transfers/2", None),
        ("pieces", None),
        ("letters", None),
        (&format!("letters/{one}"), None),
        ("inbox?peek=true", None),
        ("relays", None),
        ("ping", Some(bob.clone())),
        ("connect", Some(json!({"addr": "127.0.0.1:9002"}))),
        ("disconnect", Some(bob.clone())),
        ("shout", Some(json!({"text": "hi"}))),
        ("reload", Some(json!({}))),
        ("share", Some(json!({"path": "/srv/photos"}))),
        ("forget", Some(json!({"file": file(10).to_string()}))),
        ("letters", Some(json!({"to": id(2).to_string(), "text": "hi"}))),
        ("inbox/ack", Some(came)),
        ("why/twin", None),
        ("stop", Some(json!({}))),
    ] {
        let full = format!("/api/v1/{path}");
        let (method, (_, answer)) = match body {
            None => ("GET", get(&fake, &full).await),
            Some(body) => ("POST", post(&fake, &full, body).await),
        };
        assert_eq!(answer["schema"], 1, "{method} {path} {answer}");
        let mut fields = Fields::default();
        fields.read("", &answer);
        all += &format!("{method} {path}\n{}", fields.lines());
    }
    insta::assert_snapshot!(all);
}
