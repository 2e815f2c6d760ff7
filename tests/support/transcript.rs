//! Who said what to whom: written down while a test runs, compared with what was reviewed.
//!
//! The reviewed ones lie in `tests/behaviour/transcripts/`.

mod plain;

use std::{
    fmt::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use self::plain::Plain;

/// The environment variable that has transcripts written instead of compared.
const RENEW: &str = "UPDATE_TRANSCRIPTS";

/// Everybody between whom the gateway stands.
const GATEWAY: &str = "gateway";

/// A transcript in the making; clones write into the same one.
#[derive(Clone, Default)]
pub struct Transcript {
    lines: Arc<Mutex<Vec<Line>>>,
    left_out: Vec<&'static str>,
}

struct Line {
    from: String,
    to: String,
    /// A JSON-RPC message, or what else there is to say.
    text: String,
}

/// The place of one client or backend in a transcript.
#[derive(Clone)]
pub struct Seat {
    transcript: Transcript,
    name: String,
}

impl Seat {
    pub(super) fn says(&self, text: &str) {
        self.transcript.add(&self.name, GATEWAY, text);
    }

    pub(super) fn hears(&self, text: &str) {
        self.transcript.add(GATEWAY, &self.name, text);
    }
}

impl Transcript {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves messages of these methods, and the answers to them, out of the text: those whose
    /// place among others is left to chance.
    pub fn without(mut self, methods: &[&'static str]) -> Self {
        self.left_out.extend_from_slice(methods);
        self
    }

    pub(super) fn seat(&self, name: &str) -> Seat {
        Seat {
            transcript: self.clone(),
            name: name.to_owned(),
        }
    }

    /// Writes down what happened otherwise.
    pub fn note(&self, text: &str) {
        self.add("", "", text);
    }

    /// Forgets what was said so far, such as how everybody opened.
    pub fn forget(&self) {
        self.lines().clear();
    }

    fn add(&self, from: &str, to: &str, text: &str) {
        self.lines().push(Line {
            from: from.to_owned(),
            to: to.to_owned(),
            text: text.to_owned(),
        });
    }

    /// What was said, without what differs from run to run.
    pub fn text(&self) -> String {
        let mut plain = Plain::default();
        let mut text = String::new();
        for line in self.lines().iter() {
            let Line {
                from,
                to,
                text: said,
            } = line;
            if from.is_empty() {
                writeln!(text, "-- {said}\n").unwrap();
                continue;
            }
            let message = match serde_json::from_str::<Value>(said) {
                Ok(message) if message.is_object() => message,
                _ if self.left_out.contains(&said.as_str()) => continue,
                _ => {
                    writeln!(text, "{from} -> {to}: {}\n", plain.text(said)).unwrap();
                    continue;
                }
            };
            let (title, method, content) = plain.message(from, to, &message);
            if !self.left_out.contains(&method.as_str()) {
                writeln!(text, "{from} -> {to}: {title}{content}\n").unwrap();
            }
        }
        text
    }

    /// Fails the test unless the text is the reviewed one of this name.
    pub fn assert_matches(&self, name: &str) {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let path = root.join(format!("tests/behaviour/transcripts/{name}.txt"));
        let text = self.text();
        if std::env::var_os(RENEW).is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            return;
        }
        let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
        if reviewed == text {
            return;
        }
        let same = reviewed.lines().zip(text.lines());
        let same = same.take_while(|(before, now)| before == now).count();
        let before = reviewed.lines().nth(same).unwrap_or("(nothing more)");
        let now = text.lines().nth(same).unwrap_or("(nothing more)");
        panic!(
            "the transcript {name} is another one from line {} on\n  reviewed: {before}\n  now:      {now}\n\
             read what changed; if it is right, run this test with {RENEW}=1\n--- now:\n{text}",
            same + 1,
        );
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
