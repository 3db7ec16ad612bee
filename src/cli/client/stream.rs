//! Reading server-sent events, one after the other.

use std::io::{self, BufRead, Read};

/// Longest line, and longest event, bytes; a download from a thousand peers is a tenth of it.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its kind.
    pub name: String,
    /// JSON.
    pub data: String,
}

/// The events that are read from somewhere.
pub struct Events<R>(R);

impl<R: BufRead> Events<R> {
    /// Those that come from here.
    pub fn new(from: R) -> Events<R> {
        Events(from)
    }

    /// The next line without its end; nothing if that was the last whole one.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        (&mut self.0).take(EVENT_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        match line.pop() {
            Some(b'\n') => {}
            Some(_) if line.len() + 1 == EVENT_BYTES_MAX => return Err(too_long()),
            _ => return Ok(None),
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let text = String::from_utf8(line);
        text.map(Some).map_err(|odd| io::Error::new(io::ErrorKind::InvalidData, odd))
    }

    fn event(&mut self) -> io::Result<Option<Event>> {
        let (mut name, mut data) = (String::new(), Vec::new());
        let mut bytes = 0;
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if !data.is_empty() {
                    return Ok(Some(Event { name, data: data.join("\n") }));
                }
                (name, bytes) = (String::new(), 0);
                continue;
            }
            bytes += line.len();
            if bytes > EVENT_BYTES_MAX {
                return Err(too_long());
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value.into(),
                "data" => data.push(value.to_owned()),
                // Without a field it only says that the stream is still there, and ends nothing.
                "" => bytes -= line.len(),
                _ => {}
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = io::Result<Event>;

    fn next(&mut self) -> Option<io::Result<Event>> {
        self.event().transpose()
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an event is far too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<Result<(String, String), String>> {
        let events = Events::new(text);
        let told = events.map(|e| e.map(|e| (e.name, e.data)).map_err(|e| e.to_string()));
        told.take(10).collect()
    }

    fn told(name: &str, data: &str) -> Result<(String, String), String> {
        Ok((name.into(), data.into()))
    }

    #[test]
    fn events_are_read_as_they_were_written() {
        let text = b": still here\n\nevent: gone\ndata: {\"transfer\":3}\n\nevent:log\r\ndata:a\r\ndata: b\r\n\r\n\
            id: 7\nretry: 1\nevent\n\n: x\n\nevent: whole\n: in between\ndata: {}\n\ndata: {}\n\n";
        assert_eq!(
            read(text),
            [
                told("gone", "{\"transfer\":3}"),
                told("log", "a\nb"),
                told("whole", "{}"),
                told("", "{}")
            ]
        );
    }

    #[test]
    fn half_an_event_is_none() {
        for text in [&b""[..], b"event: x", b"event: x\n", b"event: x\ndata: {}", b"data: {}\n"] {
            assert_eq!(read(text), [], "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_or_no_text_is_an_error() {
        let line = format!("data: {}\n", "x".repeat(60_000));
        let lines = line.repeat(EVENT_BYTES_MAX / 60_000 + 1).into_bytes();
        for text in [vec![b'x'; EVENT_BYTES_MAX + 9], lines] {
            assert_eq!(read(&text)[0], Err("an event is far too long".into()));
        }
        assert!(read(b"data: \xff\n\n")[0].is_err());
        // Being still there for days is not.
        let quiet =
            [b": still here\n".repeat(EVENT_BYTES_MAX / 12), b"data: y\n\n".into()].concat();
        assert_eq!(read(&quiet), [told("", "y")]);
    }
}
