//! The schema of a create request: it names the registry's providers and what each asks for.

use serde_json::{Map, Value, json};

use crate::{
    front::api::create::{NAME_CHARS_MAX, SERVERS_MAX},
    limits::{HEADER_VALUE_BYTES_MAX, TOOL_PATTERN_CHARS_MAX, TOOL_PATTERNS_MAX},
    mcp::name::Naming,
    registry::{AuthSpec, ProviderSpec, Registry},
};

/// Providers in the example: enough to show the point of the gateway.
const EXAMPLE_SERVERS: usize = 3;
/// Providers up to which the schema tells what the request's members say of each other.
const RULED_PROVIDERS_MAX: usize = 4;
/// Printable ASCII that neither begins nor ends with a space.
const CREDENTIAL_PATTERN: &str = "^[!-~]([ -~]*[!-~])?$";
/// No control character.
const TOOL_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";
/// Something to read, and no control character.
const NAME_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";

pub(super) fn schema(registry: &Registry) -> Value {
    let specs: Vec<&ProviderSpec> = registry.iter().map(AsRef::as_ref).collect();
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let credentials: Map<String, Value> = specs
        .iter()
        .map(|spec| (spec.name.to_string(), credential(&spec.auth)))
        .collect();
    let tools: Map<String, Value> = specs
        .iter()
        .map(|spec| (spec.name.to_string(), filter()))
        .collect();
    let mut schema = json!({
        "type": "object",
        "required": ["servers"],
        "additionalProperties": false,
        "properties": {
            "servers": {
                "type": "array",
                "description": "The session's servers, each a provider of the registry.",
                "items": { "type": "string", "enum": names },
                "minItems": 1,
                "maxItems": SERVERS_MAX,
                "uniqueItems": true,
            },
            "credentials": {
                "type": ["object", "null"],
                "description": "What each server asks for, by its name; only names that are also \
                    in `servers`. Only a server that can do without may be left out.",
                "properties": credentials,
                "additionalProperties": false,
            },
            "name": {
                "type": ["string", "null"],
                "description": "A name for people; it stands in lists.",
                "minLength": 1,
                "maxLength": NAME_CHARS_MAX,
                "pattern": NAME_PATTERN,
            },
            "naming": {
                "type": ["string", "null"],
                "description": "How public tool names are spelled: `dot` is provider.tool, \
                    `underscores` is provider__tool, `auto` chooses by client, `none` leaves a \
                    tool its own name in a session of one server.",
                "enum": Naming::ALL.map(|naming| json!(naming.as_str())).into_iter()
                    .chain([Value::Null]).collect::<Vec<_>>(),
            },
            "tools": {
                "type": ["object", "null"],
                "description": "Which tools the session offers, by server; only names that are also in `servers`. \
                    Of a server that is not named it offers all.",
                "properties": tools,
                "additionalProperties": false,
            },
            "idle_expiry": {
                "type": ["string", "null"],
                "description": "For how long the session lives that nobody uses, such as `30m` or `7days`; no longer \
                    than the gateway lets any. Without it that is how long.",
                "examples": ["30m", "24h"],
            },
        },
        "example": example(&specs),
    });
    if let Some(rules) = rules(registry) {
        schema["allOf"] = rules;
    }
    schema
}

/// The schema of a change, by that of a creation: nothing has to be there, and nothing is said of what
/// the session has already.
pub(super) fn change_schema(create: &Value) -> Value {
    let mut properties = create["properties"].clone();
    properties["servers"]["type"] = json!(["array", "null"]);
    properties["servers"]["description"] = json!(
        "All of the session's servers from now on, each a provider of the registry. Left out, they \
         stay."
    );
    properties["credentials"]["description"] = json!(
        "New credentials, by server: of those that the session has from now on. A server that is not \
         named keeps what it has; null takes the session's own credential away."
    );
    // Null says nothing of these, and is refused.
    properties["naming"]["type"] = json!("string");
    properties["naming"]["enum"] = json!(Naming::ALL.map(Naming::as_str));
    properties["tools"]["type"] = json!("object");
    properties["name"]["description"] = json!("A name for people; null takes it away.");
    properties["tools"]["description"] = json!(
        "Which tools the session offers, by server: of those that it has from now on. A server that is not named \
         keeps what it has; null takes its filter away."
    );
    properties["idle_expiry"]["description"] = json!(
        "For how long the session lives that nobody uses, such as `30m`; null for as long as the gateway says."
    );
    let credentials = properties["credentials"]["properties"].as_object_mut();
    for credential in credentials.into_iter().flat_map(Map::values_mut) {
        credential["type"] = json!(["object", "null"]);
        // What is empty changes nothing, and so is a mistake where something could be.
        credential["minProperties"] = credential["maxProperties"].clone();
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "example": { "name": "another name" },
    })
}

