//! Credentials of servers: from where a person says they are, and never from an argument.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
};

use console::Term;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::{Failure, gateway::Gateway};
use crate::registry::{Lookup, Source};

/// The providers of a gateway's registry, as its description of the API tells of them.
pub(super) struct Providers(Value);

impl Providers {
    /// Asks the gateway.
    ///
    /// # Errors
    ///
    /// When it cannot be reached.
    pub(super) async fn of(gateway: &Gateway) -> Result<Self, Failure> {
        let mut document = gateway.get("/openapi.json").await?;
        let request = &mut document["components"]["schemas"]["CreateSession"]["properties"];
        Ok(Self(request.take()))
    }

    /// Fails for a name that no provider has, with the one that may have been meant.
    ///
    /// # Errors
    ///
    /// When there is no such provider.
    pub(super) fn know(&self, server: &str) -> Result<(), Failure> {
        let known = self.0["servers"]["items"]["enum"].as_array();
        let known: Vec<&str> = known
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if known.contains(&server) || known.is_empty() {
            return Ok(());
        }
        let remedy = match nearest(server, &known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", known.join(", ")),
        };
        Err(Failure::Refused(format!(
            "there is no server {server:?}; {remedy}"
        )))
    }

    /// The same, for servers of a session, too: those that it has stay when the registry loses them.
    ///
    /// # Errors
    ///
    /// As [`Self::know`].
    pub(super) fn know_or_had(&self, server: &str, session: &Value) -> Result<(), Failure> {
        let mut had = session["servers"].as_array().into_iter().flatten();
        if had.any(|had| had["name"] == server) {
            return Ok(());
        }
        self.know(server)
    }

    fn credential(&self, server: &str) -> &Value {
        &self.0["credentials"]["properties"][server]
    }

    /// Whether a session has to bring a credential for it.
    fn is_needed(&self, server: &str) -> bool {
        self.credential(server)["minProperties"] == 1
    }
}

/// The credentials for a request, by server. Of those that `needed` has and nobody gave, each is asked for.
///
/// # Errors
///
/// When one cannot be had, with the ways to give it.
pub(super) fn gather(
    given: &[String],
    needed: &[String],
    providers: &Providers,
    environment: Lookup<'_>,
) -> Result<Map<String, Value>, Failure> {
    let mut gathered = Map::new();
    for argument in given {
        let (server, place) = match argument.split_once('=') {
            Some((server, place)) => (server, Some(place)),
            None => (argument.as_str(), None),
        };
        providers.know(server)?;
        let secret = match place {
            Some(place) => fetch(server, place, environment)?,
            None => ask(server)?,
        };
        put(&mut gathered, server, &secret);
    }
    for server in needed {
        if providers.is_needed(server) && !gathered.contains_key(server) {
            put(&mut gathered, server, &ask(server)?);
        }
    }
    Ok(gathered)
}

/// Every kind of credential may be called a token.
fn put(gathered: &mut Map<String, Value>, server: &str, secret: &SecretString) {
    gathered.insert(
        server.to_owned(),
        json!({ "token": secret.expose_secret() }),
    );
}

/// Looks where a person said. What else stands there may be the credential itself, and is not repeated.
fn fetch(server: &str, place: &str, environment: Lookup<'_>) -> Result<SecretString, Failure> {
    let Some(source) = Source::parse(place) else {
        return Err(Failure::Usage(format!(
            "what --credential says of {server} is neither env:NAME nor file:PATH; a credential must not stand on the \
             command line, where every program of this machine can read it"
        )));
    };
    let secret = source.fetch(Path::new(""), environment);
    secret.map_err(|problem| {
        Failure::Usage(format!(
            "the credential of {server} is not there: {problem}"
        ))
    })
}

/// Asks at the terminal, without showing what is typed.
fn ask(server: &str) -> Result<SecretString, Failure> {
    let term = Term::stderr();
    if !(io::stdin().is_terminal() && term.is_term()) {
        return Err(Failure::Usage(format!(
            "{server} needs a credential; say where it is with --credential {server}=env:NAME or --credential \
             {server}=file:PATH, or run this at a terminal, where you are asked for it"
        )));
    }
    term.write_str(&format!("Credential of {server} (not shown): "))
        .and_then(|()| term.read_secure_line())
        .map(SecretString::from)
        .map_err(|source| Failure::Unreadable {
            path: "the terminal".into(),
            source,
        })
}

/// The known word that somebody meant who wrote another one.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |known: &&&str| strsim::damerau_levenshtein(word, known) <= 1 + word.len() / 4;
    let known = known.iter().filter(close);
    let nearest = known.min_by_key(|known| strsim::damerau_levenshtein(word, known));
    nearest.copied()
}
