//! Many backends' answers made one, in the session's order.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::mcp::{
    name::{BackendName, Naming},
    object::{RawObject, quote},
    shelf::{Item, Shelf},
};

use super::{alias, name::Spelling, task};

/// Many backends' lists made one.
#[derive(Debug)]
pub struct Merged {
    /// The JSON text of the array.
    pub array: String,
    /// The public names of what was left out: another one has the name already.
    pub doubled: Vec<String>,
}

/// Merges lists: the session's backend order, then each backend's own.
///
/// Each definition stays as its backend wrote it but for a tool's or a prompt's `name`. A name that
/// is there already is left out: the first keeps it. A URI of another backend that is there already
/// is listed under its alias.
#[must_use]
pub fn list<'a>(
    which: Shelf,
    lists: impl IntoIterator<Item = (&'a BackendName, &'a [Item])>,
    (naming, spelling): (Naming, Spelling),
) -> Merged {
    let mut merging = Merging::default();
    for (backend, items) in lists {
        let earlier = match which {
            Shelf::Resources | Shelf::Templates => merging.seen.clone(),
            Shelf::Tools | Shelf::Prompts | Shelf::Tasks => HashSet::new(),
        };
        for item in items {
            let public = match which {
                Shelf::Tools | Shelf::Prompts => spelling.public_name(backend, &item.key),
                Shelf::Resources | Shelf::Templates if earlier.contains(&item.key) => {
                    alias::alias(backend, &item.key)
                }
                Shelf::Resources | Shelf::Templates => item.key.clone(),
                Shelf::Tasks => task::public_id(naming, backend, &item.key),
            };
            merging.add(which, item, public);
        }
    }
    Merged {
        array: format!("[{}]", merging.items),
        doubled: merging.doubled,
    }
}

#[derive(Default)]
struct Merging {
    items: String,
    seen: HashSet<String>,
    doubled: Vec<String>,
}

impl Merging {
    fn add(&mut self, which: Shelf, item: &Item, public: String) {
        if self.seen.contains(&public) {
            return self.doubled.push(public);
        }
        if !self.items.is_empty() {
            self.items.push(',');
        }
        if public == item.key {
            self.items.push_str(item.definition.get());
        } else {
            let renamed = renamed(&item.definition, which.key(), quote(&public));
            self.items.push_str(renamed.get());
        }
        self.seen.insert(public);
    }
}

/// Writes one text of all instructions, each under its backend's name, and names what is missing.
///
/// `None` where there is nothing to say.
#[must_use]
pub fn instructions<'a>(
    parts: impl IntoIterator<Item = (&'a BackendName, Result<Option<&'a str>, &'a str>)>,
) -> Option<String> {
    let sections: Vec<String> = parts
        .into_iter()
        .filter_map(|(backend, part)| match part {
            Ok(None) => None,
            Ok(Some(text)) => Some(format!("# {backend}\n\n{}", text.trim())),
            Err(reason) => Some(format!(
                "# {backend}\n\nNot reachable at the moment ({reason}); its tools appear when it is back."
            )),
        })
        .collect();
    (!sections.is_empty()).then(|| sections.join("\n\n"))
}

fn renamed(definition: &RawValue, key: &str, public: Box<RawValue>) -> Box<RawValue> {
    let mut members = RawObject::parse_or_empty(Some(definition));
    members.set(key, public);
    members.to_raw()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::mcp::object::to_raw;
    use crate::mcp::shelf::Page;

    const DOTS: (Naming, Spelling) = (Naming::Dot, Spelling::Dot);

    fn tools(text: &str) -> Vec<Item> {
        Page::read(Shelf::Tools, format!(r#"{{"tools":{text}}}"#).as_bytes())
            .unwrap()
            .items
    }

    #[test]
    fn lists_merge_in_order_and_keep_every_byte_but_the_name() {
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        let a = tools(r#"[{"title":"T","name":"x","n":1.0},{"name":"y","x-more":{"k" : 1e2}}]"#);
        let b = tools(r#"[{"name":"x"},{"name":"x","second":true}]"#);
        let merged = list(Shelf::Tools, [(&two, &b[..]), (&one, &a[..])], DOTS);
        assert_eq!(merged.doubled, ["two.x"]);
        assert_eq!(
            merged.array,
            r#"[{"name":"two.x"},{"title":"T","name":"one.x","n":1.0},{"name":"one.y","x-more":{"k" : 1e2}}]"#
        );
    }

    #[test]
    fn a_uri_of_two_backends_is_listed_twice() {
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        let resources = |text: &str| {
            let page = format!(r#"{{"resources":{text}}}"#);
            Page::read(Shelf::Resources, page.as_bytes()).unwrap().items
        };
        let a = resources(r#"[{"uri":"x:1"},{"uri":"x:1","second":true}]"#);
        let b = resources(r#"[{"n":1.0,"uri":"x:1","name":"X"},{"uri":"x:2"}]"#);
        let lists = [(&one, &a[..]), (&two, &b[..])];
        let merged = list(Shelf::Resources, lists, DOTS);
        assert_eq!(merged.doubled, ["x:1"]);
        assert_eq!(
            merged.array,
            r#"[{"uri":"x:1"},{"n":1.0,"uri":"mcp-gateway://two/x:1","name":"X"},{"uri":"x:2"}]"#
        );
    }

    proptest! {
        #[test]
        fn merging_keeps_each_backends_order(
            keys in proptest::collection::vec("[a-c]{1,2}", 0..12),
            split in 0..12_usize,
        ) {
            let backends: [BackendName; 2] = ["one".parse().unwrap(), "two".parse().unwrap()];
            let item = |key: &String| Item {
                key: key.clone(),
                definition: to_raw(&json!({ "name": key })),
            };
            let items: Vec<Item> = keys.iter().map(item).collect();
            let (first, second) = items.split_at(split.min(items.len()));
            let lists = [(&backends[0], first), (&backends[1], second)];
            let merged = list(Shelf::Tools, lists, DOTS);
            let shown: Vec<Value> = serde_json::from_str(&merged.array).unwrap();
            let shown: Vec<&str> = shown.iter().filter_map(|it| it["name"].as_str()).collect();
            let mut expected: Vec<String> = Vec::new();
            for (backend, items) in lists {
                for item in items {
                    let public = format!("{backend}.{}", item.key);
                    if !expected.contains(&public) {
                        expected.push(public);
                    }
                }
            }
            prop_assert_eq!(shown, expected);
        }
    }

    #[test]
    fn instructions_stand_under_their_backends_names() {
        let (one, two, three) = (
            "one".parse().unwrap(),
            "two".parse().unwrap(),
            "three".parse().unwrap(),
        );
        let text = instructions([
            (&one, Ok(Some(" Use it. "))),
            (&two, Ok(None)),
            (&three, Err("connection refused")),
        ]);
        assert_eq!(
            text.as_deref(),
            Some(
                "# one\n\nUse it.\n\n# three\n\nNot reachable at the moment (connection refused); its tools appear when it is back."
            )
        );
        assert_eq!(instructions([(&two, Ok(None))]), None);
    }
}
