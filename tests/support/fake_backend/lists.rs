//! Lists and how they are cut into pages.

use serde_json::{Value, json, value::RawValue};

use super::{
    script::Paging,
    stage::{Stage, State},
    work::field,
};

/// A kind of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
}

impl List {
    pub(super) fn of(method: &str) -> Option<Self> {
        match method {
            "tools/list" => Some(Self::Tools),
            "prompts/list" => Some(Self::Prompts),
            "resources/list" => Some(Self::Resources),
            "resources/templates/list" => Some(Self::Templates),
            _ => None,
        }
    }

    /// The member of a result that holds it.
    fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member of an entry that no two share.
    fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// The notification of another such list.
    pub(super) fn changed(self) -> String {
        let kind = match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        };
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/{kind}/list_changed"}}"#)
    }

    fn entries(self, state: &State) -> &Vec<String> {
        match self {
            Self::Tools => &state.tools,
            Self::Prompts => &state.prompts,
            Self::Resources => &state.resources,
            Self::Templates => &state.templates,
        }
    }

    pub(super) fn entries_mut(self, state: &mut State) -> &mut Vec<String> {
        match self {
            Self::Tools => &mut state.tools,
            Self::Prompts => &mut state.prompts,
            Self::Resources => &mut state.resources,
            Self::Templates => &mut state.templates,
        }
    }

    /// An entry of a list without an end.
    fn endless(self, page: usize) -> String {
        match self {
            Self::Tools => {
                format!(r#"{{"name":"tool_{page}","inputSchema":{{"type":"object"}}}}"#)
            }
            Self::Prompts => format!(r#"{{"name":"prompt_{page}"}}"#),
            Self::Resources => format!(r#"{{"uri":"endless://{page}","name":"{page}"}}"#),
            Self::Templates => {
                format!(r#"{{"uriTemplate":"endless://{page}/{{id}}","name":"{page}"}}"#)
            }
        }
    }

    /// The entry of this name or URI.
    pub(super) fn find(self, stage: &Stage, key: &str) -> Option<Value> {
        stage.read(|state| {
            let mut entries = self.entries(state).iter().map(|raw| parsed(raw));
            entries.find(|entry| entry[self.key()] == key)
        })
    }

    /// Takes the entry of this name or URI away.
    pub(super) fn remove(self, state: &mut State, key: &str) {
        let entries = self.entries_mut(state);
        let before = entries.len();
        entries.retain(|raw| parsed(raw)[self.key()] != key);
        assert!(entries.len() < before, "there is no {key} to remove");
    }
}

fn parsed(raw: &str) -> Value {
    serde_json::from_str(raw).unwrap_or_default()
}

/// The members of one page, or a raw error object.
pub(super) fn page(list: List, stage: &Stage, params: Option<&RawValue>) -> Result<String, String> {
    let page: usize = match field(params, "cursor") {
        None => 0,
        Some(cursor) => serde_json::from_str::<String>(cursor.get())
            .ok()
            .and_then(|cursor| cursor.strip_prefix("page-")?.parse().ok())
            .ok_or_else(|| json!({"code": -32602, "message": "Invalid cursor"}).to_string())?,
    };
    let (entries, more) = match stage.script.paging {
        Paging::Endless => (list.endless(page), true),
        Paging::Of(size) => {
            let skipped = page.saturating_mul(size);
            stage.read(|state| {
                let mut rest = list.entries(state).iter().skip(skipped);
                let entries: Vec<&str> = rest.by_ref().take(size).map(String::as_str).collect();
                (entries.join(","), rest.next().is_some())
            })
        }
    };
    let next = if more {
        format!(r#","nextCursor":"page-{}""#, page + 1)
    } else {
        String::new()
    };
    Ok(format!(r#""{}":[{entries}]{next}"#, list.member()))
}
