//! Cuts an event stream into its events.
//!
//! Spec: the HTML standard, "Interpreting an event stream"; lines end in LF or CRLF here.

/// One event of a stream, as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// How long to wait before coming back, if it says so.
    pub retry_ms: Option<u64>,
    /// Its data; empty for one that only primes.
    pub data: String,
}

/// What of a stream has been cut into events.
#[derive(Debug, Default)]
pub struct SseCutter {
    /// How many bytes.
    read: usize,
}

impl SseCutter {
    /// The events that have become whole in what is there of the stream from its beginning on.
    pub fn cut(&mut self, body: &[u8]) -> Vec<SseEvent> {
        let mut events = Vec::new();
        let mut start = self.read;
        let mut event = SseEvent::default();
        let mut data: Vec<&str> = Vec::new();
        while let Some(length) = body[start..].iter().position(|byte| *byte == b'\n') {
            let line = std::str::from_utf8(&body[start..start + length]).unwrap();
            let line = line.strip_suffix('\r').unwrap_or(line);
            start += length + 1;
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => data.push(value),
                "id" => event.id = Some(value.to_owned()),
                "retry" => event.retry_ms = value.parse().ok(),
                "" if line.is_empty() => {
                    self.read = start;
                    event.data = data.join("\n");
                    data.clear();
                    let event = std::mem::take(&mut event);
                    if event != SseEvent::default() {
                        events.push(event);
                    }
                }
                _ => {}
            }
        }
        events
    }
}
