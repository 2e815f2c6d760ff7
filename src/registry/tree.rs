//! The YAML of a registry file as a tree whose nodes can be found again in the text.
//!
//! The YAML crate tells the place of a node only in an error that leaves through it. So nodes are
//! numbered as they are met, everything is checked on the tree by ordinary code that collects as
//! many mistakes as there are, and the place of each mistake is found by walking the text once more
//! and stopping with an error at that number.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One value of the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) number: usize,
    pub(super) content: Content,
}

/// What a value is, as far as a registry file can use it.
#[derive(Debug)]
pub(super) enum Content {
    /// `null`, or nothing after the colon.
    Empty,
    Flag(bool),
    Whole(u64),
    /// A number that is negative, has a fraction, or is huge.
    Number,
    Text(String),
    /// A list; no field takes one, so what it holds does not matter.
    List,
    /// Names and values, repeated names included.
    Fields(Vec<(Name, Node)>),
}

/// The name in front of a value.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) number: usize,
    pub(super) text: String,
}

/// A text that is not YAML, or YAML that a registry cannot use.
#[derive(Debug)]
pub(super) struct NotYaml {
    pub(super) place: (usize, usize),
    pub(super) reason: String,
}

/// Reads the whole text.
pub(super) fn parse(text: &str) -> Result<Node, NotYaml> {
    walk(text, None).map_err(|error| NotYaml {
        place: place(&error),
        reason: error.to_string(),
    })
}

/// Finds the line and column, counted from 1, of the node or name with this number.
pub(super) fn locate(text: &str, number: usize) -> (usize, usize) {
    match walk(text, Some(number)) {
        Ok(_) => (1, 1),
        Err(error) => place(&error),
    }
}

fn walk(text: &str, stop_at: Option<usize>) -> Result<Node, serde_yaml::Error> {
    let walk = Walk {
        next: Cell::new(0),
        stop_at,
    };
    Value(&walk).deserialize(serde_yaml::Deserializer::from_str(text))
}

fn place(error: &serde_yaml::Error) -> (usize, usize) {
    error
        .location()
        .map_or((1, 1), |location| (location.line(), location.column()))
}

/// Counts the nodes met so far.
struct Walk {
    next: Cell<usize>,
    stop_at: Option<usize>,
}

impl Walk {
    /// Gives the next number out. Called inside a visitor, so that an error gets the place of the
    /// node that is visited.
    fn number<E: Error>(&self) -> Result<usize, E> {
        let number = self.next.get();
        self.next.set(number + 1);
        if self.stop_at == Some(number) {
            return Err(E::custom("found"));
        }
        Ok(number)
    }
}

#[derive(Clone, Copy)]
struct Value<'w>(&'w Walk);

impl Value<'_> {
    fn node<E: Error>(self, content: Content) -> Result<Node, E> {
        let number = self.0.number()?;
        Ok(Node { number, content })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value without a tag")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.node(Content::Empty)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        self.node(Content::Empty)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Node, E> {
        self.node(Content::Flag(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
        self.node(Content::Whole(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Node, E> {
        self.node(Content::Number)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Node, E> {
        self.node(Content::Number)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Node, E> {
        self.node(Content::Number)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
        self.node(Content::Number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        self.node(Content::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let node = self.node(Content::List)?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(node)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let number = self.0.number()?;
        let mut fields = Vec::new();
        while let Some(name) = map.next_key_seed(Key(self.0))? {
            fields.push((name, map.next_value_seed(self)?));
        }
        let content = Content::Fields(fields);
        Ok(Node { number, content })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(A::Error::custom("a tag such as !this means nothing here"))
    }
}

#[derive(Clone, Copy)]
struct Key<'w>(&'w Walk);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Name;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Name;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
        let number = self.0.number()?;
        let text = text.to_owned();
        Ok(Name { number, text })
    }
}
