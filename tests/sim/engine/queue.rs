//! What is due when: a timing wheel for the next second and a heap for what comes later. Ten thousand hosts
//! plan a hundred million events; a heap of them all would be most of the work.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use kith::mesh::Time;

/// How much of the time one slot of the wheel takes, microseconds.
const SLOT_US: u64 = 64;
/// Slots of the wheel: about a second.
const SLOTS: u64 = 1 << 14;
/// No entry.
const NONE: u32 = u32::MAX;

/// Due when, planned as the how manieth, and where it lies: earlier first, and of two at once the one that was
/// planned first.
type Key = Reverse<(Time, u64, u32)>;

struct Entry<T> {
    at: Time,
    number: u64,
    what: Option<T>,
    /// The next entry of the slot, or the next free one.
    next: u32,
}

pub struct Queue<T> {
    entries: Vec<Entry<T>>,
    /// The first unused entry.
    free: u32,
    /// The first entry of each slot, in no order within it.
    slots: Vec<u32>,
    /// The slot whose entries are in `soon`, counted from time 0 on.
    hand: u64,
    soon: BinaryHeap<Key>,
    /// What is beyond the wheel.
    far: BinaryHeap<Key>,
    planned: u64,
    waiting: usize,
}

impl<T> Queue<T> {
    pub fn new() -> Queue<T> {
        Queue {
            entries: Vec::new(),
            free: NONE,
            slots: vec![NONE; SLOTS as usize],
            hand: 0,
            soon: BinaryHeap::new(),
            far: BinaryHeap::new(),
            planned: 0,
            waiting: 0,
        }
    }

    /// Plans something; at once if its time is over.
    pub fn push(&mut self, at: Time, what: T) {
        self.planned += 1;
        self.waiting += 1;
        let number = self.planned;
        let entry = Entry { at, number, what: Some(what), next: NONE };
        let index = match self.entries.get_mut(self.free as usize) {
            Some(old) => {
                let index = self.free;
                self.free = old.next;
                *old = entry;
                index
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("memory ends before the numbers do")
            }
        };
        self.sort_in(at, number, index);
    }

    fn sort_in(&mut self, at: Time, number: u64, index: u32) {
        let slot = at.0 / SLOT_US;
        if slot <= self.hand {
            self.soon.push(Reverse((at, number, index)));
        } else if slot < self.hand + SLOTS {
            let first = &mut self.slots[(slot % SLOTS) as usize];
            self.entries[index as usize].next = std::mem::replace(first, index);
        } else {
            self.far.push(Reverse((at, number, index)));
        }
    }

    /// The next thing due up to `until`.
    pub fn pop(&mut self, until: Time) -> Option<(Time, T)> {
        while self.soon.is_empty() && self.waiting > 0 && self.hand < until.0 / SLOT_US {
            self.advance();
        }
        let Reverse((at, _, index)) = *self.soon.peek()?;
        if at > until {
            return None;
        }
        self.soon.pop();
        let entry = &mut self.entries[index as usize];
        let what = entry.what.take()?;
        entry.next = std::mem::replace(&mut self.free, index);
        self.waiting -= 1;
        Some((at, what))
    }

    fn advance(&mut self) {
        self.hand += 1;
        let slot = &mut self.slots[(self.hand % SLOTS) as usize];
        let mut index = std::mem::replace(slot, NONE);
        while index != NONE {
            let entry = &mut self.entries[index as usize];
            self.soon.push(Reverse((entry.at, entry.number, index)));
            index = std::mem::replace(&mut entry.next, NONE);
        }
        while let Some(&Reverse((at, number, index))) = self.far.peek()
            && at.0 / SLOT_US < self.hand + SLOTS
        {
            self.far.pop();
            self.sort_in(at, number, index);
        }
    }
}
