//! Sealed letters that are kept for readers who are away.

use redb::ReadableTable;

use super::batch::{Batch, first_up_to};
use super::tables::{
    Did, KEPT_TOKENS, KEPT_UNTIL, join, kept_key, number, part, token_key, until_key,
};
use crate::mail::rows::{KeptLetter, Outcome};
use crate::mesh::NodeId;

/// Expired letters removed by one sweep.
const SWEPT_MAX: usize = 4096;

impl Batch<'_> {
    pub fn keep(&mut self, reader: &NodeId, letter: &KeptLetter) -> Did<Outcome> {
        let (token, expires_ms) = (&letter.token, letter.expires_ms);
        if self.tables.kept_tokens.get(&token_key(reader, token)[..])?.is_some() {
            return Ok(Outcome::Duplicate);
        }
        let bytes = letter.sealed.len() as u64;
        let limits = self.limits;
        let all = self.staged.sums().kept_bytes;
        let held = self.staged.kept(reader);
        if held.letters >= limits.kept_letters
            || held.bytes.saturating_add(bytes) > limits.kept_bytes
            || all.saturating_add(bytes) > limits.kept_bytes_all
        {
            return Ok(Outcome::Full);
        }
        held.letters += 1;
        held.bytes += bytes;
        self.staged.sums().kept_bytes += bytes;
        let short: [u8; 16] = join(&[&expires_ms.to_be_bytes(), &bytes.to_be_bytes()]);
        self.tables.kept_tokens.insert(&token_key(reader, token)[..], &short[..])?;
        self.tables
            .kept
            .insert(&kept_key(reader, expires_ms, token)[..], letter.sealed.as_slice())?;
        self.tables.kept_until.insert(&until_key(expires_ms, reader, token)[..], &[][..])?;
        Ok(Outcome::Done)
    }

    /// Removes these; whether there were any.
    pub fn fetched(&mut self, reader: &NodeId, tokens: &[[u8; 16]]) -> Did<bool> {
        let mut any = false;
        for token in tokens {
            any |= self.remove(reader, token)?;
        }
        Ok(any)
    }

    /// Removes letters that have expired; whether there were any.
    pub fn sweep_kept(&mut self, now_ms: u64) -> Did<bool> {
        let Some(last_ms) = now_ms.checked_sub(1) else { return Ok(false) };
        let last = until_key(last_ms, &NodeId([0xff; 32]), &[0xff; 16]);
        let expired = first_up_to(&self.tables.kept_until, &last, SWEPT_MAX)?;
        for (key, _) in &expired {
            let (reader, token) = (NodeId(part(key, 8, KEPT_UNTIL)?), part(key, 40, KEPT_UNTIL)?);
            self.remove(&reader, &token)?;
        }
        Ok(!expired.is_empty())
    }

    fn remove(&mut self, reader: &NodeId, token: &[u8; 16]) -> Did<bool> {
        let (expires_ms, bytes) =
            match self.tables.kept_tokens.remove(&token_key(reader, token)[..])? {
                Some(short) => {
                    let short = short.value();
                    (number(short, 0, KEPT_TOKENS)?, number(short, 8, KEPT_TOKENS)?)
                }
                None => return Ok(false),
            };
        self.tables.kept.remove(&kept_key(reader, expires_ms, token)[..])?;
        self.tables.kept_until.remove(&until_key(expires_ms, reader, token)[..])?;
        let held = self.staged.kept(reader);
        held.letters -= 1;
        held.bytes -= bytes;
        self.staged.sums().kept_bytes -= bytes;
        Ok(true)
    }
}
