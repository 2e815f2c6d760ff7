//! Many backends' answers made one, in the session's order.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::mcp::{
    name::BackendName,
    object::{RawObject, quote},
    shelf::Item,
};

use super::name::Spelling;

/// Many backends' tools in one list.
#[derive(Debug)]
pub struct Merged {
    /// The JSON text of the `tools` array.
    pub array: String,
    /// The public names of tools that were left out: another one has the name already.
    pub doubled: Vec<String>,
}

/// Merges tools: the session's backend order, then each backend's own.
///
/// Each definition stays as its backend wrote it but for `name`. A name that is there already is
/// left out: the first keeps it.
#[must_use]
pub fn tools<'a>(
    lists: impl IntoIterator<Item = (&'a BackendName, &'a [Item])>,
    spelling: Spelling,
) -> Merged {
    let mut seen = HashSet::new();
    let mut doubled = Vec::new();
    let mut array = String::from("[");
    for (backend, tools) in lists {
        for tool in tools {
            let public = spelling.public_name(backend, &tool.key);
            if seen.contains(&public) {
                doubled.push(public);
                continue;
            }
            let name = quote(&public);
            seen.insert(public);
            if array.len() > 1 {
                array.push(',');
            }
            array.push_str(renamed(&tool.definition, name).get());
        }
    }
    array.push(']');
    Merged { array, doubled }
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

fn renamed(definition: &RawValue, name: Box<RawValue>) -> Box<RawValue> {
    let mut members = RawObject::parse_or_empty(Some(definition));
    members.set("name", name);
    members.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::shelf::{Page, Shelf};

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
        let merged = super::tools([(&two, &b[..]), (&one, &a[..])], Spelling::Dot);
        assert_eq!(merged.doubled, ["two.x"]);
        assert_eq!(
            merged.array,
            r#"[{"name":"two.x"},{"title":"T","name":"one.x","n":1.0},{"name":"one.y","x-more":{"k" : 1e2}}]"#
        );
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
