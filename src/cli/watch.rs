//! Showing again and again: redrawn on a terminal, printed when something changed elsewhere.

use std::time::Duration;

use serde_json::Value;

use super::trouble::{Exit, Trouble};

/// Time between two looks.
pub const PERIOD: Duration = Duration::from_secs(1);
/// To the upper left corner, and erase everything from there.
const CLEAR: &str = "\x1b[H\x1b[2J";
/// Fields that change all the time and say nothing new.
const RESTLESS: [&str; 5] = ["uptime_s", "rtt_us", "counters", "handshakes", "seconds"];

/// One look: the answer it was made of, and what is shown.
pub struct Frame {
    /// The API's answer.
    pub answer: Value,
    /// What a person sees of it.
    pub shown: String,
}

/// Shows what `look` gives until no daemon answers (or nobody reads) any more.
pub fn watch(
    terminal: bool,
    pause: Duration,
    look: impl FnMut() -> Result<Frame, Trouble>,
    mut print: impl FnMut(&str) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut last = None;
    repeat(pause, look, |seen| {
        let seen = match seen {
            Ok(frame) if terminal => return print(&format!("{CLEAR}{}", frame.shown)),
            Err(refused) if terminal => {
                print(CLEAR)?;
                refused.report();
                return Ok(());
            }
            seen => seen,
        };
        let calm = Some(match &seen {
            Ok(frame) => Ok(calmed(frame.answer.clone())),
            Err(refused) => Err(refused.clone()),
        });
        if calm == last {
            return Ok(());
        }
        last = calm;
        match seen {
            Ok(frame) => print(&frame.shown),
            Err(refused) => {
                refused.report();
                Ok(())
            }
        }
    })
}

/// Looks again and again and shows what came of it. A daemon that has answered once may refuse later on: what is
/// looked at may be back in a moment, so that is shown, too. Only the first look must succeed.
pub fn repeat<T>(
    pause: Duration,
    mut look: impl FnMut() -> Result<T, Trouble>,
    mut show: impl FnMut(Result<T, Trouble>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut answered = false;
    loop {
        let seen = look();
        if let Err(trouble) = &seen
            && !(answered && matches!(trouble.exit(), Exit::Failed | Exit::TimedOut))
        {
            return seen.map(drop);
        }
        answered = true;
        show(seen)?;
        std::thread::sleep(pause);
    }
}

/// The answer without what changes all the time.
fn calmed(mut answer: Value) -> Value {
    calm(&mut answer);
    answer
}

fn calm(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !RESTLESS.contains(&name.as_str()));
            fields.values_mut().for_each(calm);
        }
        Value::Array(items) => items.iter_mut().for_each(calm),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(terminal: bool, answers: Vec<Value>) -> Vec<String> {
        let mut answers = answers.into_iter();
        let mut printed = Vec::new();
        let look = || {
            let answer = answers.next();
            let answer = answer.ok_or(Trouble::new(Exit::NoDaemon, "gone", "".into(), ""))?;
            Ok(Frame { shown: answer.to_string(), answer })
        };
        let print = |text: &str| {
            printed.push(text.to_owned());
            Ok(())
        };
        assert!(watch(terminal, Duration::ZERO, look, print).is_err());
        printed
    }

    #[test]
    fn without_a_terminal_only_changes_are_printed() {
        let node = |state: &str, rtt: u32| json!({"nodes": [{"state": state, "rtt_us": rtt}]});
        let printed = run(false, vec![node("alive", 1), node("alive", 2), node("failed", 2)]);
        assert_eq!(printed, [node("alive", 1).to_string(), node("failed", 2).to_string()]);
        // A transfer that stands still grows older all the same.
        let stuck = |seconds: f64| json!({"transfers": [{"phase": "seeking", "seconds": seconds}]});
        assert_eq!(run(false, vec![stuck(1.0), stuck(2.0)]), [stuck(1.0).to_string()]);
    }

    #[test]
    fn what_is_refused_for_a_while_is_shown_and_ends_nothing() {
        let gone = || Trouble::new(Exit::NoDaemon, "gone", "".into(), "");
        let refused = || Trouble::new(Exit::Failed, "no path to bob", "".into(), "");
        let late = || Trouble::new(Exit::TimedOut, "gave up waiting", "".into(), "");
        let seen = |answers: Vec<Result<u8, Trouble>>| {
            let (mut answers, mut shown) = (answers.into_iter(), Vec::new());
            let show = |seen| {
                shown.push(seen);
                Ok(())
            };
            let ended = repeat(Duration::ZERO, || answers.next().unwrap_or(Err(gone())), show);
            (shown, ended.unwrap_err())
        };
        let back = vec![Ok(1), Err(refused()), Err(late()), Ok(2)];
        assert_eq!(seen(back.clone()), (back, gone()));
        assert_eq!(
            seen(vec![Err(refused()), Ok(1)]),
            (vec![], refused()),
            "a mistake at the beginning"
        );
        let usage = || Trouble::usage("what", "why", "");
        assert_eq!(seen(vec![Ok(1), Err(usage()), Ok(2)]), (vec![Ok(1)], usage()));
    }

    #[test]
    fn a_terminal_is_cleared_and_redrawn() {
        let printed = run(true, vec![json!(1), json!(1)]);
        assert_eq!(printed, ["\x1b[H\x1b[2J1", "\x1b[H\x1b[2J1"]);
    }
}
