//! Pages of a server's lists, with each definition kept raw.

use serde_json::value::RawValue;

use super::{
    kind::ListKind,
    method::{PROMPTS_LIST, RESOURCES_LIST, TASKS_LIST, TEMPLATES_LIST, TOOLS_LIST},
    object::{RawObject, read_object},
};

/// The lists that a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// What can be called.
    Tools,
    /// What can be filled in.
    Prompts,
    /// What can be read.
    Resources,
    /// What URIs of further resources look like.
    Templates,
    /// What is under way; of 2025-11-25.
    Tasks,
}

impl Shelf {
    /// Every list.
    pub const ALL: [Self; 5] = [
        Self::Tools,
        Self::Prompts,
        Self::Resources,
        Self::Templates,
        Self::Tasks,
    ];

    /// The request that asks for it.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tools => TOOLS_LIST,
            Self::Prompts => PROMPTS_LIST,
            Self::Resources => RESOURCES_LIST,
            Self::Templates => TEMPLATES_LIST,
            Self::Tasks => TASKS_LIST,
        }
    }

    /// The list that a request asks for, if it asks for one.
    #[must_use]
    pub fn of(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shelf| shelf.method() == method)
    }

    /// The result's member that holds the definitions; what they are called in words, too.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Tasks => "tasks",
        }
    }

    /// The definition's member that tells it from the others.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
            Self::Tasks => "taskId",
        }
    }

    /// The kind of list that a server announces to be another one; `None` where it announces nothing.
    #[must_use]
    pub const fn kind(self) -> Option<ListKind> {
        match self {
            Self::Tools => Some(ListKind::Tools),
            Self::Prompts => Some(ListKind::Prompts),
            Self::Resources | Self::Templates => Some(ListKind::Resources),
            Self::Tasks => None,
        }
    }

    /// The server capability that it belongs to.
    #[must_use]
    pub const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
            Self::Tasks => "tasks",
        }
    }
}

/// One definition as its server wrote it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its own name, URI or template.
    pub key: String,
    /// The whole definition, untouched.
    pub definition: Box<RawValue>,
}

/// One page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// The definitions, in the server's order.
    pub items: Vec<Item>,
    /// How many more there were that are none: no objects, or without a key.
    pub skipped: usize,
    /// Where the next page starts, when there is one.
    pub next_cursor: Option<String>,
    /// How long the page stays fresh, in milliseconds; `None` where the server does not say.
    pub ttl_ms: Option<u64>,
    /// Whether the server says that it is the same for everyone.
    pub public: bool,
}

impl Page {
    /// Reads a list result of any revision. What is no definition hides no other.
    ///
    /// # Errors
    ///
    /// When the shelf's member is no list.
    pub fn read(shelf: Shelf, result: &[u8]) -> Result<Self, serde_json::Error> {
        let text = std::str::from_utf8(result).map_err(serde::de::Error::custom)?;
        let members: RawObject<'_> = read_object(text)?;
        let list = members
            .get(shelf.member())
            .ok_or_else(|| serde::de::Error::missing_field(shelf.member()))?;
        let definitions: Vec<&RawValue> = serde_json::from_str(list.get())?;
        let items: Vec<Item> = definitions
            .iter()
            .filter_map(|definition| read_item(shelf, definition))
            .collect();
        // A hint of an odd type hides no definition, and keeps none.
        let ttl_ms = members.get("ttlMs").map(RawValue::get);
        Ok(Self {
            skipped: definitions.len() - items.len(),
            items,
            next_cursor: members.get_str("nextCursor"),
            ttl_ms: ttl_ms.map(|text| text.parse().unwrap_or(0)),
            public: members.get_str("cacheScope").as_deref() == Some("public"),
        })
    }
}

/// `None` for what nobody could ask for.
fn read_item(shelf: Shelf, definition: &RawValue) -> Option<Item> {
    let key = RawObject::parse(definition).ok()?.get_str(shelf.key())?;
    (!key.is_empty()).then(|| Item {
        key,
        definition: definition.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_definitions_raw() {
        let page = Page::read(
            Shelf::Resources,
            br#"{"resources":[{"uri":"a:1","x": 1.0},{"uri":"b:2"}],
               "nextCursor":"2","ttlMs":5,"cacheScope":"public"}"#,
        )
        .unwrap();
        assert_eq!(page.items[0].definition.get(), r#"{"uri":"a:1","x": 1.0}"#);
        assert_eq!(page.items[1].key, "b:2");
        assert_eq!(
            (page.next_cursor.as_deref(), page.ttl_ms),
            (Some("2"), Some(5))
        );
        assert!(page.public);
    }

    #[test]
    fn a_page_without_its_list_is_an_error() {
        for text in ["{}", "[]", r#"{"tools":{}}"#, r#"{"tools":[}"#] {
            assert!(Page::read(Shelf::Tools, text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_definition_is_skipped_and_counted() {
        let page = Page::read(
            Shelf::Prompts,
            br#"{"prompts":[{},{"name":"a"},1,["x"],{"name":""},{"name":7},{"name":"b"}]}"#,
        )
        .unwrap();
        let keys: Vec<_> = page.items.iter().map(|item| item.key.as_str()).collect();
        assert_eq!((keys, page.skipped), (vec!["a", "b"], 5));
    }

    #[test]
    fn every_list_is_found_by_its_method() {
        for shelf in Shelf::ALL {
            assert_eq!(Shelf::of(shelf.method()), Some(shelf));
        }
        assert_eq!(Shelf::of("tools/call"), None);
    }
}
