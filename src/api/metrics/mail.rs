//! Letters and packets.

use super::Seen;
use super::sheet::{Counted, Sheet, bytes, one, plain, several};

/// The courier lists it among what it counts; it goes back to 0 with each new onion key.
const REPLAYS: &str = "replays_remembered";

/// What [`crate::mail::courier`] counts.
const COUNTED: [Counted; 10] = [
    one(
        plain("letters_received", "Letters that came and are safe on the disk"),
        "letters_received",
    ),
    one(
        plain("letters_duplicate", "Letters that came once more; they are signed for again"),
        "letters_duplicate",
    ),
    several(
        plain("letters_ended", "Letters sent from here that are over"),
        "state",
        &[
            ("delivered", "letters_delivered"),
            ("expired", "letters_expired"),
            ("failed", "letters_failed"),
        ],
    ),
    one(
        plain("letters_retried", "Times that a letter was sent again, another way"),
        "letters_retried",
    ),
    one(plain("receipts_sent", "Receipts sent for letters that came"), "receipts_sent"),
    several(
        plain("letters_dropped", "Sealed letters that came and were not taken"),
        "reason",
        &[
            ("key", "letters_dropped_key"),
            ("signature", "letters_dropped_signature"),
            ("kind", "letters_dropped_kind"),
            ("untimely", "letters_dropped_untimely"),
            ("requests", "letters_dropped_requests"),
            ("full", "letters_dropped_full"),
            ("not_granted", "letters_dropped_not_granted"),
        ],
    ),
    one(plain("packets_received", "Packets that came"), "packets_received"),
    one(plain("packets_forwarded", "Packets of others that were passed on"), "packets_forwarded"),
    one(plain("packets_sent", "Packets of this node that left"), "packets_sent"),
    several(
        plain("packets_dropped", "Packets that were dropped"),
        "reason",
        &[
            ("busy", "packets_dropped_busy"),
            ("no_room", "packets_dropped_no_room"),
            ("late", "packets_dropped_late"),
            ("replay", "packets_dropped_replay"),
            ("mac", "packets_dropped_mac"),
            ("malformed", "packets_dropped_malformed"),
            ("not_volunteer", "packets_dropped_not_volunteer"),
        ],
    ),
];

pub(super) fn tell(sheet: &mut Sheet, seen: &Seen) {
    let about = "Letters that came and that nobody has been shown";
    sheet.gauge(plain("letters_unread", about), seen.mail.unread as f64);
    let Some(figures) = &seen.figures else { return };
    let under_way = figures.under_way.iter().map(|(state, n)| (*state, *n as f64));
    let about = "Letters sent from here that are not over";
    sheet.gauges(plain("letters_under_way", about), "state", under_way);
    let amounts = &figures.amounts;
    sheet.gauge(plain("inbox_letters", "Letters kept that came"), amounts.inbox_letters as f64);
    sheet.gauge(bytes("inbox", "Bytes of letters kept that came"), amounts.inbox_bytes as f64);
    let about = "Letters sent from here that are over and remembered";
    sheet.gauge(plain("sent_letters", about), amounts.sent_letters as f64);
    let about = "Nodes that pass letters on, by whether letters of this node go through them";
    let relays = figures.relays.iter().map(|(state, n)| (*state, *n as f64));
    sheet.gauges(plain("relays", about), "state", relays);
    let about = "Nodes that agreed to keep letters for this one";
    sheet.gauge(plain("mailboxes", about), figures.mailboxes as f64);
    let about = "Whether this node passes packets on for others";
    sheet.flag(plain("relay_volunteer", about), figures.volunteer);
    let about = "Whether this node keeps letters for others that are away";
    sheet.flag(plain("mailbox_volunteer", about), figures.mailbox);
    let (readers, letters) = figures.kept;
    sheet.gauge(plain("kept_readers", "Nodes that letters are kept for"), readers as f64);
    sheet.gauge(plain("kept_letters", "Letters kept for others, about"), letters as f64);
    let about = "Bytes of letters kept for others";
    sheet.gauge(bytes("kept", about), amounts.kept_bytes as f64);
    let about = "Packets that wait for a neighbour";
    sheet.gauge(plain("packets_waiting", about), figures.packets_waiting as f64);
    let replays = figures.counters.iter().find(|(name, _)| *name == REPLAYS);
    let about = "Packets remembered so that none is taken twice";
    sheet.gauge(plain("replays_remembered", about), replays.map_or(0, |(_, n)| *n) as f64);
    sheet.counted(COUNTED, &figures.counters);
}
