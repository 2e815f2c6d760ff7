//! What a fake backend is told before it starts.

use serde_json::{Value, json};

use super::{
    super::transcript::{Seat, Transcript},
    FakeBackend, prompts, resources, tasks, tools,
};

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

/// How lists are cut.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paging {
    Of(usize),
    Endless,
}

/// What a server may do, though most do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    AsksOnGetStream,
    AsksAnyway,
    Resumable,
    Batches,
    NumbersTasks,
    ForgetsRequests,
    ClosesConnections,
}

/// The header a request must carry, and its exact value.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) header: String,
    pub(super) values: Vec<String>,
    pub(super) refusal: u16,
}

/// The part a fake backend plays; made by [`FakeBackend::legacy`] and its sisters.
pub struct Script {
    pub(super) speaks: Speaks,
    pub(super) revision: String,
    pub(super) answers: Answers,
    pub(super) tools: Vec<String>,
    pub(super) prompts: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) templates: Vec<String>,
    /// A merge patch on what it declares otherwise.
    capabilities: Value,
    habits: Vec<Habit>,
    pub(super) seat: Option<Seat>,
    pub(super) paging: Paging,
    pub(super) credential: Option<Credential>,
    pub(super) keeps_sessions: bool,
    pub(super) instructions: Option<String>,
    pub(super) offers_streams: bool,
    /// Raw members that say how long a modern result may be kept.
    pub(super) cache: String,
}

