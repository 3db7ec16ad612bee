//! The small values settings are made of: lengths of time, the ping period, the secret.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

/// A length of time written in seconds (`2`, `0.25`); from 0 to a year.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Seconds(f64);

impl Seconds {
    /// The value as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs_f64(self.0)
    }
}

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        // A year is far above any setting's range, and far below what Duration can hold.
        if (0.0..=31_536_000.0).contains(&seconds) {
            Ok(Seconds(seconds))
        } else {
            Err(format!("{seconds} is not a number of seconds from 0 to a year"))
        }
    }
}

impl From<Seconds> for f64 {
    fn from(seconds: Seconds) -> f64 {
        seconds.0
    }
}

/// Time between two pings (`network.period`): the word `"auto"`, or seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PeriodForm", into = "PeriodForm")]
pub enum Period {
    /// 5 s, stretched in large networks.
    Auto,
    /// Always this long.
    Every(Seconds),
}

impl Period {
    /// The period somebody chose; `None` means that the daemon chooses.
    pub fn fixed(self) -> Option<Duration> {
        match self {
            Period::Auto => None,
            Period::Every(seconds) => Some(seconds.duration()),
        }
    }
}

/// How a [`Period`] is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PeriodForm {
    Every(Seconds),
    Word(String),
}

impl TryFrom<PeriodForm> for Period {
    type Error = String;

    fn try_from(form: PeriodForm) -> Result<Self, Self::Error> {
        match form {
            PeriodForm::Every(seconds) => Ok(Period::Every(seconds)),
            PeriodForm::Word(word) if word == "auto" => Ok(Period::Auto),
            PeriodForm::Word(_) => Err("neither a number of seconds nor \"auto\"".into()),
        }
    }
}

impl From<Period> for PeriodForm {
    fn from(period: Period) -> PeriodForm {
        match period {
            Period::Auto => PeriodForm::Word("auto".into()),
            Period::Every(seconds) => PeriodForm::Every(seconds),
        }
    }
}

/// What is shown in place of a secret.
pub(super) const REDACTED: &str = "(secret)";

/// A text that is never shown: `Debug` and `Serialize` put `(secret)` in its place.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself, to compute with and not to print.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether no secret is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "\"\"" } else { REDACTED })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { REDACTED })
    }
}

/// Node ids as people write them: 64 hex digits (their own serde form is for the wire).
pub(super) mod hex_ids {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::mesh::NodeId;

    pub fn serialize<S: Serializer>(ids: &[NodeId], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ids.iter().map(NodeId::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<NodeId>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let secret = Secret::from("hunter2".to_string());
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"(secret)\"");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_period_is_a_word_or_a_number() {
        let read = |text: &str| serde_json::from_str::<Period>(text).map(Period::fixed).ok();
        assert_eq!(read("\"auto\""), Some(None));
        assert_eq!(read("5"), Some(Some(Duration::from_secs(5))));
        assert_eq!(read("0.5"), Some(Some(Duration::from_millis(500))));
        assert_eq!(read("\"soon\""), None);
        assert_eq!(read("-1"), None);
    }
}
