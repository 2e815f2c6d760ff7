//! What a request chooses besides servers: which of their tools are offered, and for how long the session lives unused.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    front::{
        api::json::{Json, MemberNames, shown},
        problem::Problem,
    },
    limits::{Bounds, SESSION_IDLE_TTL},
    mcp::{
        name::BackendName,
        tool_filter::{PatternError, ToolFilter},
    },
};

const EXAMPLE: &str =
    r#"for example {"tools": {"github": {"allow": ["get_*", "list_*"], "deny": ["*_secret"]}}}"#;
const PATTERNS: &str =
    "write names of the server's own tools, with * for any characters and ? for one";

/// The filters that a request names, by server; `None` for one that takes a filter away.
pub(in crate::front::api) type Filters = HashMap<BackendName, Option<Arc<ToolFilter>>>;

/// Reads which tools a session offers. Without `servers` they are of those that the session has.
///
/// # Errors
///
/// 400 for a filter of a server that the session does not have, and for one that is none.
pub(in crate::front::api) fn read_tools(
    tools: Option<Json>,
    servers: Option<&[BackendName]>,
) -> Result<Filters, Problem> {
    let mut filters = HashMap::new();
    let Some(tools) = tools else {
        return Ok(filters);
    };
    let fields = tools.into_fields("tools", MemberNames::Shown, EXAMPLE)?;
    for (name, value) in fields.into_members() {
        let field = format!("tools.{}", shown(&name));
        let server = name
            .parse()
            .ok()
            .filter(|server| servers.is_none_or(|servers| servers.contains(server)));
        let Some(server) = server else {
            return Err(of_no_server(&name));
        };
        filters.insert(server, read_filter(&field, value)?);
    }
    Ok(filters)
}

/// The refusal of a filter for what is no server of the session.
pub(in crate::front::api) fn of_no_server(name: &str) -> Problem {
    let name = shown(name);
    let detail = format!(
        "tools are chosen of \"{name}\", which is not in servers; add it there, or leave it out here"
    );
    Problem::at(format!("tools.{name}"), detail)
}

/// Reads one server's filter; `None` for one that hides nothing.
fn read_filter(field: &str, value: Json) -> Result<Option<Arc<ToolFilter>>, Problem> {
    if matches!(value, Json::Null) {
        return Ok(None);
    }
    let mut fields = value.into_fields(field, MemberNames::Shown, EXAMPLE)?;
    let (allow, deny) = (fields.take("allow"), fields.take("deny"));
    fields.finish("allow and deny")?;
    let read = |list: &str, patterns: Option<Json>| {
        let path = format!("{field}.{list}");
        let patterns = patterns
            .map(|it| it.into_list(&path, PATTERNS))
            .transpose()?;
        let texts = patterns.map(|patterns| {
            let texts = patterns.into_iter().enumerate();
            texts
                .map(|(index, text)| text.into_text(&format!("{path}[{index}]"), PATTERNS))
                .collect::<Result<Vec<_>, _>>()
        });
        texts.transpose()
    };
    let (allow, deny) = (read("allow", allow)?, read("deny", deny)?);
    let filter = ToolFilter::new(allow.as_deref(), &deny.unwrap_or_default());
    let filter = filter.map_err(|error| match error {
        PatternError::TooMany { list } => Problem::at(
            format!("{field}.{list}"),
            format!("{error}; use * in some of them"),
        ),
        PatternError::Pattern {
            list,
            index,
            problem,
        } => {
            let detail = format!("the pattern {problem}; {PATTERNS}");
            Problem::at(format!("{field}.{list}[{index}]"), detail)
        }
    })?;
    Ok((!filter.is_open()).then(|| Arc::new(filter)))
}

/// Reads for how long a session lives unused; no longer than `most`, where the gateway bounds that.
///
/// # Errors
///
/// 400 for what is no such time.
pub(in crate::front::api) fn read_idle_expiry(
    expiry: Json,
    most: Option<Duration>,
) -> Result<Duration, Problem> {
    const FIELD: &str = "idle_expiry";
    let bounds = Bounds::new(
        SESSION_IDLE_TTL.least,
        most.unwrap_or(SESSION_IDLE_TTL.most),
    );
    let text = expiry.into_text(FIELD, "write a time such as \"30m\" or \"24h\", or null")?;
    bounds.read(&text).map_err(|refusal| {
        let why = match most {
            Some(_) => ", the most that this gateway lets a session live unused",
            None => "",
        };
        Problem::at(FIELD, format!("{FIELD} {refusal}{why}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(tools: &Value) -> Result<Filters, Problem> {
        let servers = ["a", "b"].map(|name| name.parse().unwrap());
        let tools = Json::read(tools.to_string().as_bytes())?;
        read_tools(Some(tools), Some(&servers))
    }

    #[test]
    fn what_hides_nothing_is_no_filter() {
        let filters = read(&json!({"a": {}, "b": {"allow": ["x*"], "deny": null}})).unwrap();
        let name = |text: &str| text.parse::<BackendName>().unwrap();
        assert_eq!(filters[&name("a")], None);
        let filter = filters[&name("b")].as_ref().unwrap();
        assert!(filter.offers("xy") && !filter.offers("y"));
        assert!(read_tools(None, None).unwrap().is_empty());
    }

    #[test]
    fn every_refusal_of_a_filter_names_its_place() {
        let many: Vec<String> = (0..101).map(|number| format!("t{number}")).collect();
        for (tools, field) in [
            (json!([]), "tools"),
            (json!({"c": {}}), "tools.c"),
            (json!({"no server": null}), "tools.no server"),
            (json!({"a": ["x"]}), "tools.a"),
            (json!({"a": {"only": []}}), "tools.a.only"),
            (json!({"a": {"allow": "x"}}), "tools.a.allow"),
            (json!({"a": {"deny": ["x", 1]}}), "tools.a.deny[1]"),
            (json!({"a": {"deny": ["x", ""]}}), "tools.a.deny[1]"),
            (json!({"a": {"allow": many}}), "tools.a.allow"),
        ] {
            let problem = format!("{:?}", read(&tools).unwrap_err());
            assert!(
                problem.contains(&format!("field: Some({field:?})")),
                "{tools}: {problem}"
            );
        }
    }

    #[test]
    fn a_session_lives_no_longer_than_the_gateway_lets_it() {
        let read = |text: &str, most: Option<u64>| {
            read_idle_expiry(Json::Text(text.to_owned()), most.map(Duration::from_secs))
        };
        assert_eq!(read("30m", None).unwrap(), Duration::from_mins(30));
        assert_eq!(read("12s", Some(12)).unwrap(), Duration::from_secs(12));
        for (text, most) in [
            ("500ms", None),
            ("366days", None),
            ("30", None),
            ("13s", Some(12)),
        ] {
            let problem = format!("{:?}", read(text, most).unwrap_err());
            assert!(
                problem.contains("Some(\"idle_expiry\")"),
                "{text}: {problem}"
            );
        }
        assert!(read_idle_expiry(Json::Number, None).is_err());
    }
}
