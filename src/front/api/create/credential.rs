//! The `credentials` of a request: one object a server, at most one secret in each.
//!
//! A value, or the name of a member that could be a value put in the wrong place, never stands in
//! a refusal.

use std::collections::HashMap;

use secrecy::SecretString;

use super::{EXAMPLE, known};
use crate::{
    front::{
        api::json::{Json, MemberNames, shown},
        problem::Problem,
    },
    mcp::name::BackendName,
    registry::{AuthSpec, ProviderSpec, Registry},
};

/// The credentials that a request brings, each fit for a header.
#[derive(Default)]
pub(super) struct Credentials(HashMap<BackendName, SecretString>);

impl Credentials {
    /// Reads what the request brings for its servers.
    ///
    /// # Errors
    ///
    /// 400 for a credential of a server that the session does not have, and for one of another
    /// shape than its server asks for.
    pub(super) fn read(
        credentials: Option<Json>,
        servers: &[BackendName],
        registry: &Registry,
    ) -> Result<Self, Problem> {
        let mut read = HashMap::new();
        let Some(credentials) = credentials else {
            return Ok(Self(read));
        };
        let fields = credentials.into_fields("credentials", MemberNames::Shown, EXAMPLE)?;
        for (name, value) in fields.into_members() {
            let (field, spec) = listed(&name, Some(servers), registry)?;
            if let Some(secret) = read_one(&field, spec, value)? {
                read.insert(spec.name.clone(), secret);
            }
        }
        Ok(Self(read))
    }

    /// Takes out the credential of a server; none where the registry has a default or the server
    /// does without.
    ///
    /// # Errors
    ///
    /// 400 where the server needs one and nobody has it.
    pub(super) fn take(
        &mut self,
        server: &BackendName,
        registry: &Registry,
    ) -> Result<Option<SecretString>, Problem> {
        let secret = self.0.remove(server);
        match to_be_brought(server, registry).filter(|_| secret.is_none()) {
            Some(problem) => Err(problem),
            None => Ok(secret),
        }
    }
}

/// Reads what a request says of the credentials of a session that is there: new ones, and `null` for
/// those that it takes away. Without `servers` they are for those the session has.
///
/// # Errors
///
/// As [`Credentials::read`].
pub(in crate::front::api) fn read_changes(
    credentials: Option<Json>,
    servers: Option<&[BackendName]>,
    registry: &Registry,
) -> Result<HashMap<BackendName, Option<SecretString>>, Problem> {
    let mut changes = HashMap::new();
    let Some(credentials) = credentials else {
        return Ok(changes);
    };
    let fields = credentials.into_fields("credentials", MemberNames::Shown, EXAMPLE)?;
    for (name, value) in fields.into_members() {
        if let (Json::Null, None, Ok(server)) = (&value, registry.get(&name), name.parse())
            && servers.is_none_or(|servers| servers.contains(&server))
        {
            // The session may have it still: it is told apart where the session is known.
            changes.insert(server, None);
            continue;
        }
        let (field, spec) = listed(&name, servers, registry)?;
        let change = match value {
            Json::Null => None,
            value => {
                let secret = read_one(&field, spec, value)?;
                if secret.is_none() && !matches!(spec.auth, AuthSpec::None) {
                    let detail = format!(
                        "the credential of {name} is empty; send null to take it away, or leave it \
                         out to keep it"
                    );
                    return Err(Problem::at(field, detail));
                }
                secret
            }
        };
        changes.insert(spec.name.clone(), change);
    }
    Ok(changes)
}

/// The refusal of a request that lacks a server's credential; `None` for a server that does without
/// one of the session's.
pub(in crate::front::api) fn to_be_brought(
    server: &BackendName,
    registry: &Registry,
) -> Option<Problem> {
    let auth = &registry.get(server.as_str())?.auth;
    let (what, member) = match auth {
        auth if !auth.must_be_brought() => return None,
        AuthSpec::Bearer { .. } => ("bearer token", "token"),
        AuthSpec::ApiKey { .. } => ("API key", "api_key"),
        AuthSpec::None => return None,
    };
    Some(Problem::at(
        format!("credentials.{server}"),
        format!(
            "{server} needs a {what}; send it as \
             {{\"credentials\": {{\"{server}\": {{\"{member}\": \"..\"}}}}}}"
        ),
    ))
}

/// The field of a credential, and its provider: one of the servers, if these are known.
fn listed<'a>(
    name: &str,
    servers: Option<&[BackendName]>,
    registry: &'a Registry,
) -> Result<(String, &'a ProviderSpec), Problem> {
    let field = format!("credentials.{}", shown(name));
    let is_listed =
        servers.is_none_or(|servers| servers.iter().any(|server| server.as_str() == name));
    match registry.get(name) {
        Some(spec) if is_listed => Ok((field, spec)),
        spec => Err(not_listed(field, name, spec.is_some(), registry)),
    }
}

pub(in crate::front::api) fn not_listed(
    field: String,
    name: &str,
    exists: bool,
    registry: &Registry,
) -> Problem {
    let name = shown(name);
    let detail = if exists {
        format!(
            "there is a credential for {name}, which is not in servers; add it there, or leave its credential out"
        )
    } else {
        format!(
            "there is a credential for \"{name}\", which is no server; its keys are names from servers, of the known ones: {}",
            known(registry)
        )
    };
    Problem::at(field, detail)
}

fn read_one(
    field: &str,
    spec: &ProviderSpec,
    value: Json,
) -> Result<Option<SecretString>, Problem> {
    let (members, remedy): (&[&str], String) = match spec.auth {
        AuthSpec::None => (
            &[],
            "it takes no credential: send {} or leave it out".to_owned(),
        ),
        AuthSpec::Bearer { .. } => (&["token"], "send it as {\"token\": \"..\"}".to_owned()),
        AuthSpec::ApiKey { .. } => (
            &["api_key", "token", "key"],
            "send it as {\"api_key\": \"..\"}".to_owned(),
        ),
    };
    let mut secrets = Vec::new();
    for (member, value) in value
        .into_fields(field, MemberNames::Hidden, &remedy)?
        .into_members()
    {
        let Some(known) = members.iter().find(|known| **known == member) else {
            let detail = format!(
                "the credential of {} has a member it cannot have; {remedy}",
                spec.name
            );
            return Err(Problem::at(field, detail));
        };
        secrets.push((format!("{field}.{known}"), value));
    }
    if secrets.len() > 1 {
        let detail = format!(
            "the credential of {} is given more than once; {remedy}",
            spec.name
        );
        return Err(Problem::at(field, detail));
    }
    let Some((field, value)) = secrets.pop() else {
        return Ok(None);
    };
    let secret = SecretString::from(value.into_text(&field, &remedy)?);
    match spec.auth.header(&secret) {
        Ok(_) => Ok(Some(secret)),
        Err(error) => {
            let detail = format!("the credential of {} {error}; {remedy}", spec.name);
            Err(Problem::at(field, detail))
        }
    }
}
