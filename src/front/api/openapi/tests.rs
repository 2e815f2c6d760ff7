//! The document says what is served, no more and no less.

use std::collections::BTreeSet;

use super::*;
use crate::front::{api::ROUTES, fixture};

fn document() -> Value {
    describe(&fixture::registry())
}

#[test]
fn the_document_lists_the_routes_that_are_served() {
    let document = document();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (path.clone(), method.to_uppercase()))
        })
        .collect();
    let served: BTreeSet<(String, String)> = ROUTES
        .iter()
        .flat_map(|route| {
            // HEAD is what HTTP makes of GET; the document need not say so.
            let methods = route.allow.split(", ").filter(|method| *method != "HEAD");
            methods.map(|method| (route.template.to_owned(), method.to_owned()))
        })
        .collect();
    assert_eq!(described, served);
}

#[test]
fn every_refusal_has_a_schema_and_an_example() {
    let mut document = document();
    let mut refusals = 0;
    for operation in operations(&mut document["paths"]) {
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("400"), "{operation}");
        assert!(responses.contains_key("403"), "{operation}");
        for (status, response) in responses {
            assert!(response["description"].is_string(), "{operation}");
            if status.starts_with(['4', '5']) {
                let content = &response["content"][PROBLEM_JSON];
                assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem");
                assert_eq!(content["example"]["status"].to_string(), *status);
                refusals += 1;
            }
        }
    }
    assert!(refusals > 30, "{refusals}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn the_request_names_the_providers_and_what_they_ask_for() {
    let document = document();
    let properties = &document["components"]["schemas"]["CreateSession"]["properties"];
    assert_eq!(
        properties["servers"]["items"]["enum"],
        json!(["open", "bearer", "anonymous", "preset", "key"])
    );
    let asks = |server: &str| {
        let credential = &properties["credentials"]["properties"][server];
        (
            credential["minProperties"].as_u64().unwrap(),
            credential["maxProperties"].as_u64().unwrap(),
        )
    };
    assert_eq!(asks("open"), (0, 0));
    assert_eq!(asks("anonymous"), (0, 1));
    assert_eq!(asks("preset"), (0, 1));
    assert_eq!(asks("bearer"), (1, 1));
    assert_eq!(asks("key"), (1, 1));
}

/// Programs that make requests from a schema give up over the rules of many providers; the handler
/// holds to them all the same.
#[test]
fn only_a_small_registry_has_rules_between_the_members_of_a_request() {
    for (providers, ruled) in [(4, true), (5, false)] {
        let entries: Vec<String> = (0..providers)
            .map(|number| format!("  p{number}:\n    url: http://127.0.0.1:9/mcp\n"))
            .collect();
        let text = format!("providers:\n{}", entries.concat());
        let path = std::path::Path::new("registry.yaml");
        let defaults = crate::registry::Defaults::default();
        let registry = Registry::parse(&text, path, &defaults, &|_| None).unwrap();
        let document: Value = serde_json::from_slice(&super::document(&registry)).unwrap();
        let schema = &document["components"]["schemas"]["CreateSession"];
        assert_eq!(schema["allOf"].is_array(), ruled, "{providers} providers");
    }
}

#[test]
fn only_the_stream_of_a_get_is_taken_up_again() {
    let document = document();
    let path = &document["paths"][crate::front::api::MCP.template];
    let takes = |method: &str| path[method].to_string().contains("Last-Event-ID");
    assert!(takes("get") && !takes("post") && !takes("delete"));
}
