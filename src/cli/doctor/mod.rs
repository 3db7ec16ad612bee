//! `node doctor`: looks at a node and its machine from all sides and says in words what is well, what is not,
//! and what to do. Works with and without a daemon, and changes nothing.
//!
//! Reading list: [`facts`] (what is found out), `gather` (how), [`checks`] (what follows from it: pure),
//! [`bundle`] (what goes into a bug report, and what does not).

pub mod bundle;
pub mod checks;
pub mod facts;
mod gather;
mod values;

use serde::Serialize;
use serde_json::Value;

use super::args::{DoctorArgs, Flags};
use super::called::hint;
use super::look::{Look, print};
use super::read::pretty;
use super::table::painted;
use super::trouble::{Exit, Trouble};
use crate::api::shapes::SCHEMA;
use crate::text::escape_to;

/// Most columns of one line of a check.
const LINE_COLUMNS_MAX: usize = 300;
/// Column at which the words of a check begin.
const INDENT: usize = 21;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All is well.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Warning => "warning",
            Outcome::Failed => "failed",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Outcome::Ok => "32",
            Outcome::Warning => "33",
            Outcome::Failed => "31",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, in a word.
    pub name: &'static str,
    /// How it ended.
    pub result: Outcome,
    /// What was found, in words; may hold what peers wrote until it is escaped.
    pub what: String,
    /// What to do; empty when there is nothing to do.
    #[serde(rename = "try")]
    pub remedy: String,
}

/// `node doctor`. The exit status is 1 if a check failed, else 0.
pub fn doctor(flags: &Flags, args: &DoctorArgs, look: Look) -> Result<(), Trouble> {
    let (facts, client) = gather::gather(flags);
    let checks = checks::all(&facts);
    if args.json {
        print(&pretty(&report(&checks)))?;
    } else {
        print(&shown(&checks, look))?;
    }
    if let Some(file) = &args.bundle {
        let contents =
            bundle::contents(flags, &facts, &report(&checks), client.as_ref(), args.with_names);
        bundle::write(file, &contents)?;
        let said = bundle::said(file, args.with_names);
        if !args.json {
            print(&said)?;
        }
    }
    match checks.iter().any(|check| check.result == Outcome::Failed) {
        false => Ok(()),
        true => Err(Trouble::silent(Exit::Failed)),
    }
}

/// The checks for programs.
pub fn report(checks: &[Check]) -> Value {
    serde_json::json!({ "schema": SCHEMA, "checks": checks })
}

/// The checks for people: a line each, with what to do below it.
pub fn shown(checks: &[Check], look: Look) -> String {
    let mut text = String::new();
    for Check { name, result, what, remedy } in checks {
        let (word, what) = (result.as_str(), escape_to(&hint(what), LINE_COLUMNS_MAX));
        let gap = " ".repeat(9 - word.len());
        text += &format!("{}{gap}{name:<12}{what}\n", painted(word, result.colour(), look));
        if !remedy.is_empty() {
            let remedy = escape_to(&hint(remedy), LINE_COLUMNS_MAX);
            text += &format!("{:INDENT$}try: {remedy}\n", "");
        }
    }
    let count = |outcome| checks.iter().filter(|check| check.result == outcome).count();
    let warnings = match count(Outcome::Warning) {
        1 => "1 warning".into(),
        n => format!("{n} warnings"),
    };
    let (all, ok, failed) = (checks.len(), count(Outcome::Ok), count(Outcome::Failed));
    format!("{text}\n{all} checks: {ok} ok, {warnings}, {failed} failed\n")
}

#[cfg(test)]
mod tests;