impl Script {
    pub(super) fn legacy() -> Self {
        Self {
            speaks: Speaks::Legacy,
            revision: "2025-11-25".to_owned(),
            answers: Answers::Json,
            tools: tools::DEFINITIONS.map(str::to_owned).to_vec(),
            prompts: prompts::DEFINITIONS.map(str::to_owned).to_vec(),
            resources: resources::DEFINITIONS.map(str::to_owned).to_vec(),
            templates: resources::TEMPLATES.map(str::to_owned).to_vec(),
            capabilities: json!({}),
            habits: Vec::new(),
            seat: None,
            paging: Paging::Of(usize::MAX),
            credential: None,
            keeps_sessions: true,
            instructions: None,
            offers_streams: true,
            cache: r#""ttlMs":60000,"cacheScope":"public""#.to_owned(),
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

    /// Adds the tool `recite`, which says the texts of its argument `messages` on the stream of its
    /// call, so many `times`, and then answers.
    pub fn recites(self) -> Self {
        self.tool_named("recite")
    }

    /// Adds a tool by its name.
    pub fn tool_named(self, name: &str) -> Self {
        self.tool(&format!(
            r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#
        ))
    }

    /// Lists every tool it has; unless told so it lists nine, and the rest can be called all the
    /// same.
    pub fn all_tools(mut self) -> Self {
        self.tools.extend(tools::MORE.map(str::to_owned));
        self
    }

    /// Has no prompts, and says so.
    pub fn without_prompts(mut self) -> Self {
        self.prompts.clear();
        self.capabilities(json!({"prompts": null}))
    }

    /// Adds a prompt by its definition, raw JSON. It says its arguments.
    pub fn prompt(mut self, definition: &str) -> Self {
        self.prompts.push(definition.to_owned());
        self
    }

    /// Has no resources, and says so.
    pub fn without_resources(mut self) -> Self {
        self.resources.clear();
        self.templates.clear();
        self.capabilities(json!({"resources": null}))
    }

    /// Adds a resource by its definition, raw JSON. It holds its own URI as text.
    pub fn resource(mut self, definition: &str) -> Self {
        self.resources.push(definition.to_owned());
        self
    }

    /// Adds a resource template by its definition, raw JSON. What it expands to holds its own URI.
    pub fn template(mut self, definition: &str) -> Self {
        self.templates.push(definition.to_owned());
        self
    }

    /// Declares these capabilities on top of the usual ones; `null` takes one back.
    pub fn capabilities(mut self, patch: Value) -> Self {
        merge(&mut self.capabilities, patch);
        self
    }

    /// Asks its clients on the `GET` stream of their MCP session, as some servers do, and not on
    /// the stream of the call that makes it ask.
    pub fn asks_on_get_stream(self) -> Self {
        self.with(Habit::AsksOnGetStream)
    }

    /// Asks even clients that do not say they can be asked.
    pub fn asks_anyway(self) -> Self {
        self.with(Habit::AsksAnyway)
    }

    /// Gives every event of its streams an id and lets clients resume them, as legacy servers may.
    /// Calls are always answered by a stream then, and outlive its connections.
    pub fn resumable(self) -> Self {
        self.with(Habit::Resumable).answers(Answers::Sse)
    }

    /// Calls its tasks `task-1`, `task-2` and so on, as other servers do too.
    pub fn numbers_tasks(self) -> Self {
        self.with(Habit::NumbersTasks)
    }

    /// Keeps no record of what it was asked, so that it can be asked for hours.
    pub fn forgets_requests(self) -> Self {
        self.with(Habit::ForgetsRequests)
    }

    /// Closes each connection after its first answer, so that each request comes over a fresh one.
    pub fn closes_connections(self) -> Self {
        self.with(Habit::ClosesConnections)
    }

    /// Has a tool that answers with the `Authorization` its call came with, after some `steps`.
    pub fn tells_credentials(self) -> Self {
        self.tool_named("whoami")
    }

    /// Says in the modern era that what it tells may be kept so long, and by whom.
    pub fn fresh_for(mut self, ttl_ms: u64, scope: &str) -> Self {
        self.cache = format!(r#""ttlMs":{ttl_ms},"cacheScope":"{scope}""#);
        self
    }

    /// Puts every message into a batch, as `2025-03-26` allows.
    pub fn in_batches(self) -> Self {
        self.with(Habit::Batches)
    }

    fn with(mut self, habit: Habit) -> Self {
        self.habits.push(habit);
        self
    }

    pub(super) fn has(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }

    /// Writes down what it says and hears under this name.
    pub fn recorded(mut self, transcript: &Transcript, name: &str) -> Self {
        self.seat = Some(transcript.seat(name));
        self
    }

    /// What it declares in a revision.
    pub(super) fn declared(&self, revision: &str) -> Value {
        let mut declared = json!({
            "tools": {"listChanged": true},
            "prompts": {"listChanged": true},
            "resources": {"listChanged": true, "subscribe": true},
            "logging": {},
        });
        if revision >= "2025-03-26" {
            declared["completions"] = json!({});
        }
        if revision == "2025-11-25" {
            let requests = json!({"tools": {"call": {}}});
            declared["tasks"] = json!({"list": {}, "cancel": {}, "requests": requests});
        }
        if revision == MODERN {
            declared["extensions"] = json!({tasks::EXTENSION: {}});
        }
        merge(&mut declared, self.capabilities.clone());
        without_nulls(&mut declared);
        declared
    }

    /// Cuts every list into pages of so many entries.
    pub fn page_size(mut self, entries: usize) -> Self {
        self.paging = Paging::Of(entries);
        self
    }

    /// Pages for ever: each page has one more entry and one more cursor.
    pub fn endless_pages(mut self) -> Self {
        self.paging = Paging::Endless;
        self
    }

    /// Demands `Authorization: Bearer <token>` of every request and answers 401 otherwise. Said
    /// several times, any of the tokens will do.
    pub fn demands_bearer(self, token: &str) -> Self {
        self.demands("authorization", &format!("Bearer {token}"), 401)
    }

    /// Demands a header of every request and answers 403 otherwise.
    pub fn demands_header(self, header: &str, value: &str) -> Self {
        self.demands(header, value, 403)
    }

    fn demands(mut self, header: &str, value: &str, refusal: u16) -> Self {
        let credential = self.credential.get_or_insert_with(|| Credential {
            header: header.to_owned(),
            values: Vec::new(),
            refusal,
        });
        credential.values.push(value.to_owned());
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
        let has_batches = self.revision == "2025-03-26" && self.speaks == Speaks::Legacy;
        let batches = self.has(Habit::Batches);
        assert!(!batches || has_batches, "only 2025-03-26 has batches");
        FakeBackend::start(self)
    }
}

/// Spec: RFC 7396, but that a `null` stays in the patch until it meets what it removes.
fn merge(into: &mut Value, patch: Value) {
    match (into.as_object_mut(), patch) {
        (Some(members), Value::Object(patch)) => {
            for (name, value) in patch {
                let member = members.entry(name).or_insert(Value::Null);
                merge(member, value);
            }
        }
        (_, patch) => *into = patch,
    }
}

/// Leaves out what a patch removed.
fn without_nulls(value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(without_nulls);
    }
}
