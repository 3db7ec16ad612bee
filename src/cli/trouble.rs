//! How a verb fails: what, why, what to try, and the exit status.

use std::io::{ErrorKind, Write};

use serde_json::json;

use super::called::hint;
use crate::api::failure::{Code, Problem};
use crate::settings::Problems;
use crate::text::escape_to;

/// Most columns of one line of an error.
const LINE_COLUMNS_MAX: usize = 400;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It was done.
    Done = 0,
    /// It was not done.
    Failed = 1,
    /// The command line or a setting is wrong.
    Usage = 2,
    /// No daemon to ask.
    NoDaemon = 3,
    /// No answer in time.
    TimedOut = 4,
    /// Our own mistake.
    Internal = 70,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> std::process::ExitCode {
        (exit as u8).into()
    }
}

/// Why a verb was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    exit: Exit,
    what: String,
    why: Vec<String>,
    remedy: String,
    /// It is told to a program.
    json: bool,
}

impl Trouble {
    /// With all its words; those that are empty are not printed.
    pub fn new(exit: Exit, what: impl Into<String>, why: String, remedy: &str) -> Trouble {
        let (why, remedy) = (vec![hint(&why)], hint(remedy));
        Trouble { exit, what: what.into(), why, remedy, json: false }
    }

    /// The command line or a setting is wrong.
    pub fn usage(what: &str, why: &str, remedy: &str) -> Trouble {
        Trouble::new(Exit::Usage, what, why.into(), remedy)
    }

    /// All that is wrong with the settings.
    pub fn settings(problems: &Problems) -> Trouble {
        let why = problems.0.iter().map(ToString::to_string).collect();
        let what = "the settings are wrong".into();
        let remedy = "config/network/default.toml explains every setting".into();
        Trouble { exit: Exit::Usage, what, why, remedy, json: false }
    }

    /// What the daemon said.
    pub fn told(problem: Problem) -> Trouble {
        let exit = match problem.code {
            Code::Usage => Exit::Usage,
            Code::Timeout => Exit::TimedOut,
            Code::Internal => Exit::Internal,
            Code::Denied | Code::NotFound | Code::Ambiguous | Code::Refused | Code::Unavailable => {
                Exit::Failed
            }
        };
        let remedy = match problem.code {
            Code::Denied => {
                "name the right daemon with -c and -p, or its token in KITH_TOKEN".into()
            }
            _ => hint(&problem.remedy),
        };
        let fits = problem.candidates.iter();
        let fits = fits.map(|c| format!("{} has the id {}", c.label, c.id));
        let why = std::iter::once(hint(&problem.why)).chain(fits).collect();
        Trouble { exit, what: problem.what, why, remedy, json: false }
    }

    /// Nothing to print to any more: a closed pipe is the reader's way to say "enough".
    pub fn output(error: &std::io::Error) -> Trouble {
        if error.kind() == ErrorKind::BrokenPipe {
            return Trouble::new(Exit::Done, "", String::new(), "");
        }
        Trouble::new(Exit::Failed, "cannot print", error.to_string(), "")
    }

    /// What could not be printed has not been read: not even a closed pipe means "enough" then.
    pub fn unread(self) -> Trouble {
        if self.exit != Exit::Done {
            return self;
        }
        let why = "nobody reads what is printed any more".into();
        let remedy =
            "they stay new: node pull shows them again, half a minute from now at the latest";
        Trouble::new(Exit::Failed, "cannot show the letters", why, remedy)
    }

    /// Ends the process so, and says nothing: everything was said already.
    pub fn silent(exit: Exit) -> Trouble {
        Trouble::new(exit, "", String::new(), "")
    }

    /// Why not and what to do, for whoever tells it in another way.
    pub fn words(&self) -> (Exit, String, String) {
        let why = self.why.iter().filter(|why| !why.is_empty()).cloned().collect::<Vec<_>>();
        let why = if why.is_empty() { self.what.clone() } else { why.join("; ") };
        (self.exit, why, self.remedy.clone())
    }

    /// Told as one line of JSON instead, if `json`.
    pub fn in_json(self, json: bool) -> Trouble {
        Trouble { json, ..self }
    }

    /// What and why, in one line that is not escaped yet.
    pub fn in_short(&self) -> String {
        let all = std::iter::once(&self.what).chain(&self.why).filter(|text| !text.is_empty());
        all.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// How the process would end.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The same with another end of the process.
    pub fn ending(self, exit: Exit) -> Trouble {
        Trouble { exit, ..self }
    }

    /// The lines to print; all text may come from others, so all of it is escaped.
    fn lines(&self) -> String {
        if self.json && !self.what.is_empty() {
            let (what, why, remedy) = (&self.what, self.why.join("; "), &self.remedy);
            return format!("{}\n", json!({"error": what, "because": why, "try": remedy}));
        }
        let because = self.why.iter().map(|why| ("because", why));
        let all =
            std::iter::once(("error", &self.what)).chain(because).chain([("try", &self.remedy)]);
        all.filter(|(_, text)| !text.is_empty())
            .map(|(word, text)| format!("{word}: {}\n", escape_to(text, LINE_COLUMNS_MAX)))
            .collect()
    }

    /// Prints it to stderr; how the process ends.
    pub fn report(&self) -> Exit {
        // With stderr closed there is nobody to tell; the exit status still tells.
        let _ = std::io::stderr().write_all(self.lines().as_bytes());
        self.exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::failure::Candidate;
    use crate::api::samples::id;

    #[test]
    fn an_error_says_what_why_and_what_to_try() {
        let problem = Problem {
            code: Code::Ambiguous,
            what: "cannot tell who \"twin\x1b[2J\" is".into(),
            why: "2 nodes fit".into(),
            remedy: "name it by its id".into(),
            candidates: vec![
                Candidate { id: id(5).to_string(), label: "twin".into() },
                Candidate { id: id(6).to_string(), label: "twin\n".into() },
            ],
        };
        let trouble = Trouble::told(problem);
        assert_eq!(trouble.exit, Exit::Failed);
        insta::assert_snapshot!(trouble.lines(), @r#"
    error: cannot tell who "twin\u{1b}[2J" is
    because: 2 nodes fit
    because: twin has the id 5555555555555555555555555555555555555555555555555555555555555555
    because: twin\n has the id 6666666666666666666666666666666666666666666666666666666666666666
    try: name it by its id
    "#);
    }

    #[test]
    fn a_program_is_told_in_one_object() {
        let trouble = Trouble::new(Exit::Failed, "cannot get\nit", "gone".into(), "").in_json(true);
        assert_eq!(trouble.lines().lines().count(), 1);
        let told: serde_json::Value = serde_json::from_str(&trouble.lines()).unwrap();
        assert_eq!(told, json!({"error": "cannot get\nit", "because": "gone", "try": ""}));
        assert_eq!(trouble.report(), Exit::Failed);
    }

    #[test]
    fn a_closed_pipe_is_no_trouble() {
        let trouble = Trouble::output(&ErrorKind::BrokenPipe.into());
        assert_eq!((trouble.lines().as_str(), trouble.exit), ("", Exit::Done));
        // It is for letters: who did not read them is to be shown them again.
        insta::assert_snapshot!(trouble.unread().lines(), @r#"
        error: cannot show the letters
        because: nobody reads what is printed any more
        try: they stay new: node pull shows them again, half a minute from now at the latest
        "#);
        let full = Trouble::output(&ErrorKind::StorageFull.into());
        assert_eq!(full.clone().unread(), full);
    }
}
