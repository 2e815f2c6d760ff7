//! What a token says of its bearer, and what that is worth here.

use serde::Deserialize;
use serde_json::Value;

use super::TokenSettings;
use crate::callers::Caller;

/// Characters of a subject: it stands in logs and in the database.
const SUBJECT_CHARS_MAX: usize = 255;

/// The claims that are looked at.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMore,
    exp: f64,
    /// Scopes and roles, as different authorization servers write them.
    #[serde(default)]
    scope: Value,
    #[serde(default)]
    scp: Value,
    #[serde(default)]
    roles: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// What claims are worth.
pub(super) enum Verdict {
    /// They let this caller in.
    Caller(Caller),
    /// They would, with more scopes.
    TooNarrow,
    /// They do not.
    Wrong,
}

impl Claims {
    /// Judges claims whose signature, issuer and times are right.
    pub(super) fn judge(&self, settings: &TokenSettings) -> Verdict {
        let is_for_us = self.audiences().iter().any(|audience| {
            let mut ours = settings.audiences.iter();
            ours.any(|ours| is_audience(ours, audience))
        });
        let is_named = !self.sub.trim().is_empty()
            && self.sub.chars().count() <= SUBJECT_CHARS_MAX
            && !self.sub.chars().any(char::is_control);
        if !is_for_us || !is_named {
            return Verdict::Wrong;
        }
        if !settings.scopes.iter().all(|scope| self.has(scope)) {
            return Verdict::TooNarrow;
        }
        let operator = settings.operator_scope.as_ref();
        let operator = operator.is_some_and(|scope| self.has(scope));
        Verdict::Caller(Caller::of_token(&self.iss, &self.sub, operator))
    }

    /// When they expire: seconds since 1970.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a fraction ends at the integer's bounds"
    )]
    pub(super) const fn expires(&self) -> u64 {
        self.exp as u64
    }

    fn audiences(&self) -> &[String] {
        match &self.aud {
            OneOrMore::One(audience) => std::slice::from_ref(audience),
            OneOrMore::More(audiences) => audiences,
        }
    }

    /// Whether they name a scope or a role: in a list, or in a text with spaces in between.
    fn has(&self, scope: &str) -> bool {
        [&self.scope, &self.scp, &self.roles]
            .into_iter()
            .any(|claim| match claim {
                Value::String(scopes) => scopes.split(' ').any(|one| one == scope),
                Value::Array(scopes) => scopes.iter().any(|one| one == scope),
                _ => false,
            })
    }
}

/// Whether a token for `named` is one for `ours`: it is the same, or the endpoint of a session below it. Clients ask for
/// tokens by the address they use. Spec: RFC 8707.
#[must_use]
pub fn is_audience(ours: &str, named: &str) -> bool {
    if !ours.contains("://") {
        return ours == named;
    }
    let ours = ours.strip_suffix('/').unwrap_or(ours);
    let Some(rest) = named.strip_prefix(ours) else {
        return false;
    };
    let id = rest
        .strip_prefix("/session/")
        .and_then(|rest| rest.strip_suffix("/mcp"));
    matches!(rest, "" | "/") || id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::callers::KeySetPlace;

    fn settings(scopes: &[&str]) -> TokenSettings {
        TokenSettings {
            issuer: "https://login.example.com".to_owned(),
            audiences: vec![
                "https://gateway.example.com".to_owned(),
                "gateway".to_owned(),
            ],
            key_set: KeySetPlace::File("keys.json".into()),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            operator_scope: Some("gateway:operate".to_owned()),
        }
    }

    fn judge(claims: &[(&str, Value)], settings: &TokenSettings) -> Verdict {
        let mut all = json!({
            "iss": settings.issuer, "sub": "ada", "aud": "gateway", "exp": 1,
        });
        for (name, value) in claims {
            all[*name] = value.clone();
        }
        serde_json::from_value::<Claims>(all)
            .unwrap()
            .judge(settings)
    }

    #[test]
    fn an_audience_that_is_a_url_stands_for_the_sessions_below_it() {
        let ours = "https://gateway.example.com";
        for named in [
            "https://gateway.example.com",
            "https://gateway.example.com/",
            "https://gateway.example.com/session/1-2/mcp",
        ] {
            assert!(is_audience(ours, named), "{named}");
            assert!(
                is_audience("https://gateway.example.com/", named),
                "{named}"
            );
        }
        for named in [
            "",
            "https://gateway.example.com.evil.example",
            "https://gateway.example.com/other",
            "https://gateway.example.com/session//mcp",
            "https://gateway.example.com/session/a/b/mcp",
            "http://gateway.example.com",
        ] {
            assert!(!is_audience(ours, named), "{named}");
        }
        assert!(is_audience("gateway", "gateway"));
        assert!(!is_audience("gateway", "gateway/session/1/mcp"));
    }

    #[test]
    fn a_caller_is_named_by_issuer_and_subject() {
        let Verdict::Caller(caller) = judge(&[], &settings(&[])) else {
            panic!("let nobody in");
        };
        assert_eq!(
            caller.name().unwrap().as_ref(),
            "https://login.example.com ada"
        );
        assert!(!caller.is_operator());
        for (name, value) in [
            ("sub", json!("")),
            ("sub", json!("a\nb")),
            ("sub", json!("a".repeat(256))),
            ("aud", json!("another")),
            ("aud", json!(["another", "gateway "])),
        ] {
            let told = judge(&[(name, value.clone())], &settings(&[]));
            assert!(matches!(told, Verdict::Wrong), "{name}: {value}");
        }
    }

    #[test]
    fn scopes_and_roles_are_read_wherever_they_stand() {
        for (name, value) in [
            ("scope", json!("openid gateway:operate")),
            ("scp", json!(["gateway:operate"])),
            ("roles", json!(["x", "gateway:operate"])),
        ] {
            let told = judge(&[(name, value)], &settings(&["gateway:operate"]));
            assert!(
                matches!(told, Verdict::Caller(caller) if caller.is_operator()),
                "{name}"
            );
        }
        for value in [
            json!("gateway:operate2"),
            json!(7),
            json!({"gateway:operate": 1}),
        ] {
            let told = judge(&[("scope", value)], &settings(&["gateway:operate"]));
            assert!(matches!(told, Verdict::TooNarrow));
        }
    }
}
