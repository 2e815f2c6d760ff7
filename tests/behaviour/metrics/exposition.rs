//! Reads Prometheus' text format, version 0.0.4, and takes nothing that strays from it.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of a sample by name.
type Labels = BTreeMap<String, String>;

/// All that was told at one time.
pub(super) struct Exposition {
    pub(super) text: String,
    /// Each family with its type.
    families: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Exposition {
    /// Reads a text. Fails the test if it is none of the format.
    pub(super) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has an end, too");
        let mut read = Self {
            text: text.to_owned(),
            families: BTreeMap::new(),
            samples: Vec::new(),
        };
        let mut family = String::new();
        let mut help = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, words) = rest.split_once(' ').unwrap();
                assert!(!words.is_empty(), "{line}");
                help = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(help.take().as_deref(), Some(name), "help stands before it");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                let before = read.families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} stands in one piece");
                name.clone_into(&mut family);
            } else {
                read.take(line, &family);
            }
        }
        read.check_samples();
        read
    }

    fn take(&mut self, line: &str, family: &str) {
        let (name, labels, value) = sample(line);
        let suffix = name.strip_prefix(family).unwrap_or("of another family");
        let fits = match self.families[family].as_str() {
            "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
            _ => suffix.is_empty(),
        };
        assert!(fits, "{line} stands under {family}");
        self.samples.push((name, labels, value));
    }

    /// No series twice; buckets that grow up to the count.
    fn check_samples(&self) {
        let mut seen = BTreeSet::new();
        for (name, labels, _) in &self.samples {
            assert!(seen.insert((name, labels)), "{name} {labels:?} twice");
        }
        let mut last: Option<(Labels, f64, f64)> = None;
        for (name, labels, value) in &self.samples {
            let mut labels = labels.clone();
            if name.ends_with("_bucket") {
                let bound = number(&labels.remove("le").unwrap());
                if let Some((before, lower, fewer)) = &last
                    && *before == labels
                {
                    assert!(bound > *lower && value >= fewer, "{name} {labels:?}");
                }
                last = Some((labels, bound, *value));
            } else if name.ends_with("_count") {
                let all = Some((labels, f64::INFINITY, *value));
                assert_eq!(last.take(), all, "{name}");
            }
        }
    }

    /// The value of the sample with these labels and no other.
    pub(super) fn of(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Labels = labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect();
        let mut samples = self.samples.iter();
        let found = samples.find(|(of, its, _)| of == name && *its == labels);
        found.map(|(_, _, value)| *value)
    }

    /// Whether there is a sample of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|(of, ..)| of == name)
    }

    pub(super) fn families(&self) -> impl Iterator<Item = &String> {
        self.families.keys()
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, behind) = rest.split_once("=\"").unwrap();
            assert!(is_name(label), "{line}");
            let (value, behind) = quoted(behind);
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
            rest = behind.strip_prefix(',').unwrap_or(behind);
        }
        rest = &rest[1..];
    }
    (
        name.to_owned(),
        labels,
        number(rest.strip_prefix(' ').unwrap()),
    )
}

/// A label's value up to its closing quote, and what stands behind that.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        let (at, c) = chars.next().unwrap();
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => {
                let (_, escaped) = chars.next().unwrap();
                assert!(['n', '"', '\\'].contains(&escaped), "{text}");
                value.push(if escaped == 'n' { '\n' } else { escaped });
            }
            c => value.push(c),
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_letter) && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => text.parse().unwrap(),
    }
}