/// What one member of the request says of another. The handler holds to it always; the document
/// tells it for small registries, since programs that make requests from a schema give up over more.
fn rules(registry: &Registry) -> Option<Value> {
    let lists = |spec: &ProviderSpec| {
        let servers = json!({ "contains": { "const": spec.name.as_str() } });
        json!({ "properties": { "servers": servers } })
    };
    let brings = |spec: &ProviderSpec| {
        let credentials = json!({ "type": "object", "required": [spec.name.as_str()] });
        json!({ "required": ["credentials"], "properties": { "credentials": credentials } })
    };
    let chooses = |spec: &ProviderSpec| {
        let tools = json!({ "type": "object", "required": [spec.name.as_str()] });
        json!({ "required": ["tools"], "properties": { "tools": tools } })
    };
    let mut rules = vec![json!({
        "if": { "required": ["naming"], "properties": { "naming": { "const": "none" } } },
        "then": { "properties": { "servers": { "maxItems": 1 } } },
    })];
    for spec in registry.iter() {
        rules.push(json!({ "if": brings(spec), "then": lists(spec) }));
        rules.push(json!({ "if": chooses(spec), "then": lists(spec) }));
        if spec.auth.must_be_brought() {
            rules.push(json!({ "if": lists(spec), "then": brings(spec) }));
        }
    }
    (registry.len() <= RULED_PROVIDERS_MAX).then(|| json!(rules))
}

fn filter() -> Value {
    let patterns = |description: &str| {
        json!({
            "type": ["array", "null"],
            "description": description,
            "items": {
                "type": "string",
                "minLength": 1,
                "maxLength": TOOL_PATTERN_CHARS_MAX,
                "pattern": TOOL_PATTERN,
            },
            "maxItems": TOOL_PATTERNS_MAX,
        })
    };
    json!({
        "type": ["object", "null"],
        "description": "Patterns of the server's own names of its tools: `*` stands for any characters, `?` for one.",
        "properties": {
            "allow": patterns("Those that are offered; without it, all."),
            "deny": patterns("Those that are not, whatever `allow` says."),
        },
        "additionalProperties": false,
    })
}

fn credential(auth: &AuthSpec) -> Value {
    let (members, description): (&[&str], _) = match auth {
        AuthSpec::None => (&[], "It takes no credential."),
        AuthSpec::Bearer { .. } => (&["token"], "A bearer token, without `Bearer `."),
        AuthSpec::ApiKey { .. } => (&["api_key", "token", "key"], "An API key, by one name."),
    };
    let text = json!({
        "type": "string",
        "format": "password",
        "minLength": 1,
        "maxLength": HEADER_VALUE_BYTES_MAX,
        "pattern": CREDENTIAL_PATTERN,
    });
    let properties: Map<String, Value> = members
        .iter()
        .map(|member| ((*member).to_owned(), text.clone()))
        .collect();
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": false,
        "minProperties": u8::from(auth.must_be_brought()),
        "maxProperties": members.len().min(1),
    })
}

fn example(specs: &[&ProviderSpec]) -> Value {
    let specs = &specs[..specs.len().min(EXAMPLE_SERVERS)];
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let credentials: Map<String, Value> = specs
        .iter()
        .filter_map(|spec| {
            let credential = match spec.auth {
                AuthSpec::None => return None,
                AuthSpec::Bearer { .. } => json!({ "token": "your-token" }),
                AuthSpec::ApiKey { .. } => json!({ "api_key": "your-key" }),
            };
            Some((spec.name.to_string(), credential))
        })
        .collect();
    json!({ "servers": names, "credentials": credentials })
}
