//! Writing the log in the background: a terminal that is paused, or a pipe nobody reads, must not hold up whoever has
//! something to say.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait to be written.
const WAITING_MAX: usize = 1024;
/// How long the end of the process waits for them.
const FLUSH: Duration = Duration::from_secs(1);

enum Order {
    /// This line, and before it, that so many are missing there.
    Write { line: Vec<u8>, lost: u64 },
    /// Tell when all before this was written.
    Tell(SyncSender<()>),
}

/// Hands lines to the thread that writes them; they are lost, and counted, when too many wait.
#[derive(Clone)]
pub struct Writer {
    orders: SyncSender<Order>,
    lost: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread, which writes to `out`.
    pub fn to(out: impl Write + Send + 'static) -> io::Result<Writer> {
        let (orders, taken) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("log".into());
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { orders, lost: lost.clone() };
        thread.spawn(move || write_all(&taken, out, &lost))?;
        Ok(writer)
    }

    /// Waits until what was said before is written, but not for long.
    pub fn finish(&self) {
        let (tell, told) = sync_channel(1);
        let orders = self.orders.clone();
        // Where nobody reads, this thread waits for room for ever; the process does not.
        let asking = std::thread::Builder::new();
        if asking.spawn(move || orders.send(Order::Tell(tell))).is_ok() {
            // Whoever waits longer than that reads nothing.
            let _ = told.recv_timeout(FLUSH);
        }
    }
}

fn write_all(orders: &Receiver<Order>, mut out: impl Write, lost: &AtomicU64) {
    for order in orders {
        match order {
            Order::Write { line, lost: missing } => {
                // A full disk may have room again: what it did not take is lost, and what comes is tried.
                if write(&mut out, &line, missing).is_err() {
                    lost.fetch_add(missing + 1, Ordering::Relaxed);
                }
            }
            Order::Tell(tell) => {
                // Nobody may wait any more.
                let _ = tell.try_send(());
            }
        }
    }
}

fn write(out: &mut impl Write, line: &[u8], missing: u64) -> io::Result<()> {
    if missing > 0 {
        writeln!(out, "{missing} lines of the log were lost here: nobody took them")?;
    }
    out.write_all(line)?;
    out.flush()
}

/// One line at a time, as the logger writes them.
impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if self.orders.try_send(Order::Write { line: line.to_vec(), lost }).is_err() {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A pipe that takes nothing while it is held.
    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A disk that is full for the first lines.
    struct Disk(Pipe, u32);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.1.checked_sub(1) {
                Some(left) => {
                    self.1 = left;
                    Err(io::ErrorKind::StorageFull.into())
                }
                None => self.0.write(bytes),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_ends_nothing() {
        let pipe = Pipe::default();
        let mut writer = Writer::to(Disk(pipe.clone(), 2)).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            writer.write_all(line.as_bytes()).unwrap();
            writer.finish();
        }
        let text = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "2 lines of the log were lost here: nobody took them\nthree\n");
    }

    #[test]
    fn who_logs_never_waits_and_what_is_lost_is_told() {
        let pipe = Pipe::default();
        let mut writer = Writer::to(pipe.clone()).unwrap();
        let held = pipe.0.lock().unwrap();
        for n in 0..WAITING_MAX + 100 {
            writer.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        drop(held);
        writer.finish();
        writer.write_all(b"the last\n").unwrap();
        writer.finish();
        let text = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("line 0\n") && text.ends_with("the last\n"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let told = lines[lines.len() - 2]
            .strip_suffix(" lines of the log were lost here: nobody took them");
        let lost: usize = told.expect("it is told where they are missing").parse().unwrap();
        // The line that could not be written yet is in nobody's queue.
        assert!((99..=100).contains(&lost), "{lost}");
        assert_eq!(lines.len(), WAITING_MAX + 100 - lost + 2);
    }
}
