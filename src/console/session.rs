//! `mcp-gateway session`: makes, lists, shows, changes and deletes sessions.

use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    Failure,
    choice::{chosen, filters, keep_other_sides},
    credentials::{Providers, gather},
    gateway::Gateway,
    printing::{Table, note, print, print_json, shown, state},
};
use crate::{
    config::{Edit, SessionFlags, SessionVerb},
    registry::Lookup,
};

/// What a gateway says of a server whose entry is gone.
const UNREGISTERED: &str = "the registry no longer has it";

/// Does what the command says. What a script would take goes to standard output, words go to standard error.
///
/// # Errors
///
/// Why it was not done, with the remedy.
pub async fn run(
    flags: &SessionFlags,
    key: Option<SecretString>,
    environment: Lookup<'_>,
) -> Result<(), Failure> {
    let gateway = Gateway::new(&flags.gateway, key)?;
    let json = flags.gateway.json;
    match &flags.verb {
        SessionVerb::Create {
            servers,
            name,
            credential,
            choice,
        } => {
            let providers = Providers::of(&gateway).await?;
            for server in servers {
                providers.know(server)?;
            }
            let credentials = gather(credential, servers, &providers, environment)?;
            let mut wanted = chosen(choice, &providers, &Value::Null)?;
            wanted.insert("servers".to_owned(), json!(servers));
            wanted.insert("credentials".to_owned(), Value::Object(credentials));
            wanted.insert("name".to_owned(), json!(name));
            create(&gateway, &Value::Object(wanted), json, environment).await
        }
        SessionVerb::List => list(&gateway, json).await,
        SessionVerb::Show { session } => {
            let id = gateway.session_id(session).await?;
            let session = of(&gateway, &id, "").await?;
            print_session(&gateway, &session, json)
        }
        SessionVerb::Edit(edit) => {
            let session = change(&gateway, edit, environment).await?;
            print_session(&gateway, &session, json)
        }
        SessionVerb::Delete { sessions } => delete(&gateway, sessions, json).await,
    }
}

/// What a session's path, or one below it, answers a `GET`.
///
/// # Errors
///
/// When there is no such session, or as [`Gateway::get`].
pub(super) async fn of(gateway: &Gateway, id: &str, below: &str) -> Result<Value, Failure> {
    known(id, gateway.get(&format!("/session/{id}{below}")).await)
}

/// A path with an id in it is found unless the session is not.
fn known(id: &str, answer: Result<Value, Failure>) -> Result<Value, Failure> {
    answer.map_err(|failure| match failure {
        Failure::Refused(detail) if detail.starts_with("there is no such session") => {
            Failure::NoSession {
                session: id.to_owned(),
            }
        }
        other => other,
    })
}

async fn create(
    gateway: &Gateway,
    wanted: &Value,
    json: bool,
    environment: Lookup<'_>,
) -> Result<(), Failure> {
    let made = gateway
        .ask(Method::POST, "/create-session", Some(wanted))
        .await?;
    if json {
        return print_json(&made);
    }
    let id = shown(&made["session_id"]);
    note(&format!(
        "made, at {}",
        gateway.url(&shown(&made["mcp_endpoint"]))
    ));
    note(&format!(
        "next, what to paste into a client: mcp-gateway config claude-desktop --session {id}{}",
        gateway.flag(environment)
    ));
    print(&format!("{id}\n"))
}

async fn list(gateway: &Gateway, json: bool) -> Result<(), Failure> {
    let sessions = gateway.sessions().await?;
    if json {
        return print_json(&json!({ "sessions": sessions }));
    }
    if sessions.is_empty() {
        note("there are no sessions; make one with mcp-gateway session create SERVER");
        return Ok(());
    }
    let is_owned = sessions.iter().any(|session| !session["owner"].is_null());
    let mut titles = vec!["session", "name", "servers", "last used"];
    if is_owned {
        titles.push("owner");
    }
    let mut table = Table::new(&titles);
    for session in &sessions {
        let mut cells = vec![
            shown(&session["session_id"]),
            shown(&session["name"]),
            names(&session["servers"]),
            moment(&session["last_used"]),
        ];
        if is_owned {
            cells.push(shown(&session["owner"]));
        }
        table.row(cells);
    }
    print(&table.text())
}

async fn delete(gateway: &Gateway, sessions: &[String], json: bool) -> Result<(), Failure> {
    let mut deleted = Vec::new();
    // Each is found before the first is gone: a mistake in one name deletes nothing.
    for session in sessions {
        let id = gateway.session_id(session).await?;
        if !deleted.contains(&id) {
            deleted.push(id);
        }
    }
    for id in &deleted {
        let path = format!("/session/{id}");
        known(id, gateway.ask(Method::DELETE, &path, None).await)?;
        if !json {
            note(&format!("deleted {id}"));
        }
    }
    if json {
        print_json(&json!({ "deleted": deleted }))?;
    }
    Ok(())
}

