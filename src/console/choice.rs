//! What flags say of a session's tools, naming and life, as the API has it.

use serde_json::{Map, Value, json};

use super::{Failure, credentials::Providers, printing::shown};
use crate::config::Choice;

/// Sides of a filter.
const SIDES: [&str; 2] = ["allow", "deny"];

/// Reads the flags; `session` is the one they change, if they change one.
///
/// # Errors
///
/// When a filter names no pattern, or a server that is nowhere.
pub(super) fn chosen(
    choice: &Choice,
    providers: &Providers,
    session: &Value,
) -> Result<Map<String, Value>, Failure> {
    let mut chosen = Map::new();
    let mut tools = json!({});
    for (side, patterns) in SIDES.into_iter().zip([&choice.allow, &choice.deny]) {
        for pattern in patterns {
            let Some((server, pattern)) = pattern.split_once('=') else {
                return Err(Failure::Usage(format!(
                    "--{side} {pattern} names no pattern; write SERVER=PATTERN, such as {pattern}=search_*"
                )));
            };
            providers.know_or_had(server, session)?;
            match &mut tools[server][side] {
                Value::Array(patterns) => patterns.push(json!(pattern)),
                none => *none = json!([pattern]),
            }
        }
    }
    if tools != json!({}) {
        chosen.insert("tools".to_owned(), tools);
    }
    if let Some(naming) = choice.naming {
        chosen.insert("naming".to_owned(), json!(naming.as_str()));
    }
    if let Some(expiry) = &choice.idle_expiry {
        chosen.insert("idle_expiry".to_owned(), json!(expiry));
    }
    Ok(chosen)
}

/// Has each filter of a change keep the side of which the flags say nothing, since the API takes a filter as a whole;
/// of the servers in `cleared` nothing is kept. Tells people what is replaced.
pub(super) fn keep_other_sides(
    patch: &mut Map<String, Value>,
    session: &Value,
    cleared: &[String],
) -> Vec<String> {
    let mut replaced = Vec::new();
    let tools = patch.get_mut("tools").and_then(Value::as_object_mut);
    for (server, filter) in tools.into_iter().flatten() {
        if cleared.contains(server) {
            continue;
        }
        for side in SIDES {
            let before = &session["tools"][server.as_str()][side];
            let is_nothing = before.is_null() || (side == "deny" && *before == json!([]));
            if is_nothing || filter[side] == *before {
                continue;
            }
            if filter[side].is_null() {
                filter[side] = before.clone();
            } else {
                replaced.push(format!("{server}: {side} was {}", patterns(before)));
            }
        }
        if let Some(sides) = filter.as_object_mut() {
            sides.retain(|_, patterns| !patterns.is_null());
        }
    }
    for server in cleared {
        let tools = patch.entry("tools").or_insert_with(|| json!({}));
        if tools[server.as_str()].is_null() {
            // Without a pattern nothing is filtered.
            tools[server.as_str()] = Value::Null;
        }
    }
    replaced
}

/// Patterns in words: no pattern fits no tool.
pub(super) fn patterns(list: &Value) -> String {
    let patterns: Vec<String> = list.as_array().into_iter().flatten().map(shown).collect();
    if patterns.is_empty() {
        "(nothing)".to_owned()
    } else {
        patterns.join(", ")
    }
}

/// The sides of a session's filters that say something, in words.
pub(super) fn filters(session: &Value) -> String {
    let mut text = String::new();
    for (server, filter) in session["tools"].as_object().into_iter().flatten() {
        for side in SIDES {
            let is_said = match &filter[side] {
                Value::Array(patterns) => side == "allow" || !patterns.is_empty(),
                _ => false,
            };
            if is_said {
                text = format!("{text}{side:9}  {server}: {}\n", patterns(&filter[side]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The filters of a change to a session that denies `x` and allows nothing of `shut`.
    fn after(tools: Value, cleared: &[&str]) -> (Value, Vec<String>) {
        let session = json!({"tools": {
            "docs": {"allow": null, "deny": ["x"]}, "shut": {"allow": [], "deny": []},
        }});
        let mut patch = Map::new();
        if tools != json!({}) {
            patch.insert("tools".to_owned(), tools);
        }
        let cleared: Vec<String> = cleared.iter().map(|server| (*server).to_owned()).collect();
        let replaced = keep_other_sides(&mut patch, &session, &cleared);
        (patch["tools"].take(), replaced)
    }

    #[test]
    fn a_filter_keeps_the_side_that_nobody_spoke_of() {
        let allow = json!({"docs": {"allow": ["*"]}, "new": {"deny": ["y"]}});
        let both = json!({"docs": {"allow": ["*"], "deny": ["x"]}, "new": {"deny": ["y"]}});
        assert_eq!(after(allow, &[]), (both, vec![]));
        let deny = json!({"shut": {"deny": ["y"]}});
        let shut = json!({"shut": {"allow": [], "deny": ["y"]}});
        assert_eq!(after(deny, &[]), (shut, vec![]));
        let other = json!({"docs": {"deny": ["y"]}});
        let told = vec!["docs: deny was x".to_owned()];
        assert_eq!(after(other.clone(), &[]), (other, told));
    }

    #[test]
    fn taking_filters_away_leaves_those_that_are_named_beside() {
        let allow = json!({"docs": {"allow": ["*"]}});
        assert_eq!(after(allow.clone(), &["docs"]), (allow, vec![]));
        assert_eq!(after(json!({}), &["docs"]), (json!({"docs": null}), vec![]));
    }

    #[test]
    fn a_session_that_offers_nothing_says_so() {
        let session = json!({"tools": {"shut": {"allow": [], "deny": []}, "docs": {"allow": null, "deny": ["x"]}}});
        assert_eq!(
            filters(&session),
            "deny       docs: x\nallow      shut: (nothing)\n"
        );
    }
}
