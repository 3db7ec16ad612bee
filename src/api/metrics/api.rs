//! The control API itself.

use super::Context;
use super::sheet::{Sheet, plain};
use crate::api::events::STREAMS_MAX;

pub(super) fn tell(sheet: &mut Sheet, context: &Context) {
    let answered = context.requests.now();
    let labels = |class: &str| vec![("status", class.to_owned())];
    let about = "Requests to the control API that were answered, by the class of the status";
    sheet.counters_of(
        plain("api_requests", about),
        answered.map(|(class, count)| (labels(class), count)),
    );
    let about = "Event streams that are open";
    sheet.gauge(plain("api_event_streams", about), context.places.taken() as f64);
    let about = "Most event streams at once";
    sheet.gauge(plain("api_event_streams_max", about), STREAMS_MAX as f64);
}
