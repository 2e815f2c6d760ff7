//! What a fake backend is told before it starts.

use super::{FakeBackend, tools};

/// The modern revision the fake speaks.
pub(super) const MODERN: &str = "2026-07-28";

/// Which eras a fake backend answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Legacy,
    Modern,
    Both,
}

/// The form of an answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// One JSON body, unless notifications come first.
    Json,
    /// Always an event stream.
    Sse,
}

/// How `tools/list` is cut.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paging {
    Of(usize),
    Endless,
}

/// The header a request must carry, and its exact value.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) header: String,
    pub(super) value: String,
    pub(super) refusal: u16,
}

/// The part a fake backend plays; made by [`FakeBackend::legacy`] and its sisters.
pub struct Script {
    pub(super) speaks: Speaks,
    pub(super) revision: String,
    pub(super) answers: Answers,
    pub(super) tools: Vec<String>,
    pub(super) paging: Paging,
    pub(super) credential: Option<Credential>,
    pub(super) keeps_sessions: bool,
    pub(super) instructions: Option<String>,
    pub(super) offers_streams: bool,
}

impl Script {
    pub(super) fn legacy() -> Self {
        Self {
            speaks: Speaks::Legacy,
            revision: "2025-11-25".to_owned(),
            answers: Answers::Json,
            tools: tools::DEFINITIONS.map(str::to_owned).to_vec(),
            paging: Paging::Of(usize::MAX),
            credential: None,
            keeps_sessions: true,
            instructions: None,
            offers_streams: true,
        }
    }

    pub(super) fn modern() -> Self {
        Self {
            speaks: Speaks::Modern,
            ..Self::legacy()
        }
    }

    pub(super) fn both() -> Self {
        Self {
            speaks: Speaks::Both,
            ..Self::legacy()
        }
    }

    /// The legacy revision it speaks.
    pub fn revision(mut self, revision: &str) -> Self {
        revision.clone_into(&mut self.revision);
        self
    }

    /// How it answers requests; JSON unless said otherwise.
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }

    /// Gives out no `Mcp-Session-Id` and demands none, as many public servers do. Such a server
    /// answers an unknown method with `-32601` over HTTP 200, whatever its revision.
    pub fn without_sessions(mut self) -> Self {
        self.keeps_sessions = false;
        self
    }

    /// Leaves out the tools that every fake backend has.
    pub fn without_tools(mut self) -> Self {
        self.tools.clear();
        self
    }

    /// Adds a tool by its definition, raw JSON. A call to it does what `echo` does.
    pub fn tool(mut self, definition: &str) -> Self {
        self.tools.push(definition.to_owned());
        self
    }

    /// Adds a tool by its name.
    pub fn tool_named(self, name: &str) -> Self {
        self.tool(&format!(
            r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#
        ))
    }

    /// Cuts `tools/list` into pages of so many tools.
    pub fn page_size(mut self, tools: usize) -> Self {
        self.paging = Paging::Of(tools);
        self
    }

    /// Pages for ever: each page has one more tool and one more cursor.
    pub fn endless_pages(mut self) -> Self {
        self.paging = Paging::Endless;
        self
    }

    /// Demands `Authorization: Bearer <token>` of every request and answers 401 otherwise.
    pub fn demands_bearer(self, token: &str) -> Self {
        self.demands("authorization", &format!("Bearer {token}"), 401)
    }

    /// Demands a header of every request and answers 403 otherwise.
    pub fn demands_header(self, header: &str, value: &str) -> Self {
        self.demands(header, value, 403)
    }

    fn demands(mut self, header: &str, value: &str, refusal: u16) -> Self {
        self.credential = Some(Credential {
            header: header.to_owned(),
            value: value.to_owned(),
            refusal,
        });
        self
    }

    /// What it tells clients about itself when they open.
    pub fn instructions(mut self, instructions: &str) -> Self {
        self.instructions = Some(instructions.to_owned());
        self
    }

    /// Has no stream for what it announces, though it does announce: on the streams of calls.
    pub fn without_listeners(mut self) -> Self {
        self.offers_streams = false;
        self
    }

    /// Opens the port.
    pub fn start(self) -> FakeBackend {
        FakeBackend::start(self)
    }
}
