//! Showing again and again: redrawn on a terminal, printed when something changed elsewhere.

use std::time::Duration;

use serde_json::Value;

use super::trouble::Trouble;

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

/// Shows what `look` gives until it fails (or nobody reads any more).
pub fn watch(
    terminal: bool,
    pause: Duration,
    mut look: impl FnMut() -> Result<Frame, Trouble>,
    mut print: impl FnMut(&str) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut last = None;
    loop {
        let frame = look()?;
        if terminal {
            print(&format!("{CLEAR}{}", frame.shown))?;
        } else {
            let calm = Some(calmed(frame.answer));
            if calm != last {
                print(&frame.shown)?;
                last = calm;
            }
        }
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

    use super::super::trouble::Exit;
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
    fn a_terminal_is_cleared_and_redrawn() {
        let printed = run(true, vec![json!(1), json!(1)]);
        assert_eq!(printed, ["\x1b[H\x1b[2J1", "\x1b[H\x1b[2J1"]);
    }
}
