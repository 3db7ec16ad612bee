//! What is counted, for people and metrics.

use crate::mail::work::Bad;

/// All counters; they begin with 0 at each start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) received: u64,
    pub(super) forwarded: u64,
    pub(super) sent: u64,
    pub(super) dropped_busy: u64,
    pub(super) dropped_no_room: u64,
    pub(super) dropped_late: u64,
    pub(super) dropped_replay: u64,
    pub(super) dropped_mac: u64,
    pub(super) dropped_malformed: u64,
    pub(super) dropped_key: u64,
    pub(super) dropped_signature: u64,
    pub(super) dropped_kind: u64,
    pub(super) dropped_untimely: u64,
    pub(super) dropped_requests: u64,
    pub(super) dropped_full: u64,
    pub(super) dropped_not_granted: u64,
    pub(super) dropped_not_volunteer: u64,
    pub(super) letters_received: u64,
    pub(super) duplicates: u64,
    pub(super) letters_delivered: u64,
    pub(super) letters_retried: u64,
    pub(super) letters_expired: u64,
    pub(super) letters_failed: u64,
    pub(super) receipts_sent: u64,
}

impl Counters {
    pub(super) fn bad(&mut self, bad: Bad) {
        *match bad {
            Bad::Mac => &mut self.dropped_mac,
            Bad::Malformed => &mut self.dropped_malformed,
            Bad::Key => &mut self.dropped_key,
            Bad::Signature => &mut self.dropped_signature,
            Bad::Kind => &mut self.dropped_kind,
        } += 1;
    }

    /// All of them by name, in stable order.
    pub(super) fn rows(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("packets_received", self.received),
            ("packets_forwarded", self.forwarded),
            ("packets_sent", self.sent),
            ("packets_dropped_busy", self.dropped_busy),
            ("packets_dropped_no_room", self.dropped_no_room),
            ("packets_dropped_late", self.dropped_late),
            ("packets_dropped_replay", self.dropped_replay),
            ("packets_dropped_mac", self.dropped_mac),
            ("packets_dropped_malformed", self.dropped_malformed),
            ("packets_dropped_not_volunteer", self.dropped_not_volunteer),
            ("letters_dropped_key", self.dropped_key),
            ("letters_dropped_signature", self.dropped_signature),
            ("letters_dropped_kind", self.dropped_kind),
            ("letters_dropped_untimely", self.dropped_untimely),
            ("letters_dropped_requests", self.dropped_requests),
            ("letters_dropped_full", self.dropped_full),
            ("letters_dropped_not_granted", self.dropped_not_granted),
            ("letters_received", self.letters_received),
            ("letters_duplicate", self.duplicates),
            ("letters_delivered", self.letters_delivered),
            ("letters_retried", self.letters_retried),
            ("letters_expired", self.letters_expired),
            ("letters_failed", self.letters_failed),
            ("receipts_sent", self.receipts_sent),
        ]
    }
}
