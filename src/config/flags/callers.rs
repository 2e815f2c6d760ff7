//! Who may call the gateway, by what they prove it, and what each may hold.

use std::path::PathBuf;

use clap::Args;

use crate::{
    callers::{KeySetPlace, TokenSettings},
    config::{CallerCaps, CallersFile, values},
    limits,
};

/// The callers file where no flag and no variable names one.
const CALLERS_FILE: &str = "callers.yaml";

#[derive(Debug, Args)]
#[command(next_help_heading = "Callers")]
pub(in crate::config) struct CallerFlags {
    /// File that holds the hashed API keys of callers; read again when it changes
    /// [default: callers.yaml, if it is there]
    #[arg(
        long = "callers",
        global = true,
        env = "CALLERS_PATH",
        value_name = "PATH"
    )]
    callers: Option<PathBuf>,

    /// Issuer of the tokens that let callers in, as their iss has it to the letter
    #[arg(long, global = true, env = "JWT_ISSUER", value_name = "URL")]
    #[arg(value_parser = values::issuer)]
    jwt_issuer: Option<String>,

    /// Whom such tokens are for, as their aud has it; --public-url is one of itself. Repeat it, or separate several by
    /// commas
    #[arg(long, global = true, env = "JWT_AUDIENCE", value_name = "AUDIENCE")]
    #[arg(value_delimiter = ',', value_parser = values::scope)]
    jwt_audience: Vec<String>,

    /// Key set that such tokens are signed with: an https address, an http one of this machine, or a file
    #[arg(long, global = true, env = "JWKS", value_name = "URL|PATH")]
    #[arg(value_parser = values::key_set)]
    jwks: Option<KeySetPlace>,

    /// Scope that every such token must have; clients that log in ask for it. Repeat it, or separate several by commas
    #[arg(long, global = true, env = "JWT_SCOPE", value_name = "SCOPE")]
    #[arg(value_delimiter = ',', value_parser = values::scope)]
    jwt_scope: Vec<String>,

    /// Scope or role (scope, scp, roles) that makes the caller of such a token an operator; without it, none is
    #[arg(long, global = true, env = "JWT_OPERATOR_SCOPE", value_name = "SCOPE")]
    #[arg(value_parser = values::scope)]
    jwt_operator_scope: Option<String>,

    /// Listen beyond this machine although callers are not authenticated
    #[arg(long, global = true, env = "INSECURE")]
    insecure: bool,

    /// Most sessions of all callers together
    #[arg(long, global = true, env = "MAX_SESSIONS", value_name = "COUNT")]
    #[arg(default_value = "1000000", value_parser = |text: &str| limits::SESSIONS.read(text))]
    max_sessions: u32,

    /// Most sessions of one caller [default: 1000, and any number where callers are not authenticated]
    #[arg(
        long,
        global = true,
        env = "MAX_SESSIONS_PER_CALLER",
        value_name = "COUNT"
    )]
    #[arg(value_parser = |text: &str| limits::SESSIONS.read(text))]
    max_sessions_per_caller: Option<u32>,

    /// Most requests in flight of one caller, over all its sessions
    #[arg(
        long,
        global = true,
        env = "MAX_REQUESTS_PER_CALLER",
        value_name = "COUNT"
    )]
    #[arg(default_value = "2048", value_parser = |text: &str| limits::REQUESTS_PER_CALLER.read(text))]
    max_requests_per_caller: u32,
}

/// What the flags of this group come to.
pub(in crate::config) struct CallersConfig {
    pub(in crate::config) file: CallersFile,
    pub(in crate::config) tokens: Option<TokenSettings>,
    pub(in crate::config) insecure: bool,
    pub(in crate::config) caps: CallerCaps,
}

impl CallerFlags {
    /// Brings them together; the address by which clients reach the gateway is an audience, too.
    ///
    /// # Errors
    ///
    /// What is wrong, for people, with the remedy.
    pub(in crate::config) fn into_config(
        self,
        public_url: Option<&str>,
    ) -> Result<CallersConfig, String> {
        let more = self.jwt_audience.len() + self.jwt_scope.len();
        let tokens = match (self.jwt_issuer, self.jwks) {
            (Some(issuer), Some(key_set)) => Some((issuer, key_set)),
            (None, None) if more == 0 && self.jwt_operator_scope.is_none() => None,
            _ => {
                return Err(
                    "tokens are checked only with both --jwt-issuer and --jwks; give both, or none of the --jwt flags"
                        .to_owned(),
                );
            }
        };
        let mut audiences = self.jwt_audience;
        audiences.extend(public_url.map(str::to_owned));
        if tokens.is_some() && audiences.is_empty() {
            return Err(
                "--jwt-issuer needs --jwt-audience or --public-url: a token for somebody else must not let anybody in"
                    .to_owned(),
            );
        }
        Ok(CallersConfig {
            file: match self.callers {
                Some(path) => CallersFile::Named(path),
                None => CallersFile::Usual(CALLERS_FILE.into()),
            },
            tokens: tokens.map(|(issuer, key_set)| TokenSettings {
                issuer,
                audiences,
                key_set,
                scopes: self.jwt_scope,
                operator_scope: self.jwt_operator_scope,
            }),
            insecure: self.insecure,
            caps: CallerCaps {
                sessions: self.max_sessions.into(),
                sessions_per_caller: self
                    .max_sessions_per_caller
                    .map_or(limits::SESSIONS_PER_CALLER_MAX, u64::from),
                sessions_of_anonymous: self.max_sessions_per_caller.map(u64::from),
                requests_per_caller: self.max_requests_per_caller,
            },
        })
    }
}
