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

use self::plain::{Numbers, Plain};

/// The environment variable that has transcripts written instead of compared.
const RENEW: &str = "UPDATE_TRANSCRIPTS";

/// Everybody between whom the gateway stands.
const GATEWAY: &str = "gateway";

/// A transcript in the making; clones write into the same one.
///
/// Its text tells each conversation of its own, as two people who talk at once cannot be told in
/// one order that is the same each time. [`Self::note`] makes a new chapter of all of them.
#[derive(Clone, Default)]
pub struct Transcript {
    story: Arc<Mutex<Story>>,
    left_out: Vec<&'static str>,
}

#[derive(Default)]
struct Story {
    /// Who talks with the gateway, in the order of their coming.
    seats: Vec<String>,
    lines: Vec<Line>,
    /// What is told no more. An answer may yet come to a question in it.
    forgotten: Vec<Line>,
}

enum Line {
    Note(String),
    Said {
        by: Voice,
        seat: String,
        /// A JSON-RPC message, or what else there is to say.
        text: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Voice {
    Seat,
    Gateway,
}

/// The place of one client or backend in a transcript.
#[derive(Clone)]
pub struct Seat {
    transcript: Transcript,
    name: String,
}

impl Seat {
    pub(super) fn says(&self, text: &str) {
        self.write(Voice::Seat, text);
    }

    pub(super) fn hears(&self, text: &str) {
        self.write(Voice::Gateway, text);
    }

    fn write(&self, by: Voice, text: &str) {
        self.transcript.story().lines.push(Line::Said {
            by,
            seat: self.name.clone(),
            text: text.to_owned(),
        });
    }
}

impl Transcript {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves messages of these methods, and the answers to them, out of the text: those whose
    /// place among others is left to chance. `GET` and `DELETE` are methods too.
    pub fn without(mut self, methods: &[&'static str]) -> Self {
        self.left_out.extend_from_slice(methods);
        self
    }

    pub(super) fn seat(&self, name: &str) -> Seat {
        let mut story = self.story();
        if !story.seats.iter().any(|it| it == name) {
            story.seats.push(name.to_owned());
        }
        drop(story);
        Seat {
            transcript: self.clone(),
            name: name.to_owned(),
        }
    }

    /// Begins a new chapter by saying what happens.
    pub fn note(&self, text: &str) {
        self.story().lines.push(Line::Note(text.to_owned()));
    }

    /// Forgets what was said so far, such as how everybody opened.
    pub fn forget(&self) {
        let mut story = self.story();
        let lines = std::mem::take(&mut story.lines);
        story.forgotten.extend(lines);
    }

    /// What was said, without what differs from run to run.
    pub fn text(&self) -> String {
        let story = self.story();
        let mut plain = Plain::default();
        for seat in &story.seats {
            self.told(&mut plain, seat, &story.forgotten);
        }
        plain.numbers = Numbers::default();
        let mut text = String::new();
        let is_note = |line: &Line| matches!(line, Line::Note(_));
        for chapter in story.lines.chunk_by(|_, next| !is_note(next)) {
            if let Some(Line::Note(note)) = chapter.first() {
                writeln!(text, "== {note} ==\n").unwrap();
            }
            for seat in &story.seats {
                let told = self.told(&mut plain, seat, chapter);
                if !told.is_empty() {
                    write!(text, "-- {seat} --\n\n{told}").unwrap();
                }
            }
        }
        text.trim_end().to_owned() + "\n"
    }

    /// One conversation in one chapter.
    fn told(&self, plain: &mut Plain, seat: &str, chapter: &[Line]) -> String {
        let mut told = String::new();
        for line in chapter {
            let (by, said) = match line {
                Line::Said { by, seat: it, text } if it == seat => (*by, text),
                _ => continue,
            };
            let (from, to) = match by {
                Voice::Seat => (seat, GATEWAY),
                Voice::Gateway => (GATEWAY, seat),
            };
            let message = serde_json::from_str::<Value>(said).ok();
            let before = plain.numbers.clone();
            let (words, method) = match message.filter(Value::is_object) {
                Some(message) => plain.message(from, to, &message),
                None => (plain.text(said), said.clone()),
            };
            if self.left_out.contains(&method.as_str()) {
                // It may come or not: it must not count.
                plain.numbers = before;
            } else {
                writeln!(told, "{from} -> {to}: {words}\n").unwrap();
            }
        }
        told
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

    fn story(&self) -> std::sync::MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
