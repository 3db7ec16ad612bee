//! A sheet of figures: families of samples, each with a help text.

use std::collections::BTreeMap;
use std::fmt::Error;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

/// Labels of one sample, by name.
pub(super) type Labels = Vec<(&'static str, String)>;

/// What a family is about.
pub(super) struct About {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
}

/// Something that is counted in pieces. The help text gets its full stop from the library.
pub(super) const fn plain(name: &'static str, help: &'static str) -> About {
    About { name, help, unit: None }
}

/// Something that takes time; the name gets `_seconds`.
pub(super) const fn seconds(name: &'static str, help: &'static str) -> About {
    About { name, help, unit: Some(Unit::Seconds) }
}

/// Something that takes room; the name gets `_bytes`.
pub(super) const fn bytes(name: &'static str, help: &'static str) -> About {
    About { name, help, unit: Some(Unit::Bytes) }
}

/// A family of counters that some core counts by names of its own.
pub(super) struct Counted(About, Parts);

enum Parts {
    /// The core's name of the only one.
    One(&'static str),
    /// What tells them apart; of each the value of that label, and the core's name.
    Several(&'static str, &'static [(&'static str, &'static str)]),
}

/// A family of one counter, which the core calls so.
pub(super) const fn one(about: About, counter: &'static str) -> Counted {
    Counted(about, Parts::One(counter))
}

/// A family of several, told apart by a label: its values, and what the core calls each.
pub(super) const fn several(
    about: About,
    label: &'static str,
    parts: &'static [(&'static str, &'static str)],
) -> Counted {
    Counted(about, Parts::Several(label, parts))
}

/// The samples of one family, in order: two with the same labels would make the whole scrape invalid.
#[derive(Debug)]
enum Samples {
    Counters(BTreeMap<Labels, u64>),
    Seconds(f64),
    Gauges(BTreeMap<Labels, f64>),
    Info(Labels),
}

impl EncodeMetric for Samples {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), Error> {
        match self {
            Samples::Counters(rows) => rows.iter().try_for_each(|(labels, value)| {
                encoder.encode_family(labels)?.encode_counter::<NoLabelSet, _, f64>(value, None)
            }),
            Samples::Seconds(value) => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
            Samples::Gauges(rows) => rows
                .iter()
                .try_for_each(|(labels, value)| encoder.encode_family(labels)?.encode_gauge(value)),
            Samples::Info(labels) => encoder.encode_info(labels),
        }
    }

    fn metric_type(&self) -> MetricType {
        match self {
            Samples::Counters(_) | Samples::Seconds(_) => MetricType::Counter,
            Samples::Gauges(_) => MetricType::Gauge,
            Samples::Info(_) => MetricType::Info,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Samples::Counters(rows) => rows.is_empty(),
            Samples::Gauges(rows) => rows.is_empty(),
            Samples::Seconds(_) | Samples::Info(_) => false,
        }
    }
}

/// All families whose names begin alike.
pub(super) struct Sheet(Registry);

impl Sheet {
    pub fn new(prefix: &str) -> Sheet {
        Sheet(Registry::with_prefix(prefix))
    }

    fn put(&mut self, about: About, samples: Samples) {
        let About { name, help, unit } = about;
        match unit {
            Some(unit) => self.0.register_with_unit(name, help, unit, samples),
            None => self.0.register(name, help, samples),
        }
    }

    /// One figure that rises and falls.
    pub fn gauge(&mut self, about: About, value: f64) {
        self.put(about, Samples::Gauges([(Labels::new(), value)].into()));
    }

    /// Yes or no, as 1 or 0.
    pub fn flag(&mut self, about: About, is: bool) {
        self.gauge(about, f64::from(u8::from(is)));
    }

    /// Several, told apart by one label.
    pub fn gauges<V: ToString>(
        &mut self,
        about: About,
        label: &'static str,
        rows: impl IntoIterator<Item = (V, f64)>,
    ) {
        self.gauges_of(about, rows.into_iter().map(|(v, n)| (vec![(label, v.to_string())], n)));
    }

    /// Several with labels of their own; of those with the same labels the last is taken.
    pub fn gauges_of(&mut self, about: About, rows: impl IntoIterator<Item = (Labels, f64)>) {
        self.put(about, Samples::Gauges(rows.into_iter().collect()));
    }

    /// One figure that only grows; the name gets `_total`.
    pub fn counter(&mut self, about: About, value: u64) {
        self.put(about, Samples::Counters([(Labels::new(), value)].into()));
    }

    /// Time that only grows; the name gets `_total`.
    pub fn time(&mut self, about: About, seconds: f64) {
        self.put(about, Samples::Seconds(seconds));
    }

    /// Several with labels of their own; the name gets `_total`.
    pub fn counters_of(&mut self, about: About, rows: impl IntoIterator<Item = (Labels, u64)>) {
        self.put(about, Samples::Counters(rows.into_iter().collect()));
    }

    /// Families of what a core counts: those that it does not know (yet) are 0.
    pub fn counted(
        &mut self,
        families: impl IntoIterator<Item = Counted>,
        counters: &[(&'static str, u64)],
    ) {
        let count = |name: &str| counters.iter().find(|(n, _)| *n == name).map_or(0, |(_, n)| *n);
        for Counted(about, parts) in families {
            match parts {
                Parts::One(name) => self.counter(about, count(name)),
                Parts::Several(label, parts) => {
                    let part = |(value, name): &(&'static str, &'static str)| {
                        (vec![(label, (*value).to_owned())], count(name))
                    };
                    self.counters_of(about, parts.iter().map(part));
                }
            }
        }
    }

    /// Words that do not change, as labels of a sample that is always 1.
    pub fn info(&mut self, about: About, labels: Labels) {
        self.put(about, Samples::Info(labels));
    }
}

/// The text of all sheets, one after the other.
pub(super) fn written(sheets: &[Sheet]) -> Result<String, Error> {
    let mut text = String::new();
    for sheet in sheets {
        encode_registry(&mut text, &sheet.0)?;
    }
    encode_eof(&mut text)?;
    Ok(text)
}
