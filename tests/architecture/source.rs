//! Rust sources as the rules see them: tokens with their lines, tests taken out.

use std::{fs, path::Path};

/// One file below `src/`.
pub(crate) struct Source {
    /// Its path below the package, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The tokens outside comments.
    pub(crate) tokens: Vec<Token>,
    /// Whether the whole file is declared `#[cfg(test)]`.
    is_test: bool,
}

const TEST_ONLY: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// A token and the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, a keyword or a number.
    Word(String),
    /// The text between the quotes.
    Literal(String),
    /// `::` is one, every other sign is its own.
    Sign(&'static str),
    /// A sign no rule asks for.
    OtherSign,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens: tokens(text),
            is_test: false,
        }
    }

    /// The room it belongs to: the first name below `src/`.
    pub(crate) fn room(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let first = below.split('/').next().unwrap_or(below);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many modules lead from the crate's root to this file's.
    pub(crate) fn depth(&self) -> usize {
        match self.path.as_str() {
            "src/lib.rs" | "src/main.rs" => 0,
            path => path.matches('/').count(),
        }
    }

    /// The paths, without `.rs`, of the modules it declares with `#[cfg(test)] mod name;`.
    fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.as_str() {
            "src/lib.rs" | "src/main.rs" => "src",
            path => path.trim_end_matches(".rs"),
        };
        let mut modules = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            let rest = &self.tokens[index..];
            if !token.is("#") || !starts_with(rest, &TEST_ONLY) {
                continue;
            }
            let declaration = rest[TEST_ONLY.len()..].split(|token| token.is(";")).next();
            if let Some([.., keyword, name]) = declaration
                && keyword.is("mod")
                && let Some(name) = name.word()
            {
                modules.push(format!("{folder}/{name}"));
            }
        }
        modules
    }

    /// The tokens outside `#[cfg(test)]` items.
    pub(crate) fn product(&self) -> Vec<Token> {
        if self.is_test {
            return Vec::new();
        }
        let mut kept = Vec::new();
        let mut rest = self.tokens.as_slice();
        while let Some((first, after)) = rest.split_first() {
            if starts_with(rest, &TEST_ONLY) {
                rest = after_item(&rest[TEST_ONLY.len()..]);
            } else {
                kept.push(first.clone());
                rest = after;
            }
        }
        kept
    }
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Word(word) => word == text,
            Kind::Sign(sign) => *sign == text,
            Kind::Literal(_) | Kind::OtherSign => false,
        }
    }

    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Says whether the tokens begin with these words and signs.
pub(crate) fn starts_with(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && texts.iter().zip(tokens).all(|(text, token)| token.is(text))
}

/// What follows an item: behind its `;`, or behind the brace that closes it.
fn after_item(tokens: &[Token]) -> &[Token] {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match &token.kind {
            Kind::Sign("{" | "(" | "[") => depth += 1,
            Kind::Sign(closing @ ("}" | ")" | "]")) => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *closing == "}" {
                    return &tokens[index + 1..];
                }
            }
            Kind::Sign(";") if depth == 0 => return &tokens[index + 1..],
            _ => {}
        }
    }
    &[]
}

/// Every Rust file below a folder of the package, in order of path.
pub(crate) fn read_all(package: &Path, folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![package.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path
                    .strip_prefix(package)
                    .expect("a path below the package");
                let text = fs::read_to_string(&path).expect("a readable file");
                sources.push(Source::new(&below.to_string_lossy(), &text));
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    mark_tests(&mut sources);
    sources
}

/// Marks the files, and all below them, that are declared for tests only.
pub(crate) fn mark_tests(sources: &mut [Source]) {
    let modules: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in sources {
        source.is_test = modules.iter().any(|module| {
            let rest = source.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader {
        rest: text,
        line: 1,
    };
    let mut tokens = Vec::new();
    while !reader.rest.is_empty() {
        let line = reader.line;
        if let Some(kind) = reader.next() {
            tokens.push(Token { line, kind });
        }
    }
    tokens
}

/// Reads as much of Rust's lexis as the rules need.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    /// The next token; `None` for white space and comments.
    fn next(&mut self) -> Option<Kind> {
        let rest = self.rest;
        let first = rest.chars().next()?;
        if rest.starts_with("//") {
            self.take(rest.find('\n').unwrap_or(rest.len()));
            None
        } else if rest.starts_with("/*") {
            self.take(rest.find("*/").map_or(rest.len(), |end| end + 2));
            None
        } else if first.is_whitespace() {
            self.take(first.len_utf8());
            None
        } else if let Some(hashes) = raw_string(rest) {
            Some(self.raw_literal(hashes))
        } else if first == '"' || rest.starts_with("b\"") {
            Some(self.literal())
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            Some(Kind::Word(self.take(end.unwrap_or(rest.len())).to_owned()))
        } else if first == '\'' {
            self.take(character(rest));
            Some(Kind::OtherSign)
        } else {
            Some(self.sign(first))
        }
    }

    fn take(&mut self, bytes: usize) -> &str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn literal(&mut self) -> Kind {
        let start = self.rest.find('"').map_or(0, |quote| quote + 1);
        let mut escaped = false;
        let end = self.rest[start..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let end = end.map_or(self.rest.len(), |end| start + end);
        let text = self.rest[start..end].to_owned();
        self.take((end + 1).min(self.rest.len()));
        Kind::Literal(text)
    }

    fn raw_literal(&mut self, hashes: usize) -> Kind {
        let start = self.rest.find('"').map_or(0, |quote| quote + 1);
        let close = format!("\"{}", "#".repeat(hashes));
        let end = self.rest[start..].find(&close);
        let end = end.map_or(self.rest.len(), |end| start + end);
        let text = self.rest[start..end].to_owned();
        self.take((end + close.len()).min(self.rest.len()));
        Kind::Literal(text)
    }

    fn sign(&mut self, first: char) -> Kind {
        const SIGNS: [&str; 14] = [
            "::", "{", "}", "(", ")", "[", "]", ";", ",", ".", "#", "!", "*", "=",
        ];
        let known = SIGNS.into_iter().find(|sign| self.rest.starts_with(sign));
        self.take(known.map_or(first.len_utf8(), str::len));
        known.map_or(Kind::OtherSign, Kind::Sign)
    }
}

/// The number of hashes, if a raw string begins here.
fn raw_string(text: &str) -> Option<usize> {
    let behind = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    behind[hashes..].starts_with('"').then_some(hashes)
}

/// The length of a character literal, or of the quote of a lifetime.
fn character(text: &str) -> usize {
    let mut inner = text[1..].char_indices();
    match inner.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(1, |end| end + 4),
        Some(_) => match inner.next() {
            Some((end, '\'')) => end + 2,
            _ => 1,
        },
        None => 1,
    }
}