async fn change(gateway: &Gateway, edit: &Edit, environment: Lookup<'_>) -> Result<Value, Failure> {
    let id = gateway.session_id(&edit.session).await?;
    let providers = Providers::of(gateway).await?;
    let session = of(gateway, &id, "").await?;
    let mut patch = chosen(&edit.choice, &providers, &session)?;
    for server in &edit.all_tools {
        providers.know_or_had(server, &session)?;
    }
    for replaced in keep_other_sides(&mut patch, &session, &edit.all_tools) {
        note(&replaced);
    }
    if edit.no_idle_expiry {
        patch.insert("idle_expiry".to_owned(), Value::Null);
    }
    if edit.name.is_some() || edit.no_name {
        patch.insert("name".to_owned(), json!(edit.name));
    }
    if !(edit.add.is_empty() && edit.remove.is_empty()) {
        let servers = servers_after(&session, edit, &providers)?;
        patch.insert("servers".to_owned(), json!(servers));
    }
    let mut credentials = gather(&edit.credential, &edit.add, &providers, environment)?;
    for server in &edit.no_credential {
        providers.know_or_had(server, &session)?;
        credentials.insert(server.clone(), Value::Null);
    }
    if !credentials.is_empty() {
        patch.insert("credentials".to_owned(), Value::Object(credentials));
    }
    if patch.is_empty() {
        return Err(Failure::Usage(
            "there is nothing to change; say what, such as --name, --add, --remove or --credential"
                .to_owned(),
        ));
    }
    let place = format!("/session/{id}");
    let wanted = Value::Object(patch);
    known(&id, gateway.ask(Method::PATCH, &place, Some(&wanted)).await)
}

fn servers_after(
    session: &Value,
    edit: &Edit,
    providers: &Providers,
) -> Result<Vec<String>, Failure> {
    let servers = session["servers"].as_array().into_iter().flatten();
    let mut servers: Vec<String> = servers.map(|server| shown(&server["name"])).collect();
    for server in &edit.remove {
        let before = servers.len();
        servers.retain(|name| name != server);
        if servers.len() == before {
            return Err(Failure::Refused(format!(
                "the session has no server {server:?} to remove; it has {}",
                servers.join(", ")
            )));
        }
    }
    for server in &edit.add {
        providers.know(server)?;
        if !servers.contains(server) {
            servers.push(server.clone());
        }
    }
    Ok(servers)
}

fn print_session(gateway: &Gateway, session: &Value, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(session);
    }
    let id = shown(&session["session_id"]);
    let mut text = String::new();
    for (title, value) in [
        ("session", id.clone()),
        ("name", shown(&session["name"])),
        ("owner", shown(&session["owner"])),
        ("endpoint", gateway.url(&shown(&session["mcp_endpoint"]))),
        ("naming", shown(&session["naming"])),
        ("lives", shown(&session["idle_expiry"])),
        ("created", moment(&session["created"])),
        ("last used", moment(&session["last_used"])),
    ] {
        if !value.is_empty() {
            text = format!("{text}{title:9}  {value}\n");
        }
    }
    text.push_str(&filters(session));
    let mut table = Table::new(&["server", "state", "revision", "tools", "last error"]);
    let servers = session["servers"].as_array().into_iter().flatten();
    for server in servers.clone() {
        table.row(vec![
            shown(&server["name"]),
            state(&shown(&server["state"])),
            shown(&server["revision"]),
            shown(&server["tools"]),
            shown(&server["last_error"]),
        ]);
    }
    print(&format!("{text}\n{}", table.text()))?;
    for server in servers.filter(|server| server["state"] == "refused") {
        note(&remedy(&id, server));
    }
    Ok(())
}

/// What to do about a server that refuses.
fn remedy(id: &str, server: &Value) -> String {
    let name = shown(&server["name"]);
    if shown(&server["last_error"]).contains(UNREGISTERED) {
        return format!(
            "the registry has no {name} any more; restore its entry, or: mcp-gateway session edit {id} --remove {name}"
        );
    }
    format!(
        "{name} refuses; if its credential is wrong: mcp-gateway session edit {id} --credential {name}=env:NAME"
    )
}

fn names(list: &Value) -> String {
    let names = list.as_array().into_iter().flatten().map(shown);
    names.collect::<Vec<_>>().join(", ")
}

/// A time to the second.
fn moment(time: &Value) -> String {
    let time = shown(time);
    match time.split_once('.') {
        Some((seconds, _)) => format!("{}Z", seconds.replace('T', " ")),
        None => time,
    }
}
