//! What the program makes of its flags and its environment.

use clap::builder::Resettable;

use super::*;
use crate::{front::server::ServerBounds, limits};

/// Reads flags as on a machine whose environment has only the given variables without a flag.
fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Config, clap::Error> {
    let command = Flags::command().mut_args(|argument| argument.env(Resettable::Reset));
    let arguments = ["mcp-gateway"].iter().chain(arguments).map(OsString::from);
    let environment = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Config::read(command, arguments, &environment)
}

/// Asserts that the flags are refused in a message that has all of these parts.
#[track_caller]
fn assert_refused(arguments: &[&str], parts: &[&str]) {
    let message = read(arguments, &[]).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn without_flags_everything_has_its_default() {
    let config = read(&[], &[]).unwrap();
    assert_eq!(config.command, Command::Serve);
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8000));
    assert_eq!(
        config.database_url.expose_secret(),
        "sqlite://gateway.db?mode=rwc"
    );
    assert!(matches!(&config.sealing_key, SealingKey::File(path) if path == "gateway.db.key"));
    assert_eq!(config.registry_path, PathBuf::from("registry.yaml"));
    assert_eq!(config.registry_defaults, registry::Defaults::default());
    assert_eq!(config.initialize_deadline, Duration::from_secs(5));
    assert_eq!(config.mcp_session_ttl, Duration::from_hours(24));
    assert_eq!(config.input_timeout, Duration::from_mins(10));
    assert_eq!(config.drain_timeout, Duration::from_secs(7));
    assert_eq!(config.body_bytes_max, 4 * 1024 * 1024);
    assert!(config.allowed_hosts.is_empty() && config.allowed_origins.is_empty());
    assert!(config.edge.trusted_proxies.is_empty() && config.edge.tls.is_none());
    assert_eq!(config.log_format, LogFormat::Auto);
    assert_eq!(config.log_filter, LogFilter::default());
}

/// Supervisors commonly send SIGKILL 10 s after SIGTERM: whoever sets no flag is not cut off by it.
#[test]
fn with_the_defaults_an_end_takes_less_than_supervisors_wait() {
    let drain = read(&[], &[]).unwrap().drain_timeout;
    let end = drain + 2 * limits::HURRIED_WITHIN + limits::REST_WITHIN;
    assert!(end < Duration::from_secs(10), "{end:?}");
}

#[test]
fn flags_count_before_and_behind_the_command() {
    for arguments in [
        ["--port", "0", "check", "--connect", "--registry", "r.yaml"],
        ["check", "--port", "0", "--registry", "r.yaml", "--connect"],
    ] {
        let config = read(&arguments, &[]).unwrap();
        let command = Command::Check {
            connect: true,
            json: false,
        };
        assert_eq!(config.command, command);
        assert_eq!(config.port, 0);
        assert_eq!(config.registry_path, PathBuf::from("r.yaml"));
    }
    assert_eq!(read(&["serve"], &[]).unwrap().command, Command::Serve);
    let check = read(&["check", "--json"], &[]).unwrap().command;
    let (connect, json) = (false, true);
    assert_eq!(check, Command::Check { connect, json });
}

#[test]
fn flags_set_what_they_name() {
    let config = read(
        &[
            "--host=[::1]",
            "--database-url=sqlite:sessions.db?mode=rw",
            "--connect-timeout=1s",
            "--handshake-timeout=2s",
            "--idle-timeout=3s",
            "--call-timeout=4m",
            "--retry-attempts=0",
            "--retry-base=50ms",
            "--retry-max=1s",
            "--max-body=1KiB",
            "--allowed-host=a.example,B.example:80",
            "--allowed-host=c.example",
            "--allowed-origin=https://a.example",
            "--log-format=json",
            "--log-level=warn,mcp_gateway=debug",
        ],
        &[],
    )
    .unwrap();
    assert_eq!(config.host, "::1");
    let registry::Defaults { timeouts, retries } = config.registry_defaults;
    assert_eq!(timeouts.connect, Duration::from_secs(1));
    assert_eq!(timeouts.handshake, Duration::from_secs(2));
    assert_eq!(timeouts.idle, Duration::from_secs(3));
    assert_eq!(timeouts.call, Duration::from_mins(4));
    assert_eq!(retries.attempts, 0);
    assert_eq!(retries.base, Duration::from_millis(50));
    assert_eq!(retries.max, Duration::from_secs(1));
    assert_eq!(config.body_bytes_max, limits::BODY_BYTES.least);
    assert_eq!(
        config.allowed_hosts,
        ["a.example", "b.example:80", "c.example"]
    );
    assert_eq!(config.allowed_origins, ["https://a.example"]);
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.log_filter, "warn,mcp_gateway=debug".parse().unwrap());
}

#[test]
fn the_edge_is_what_its_flags_say() {
    let bounds = ServerBounds::default();
    let edge = read(&[], &[]).unwrap().edge;
    assert_eq!(edge.connections_max as usize, bounds.connections_max);
    let per_address = edge.connections_per_address_max as usize;
    assert_eq!(per_address, bounds.connections_per_address_max);
    assert_eq!(edge.header_timeout, bounds.headers_within);
    assert_eq!(edge.body_timeout, Duration::from_secs(30));
    assert_eq!(edge.keep_open, bounds.idle_max);
    assert_eq!(edge.write_timeout, bounds.write_stall_max);
    assert_eq!(edge.streams_max, bounds.streams_max);
    assert_eq!(edge.headers_bytes_max, bounds.headers_bytes_max);
    assert_eq!(edge.headers_max as usize, bounds.headers_max);
    let edge = read(
        &[
            "--tls-cert=c.pem",
            "--tls-key=k.pem",
            "--trusted-proxy=10.0.0.1,fd00::/8",
            "--trusted-proxy=10.1.0.0/16",
            "--max-connections=9",
            "--max-connections-per-address=8",
            "--header-timeout=1s",
            "--body-timeout=2s",
            "--keep-open=3s",
            "--write-timeout=4s",
            "--max-streams=7",
            "--max-header-size=16KiB",
            "--max-headers=60",
        ],
        &[],
    )
    .unwrap()
    .edge;
    let tls = edge.tls.unwrap();
    assert_eq!(tls.certificate, PathBuf::from("c.pem"));
    assert_eq!(tls.key, PathBuf::from("k.pem"));
    assert_eq!(edge.trusted_proxies.len(), 3);
    assert_eq!(
        (edge.connections_max, edge.connections_per_address_max),
        (9, 8)
    );
    assert_eq!(edge.header_timeout, Duration::from_secs(1));
    assert_eq!(edge.body_timeout, Duration::from_secs(2));
    assert_eq!(edge.keep_open, Duration::from_secs(3));
    assert_eq!(edge.write_timeout, Duration::from_secs(4));
    assert_eq!((edge.streams_max, edge.headers_max), (7, 60));
    assert_eq!(edge.headers_bytes_max, 16 * 1024);
    assert_refused(&["--tls-cert=c.pem"], &["--tls-cert", "--tls-key"]);
    assert_refused(&["--tls-key=k.pem"], &["--tls-cert", "--tls-key"]);
    assert_refused(
        &["--trusted-proxy=proxy"],
        &["--trusted-proxy", "10.0.0.0/8"],
    );
    assert_refused(&["--max-header-size=1KiB"], &["from 8KiB to 1MiB"]);
}

#[test]
fn a_wrong_value_is_refused_with_its_flag_and_a_remedy() {
    assert_refused(&["--port=99999"], &["--port", "0..=65535"]);
    assert_refused(&["--host=http://a"], &["--host", "such as 127.0.0.1"]);
    assert_refused(
        &["--call-timeout=60"],
        &["--call-timeout", "such as 100ms, 3s or 10m"],
    );
    assert_refused(
        &["--retry-attempts=99"],
        &["--retry-attempts", "from 0 to 10"],
    );
    assert_refused(
        &["--worker-threads=0"],
        &["--worker-threads", "from 1 to 1024"],
    );
    assert_refused(&["--max-body=4MB"], &["--max-body", "such as 4MiB"]);
    assert_refused(
        &["--allowed-origin=*"],
        &["--allowed-origin", "https://app.example.com"],
    );
    assert_refused(
        &["--log-format=xml"],
        &["--log-format", "auto, pretty, json"],
    );
    assert_refused(&["--log-level=inof"], &["--log-level", "error, warn, info"]);
    assert_refused(
        &["--database-url=x"],
        &["--database-url", "sqlite://gateway.db"],
    );
    assert_refused(
        &["--retry-base=3s", "--retry-max=2s"],
        &["--retry-base", "--retry-max", "at most"],
    );
    assert_refused(&["--prot=1"], &["--prot", "--port"]);
    assert_refused(&["--session-idle-ttl=x"], &["365days"]);
}

#[test]
fn the_sealing_key_comes_from_the_environment_only_and_stays_unseen() {
    let config = read(&[], &[("GATEWAY_SECRET_KEY", "hunter2")]).unwrap();
    assert!(
        matches!(&config.sealing_key, SealingKey::Given(key) if key.expose_secret() == "hunter2")
    );
    assert!(!format!("{config:?}").contains("hunter2"));

    let refusal = read(&[], &[("GATEWAY_SECRET_KEY", " ")]).unwrap_err();
    assert!(
        refusal
            .to_string()
            .contains("GATEWAY_SECRET_KEY is set but empty"),
        "{refusal}"
    );

    let config = read(&["--key-file=k"], &[]).unwrap();
    assert!(matches!(&config.sealing_key, SealingKey::File(path) if path == "k"));
}

#[test]
fn rust_log_counts_where_no_level_is_given() {
    let variables = [("RUST_LOG", "debug")];
    assert_eq!(
        read(&[], &variables).unwrap().log_filter,
        "debug".parse().unwrap()
    );
    let given = read(&["--log-level=warn"], &variables).unwrap();
    assert_eq!(given.log_filter, "warn".parse().unwrap());
    let refusal = read(&[], &[("RUST_LOG", "inof")]).unwrap_err();
    assert!(
        refusal.to_string().contains("RUST_LOG is no log filter"),
        "{refusal}"
    );
}

#[test]
fn the_help_names_every_flag_and_variable_with_a_sentence() {
    let mut command = Flags::command();
    command.build();
    let help = command.render_long_help().to_string();
    for argument in command.get_arguments() {
        let name = argument.get_id().as_str();
        let is_own = matches!(name, "help" | "version");
        let long = argument.get_long().unwrap();
        assert!(help.contains(&format!("--{long}")), "{name}");
        assert!(argument.get_help().is_some(), "{name}");
        assert!(is_own || argument.is_global_set(), "{name}");
        let variable = argument.get_env();
        assert!(is_own || variable.is_some(), "{name} has no variable");
        if let Some(variable) = variable.and_then(|variable| variable.to_str()) {
            assert!(help.contains(&format!("[env: {variable}")), "{variable}");
        }
    }
    for variable in [
        "HOST",
        "PORT",
        "DATABASE_URL",
        "REGISTRY_PATH",
        "GATEWAY_SECRET_KEY",
        "GATEWAY_KEY_FILE",
        "CONNECT_TIMEOUT",
        "HANDSHAKE_TIMEOUT",
        "IDLE_TIMEOUT",
        "CALL_TIMEOUT",
        "RETRY_ATTEMPTS",
        "RETRY_BASE",
        "RETRY_MAX",
        "INITIALIZE_DEADLINE",
        "MCP_SESSION_TTL",
        "INPUT_TIMEOUT",
        "DRAIN_TIMEOUT",
        "WORKER_THREADS",
        "MAX_BODY",
        "TLS_CERT",
        "TLS_KEY",
        "TRUSTED_PROXIES",
        "MAX_CONNECTIONS",
        "MAX_CONNECTIONS_PER_ADDRESS",
        "HEADER_TIMEOUT",
        "BODY_TIMEOUT",
        "KEEP_OPEN",
        "WRITE_TIMEOUT",
        "MAX_STREAMS",
        "MAX_HEADER_SIZE",
        "MAX_HEADERS",
        "ALLOWED_HOSTS",
        "ALLOWED_ORIGINS",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "RUST_LOG",
        "NO_COLOR",
    ] {
        assert!(help.contains(variable), "{variable}");
    }
}

#[test]
fn a_demo_refuses_what_it_would_not_heed() {
    for flag in [
        "--registry=r.yaml",
        "--database-url=sqlite:a.db",
        "--key-file=k",
        "--callers=c.yaml",
        "--jwt-issuer=https://a.example",
        "--jwt-audience=https://b.example",
        "--jwks=k.json",
    ] {
        let (name, _) = flag.split_once('=').unwrap();
        assert_refused(&["demo", flag], &[name, "leave out"]);
        assert_refused(&[flag, "demo"], &[name, "leave out"]);
    }
    assert_eq!(
        read(&["demo", "--port=0"], &[]).unwrap().command,
        Command::Demo
    );
}

#[test]
fn the_flags_agree_with_clap() {
    Flags::command().debug_assert();
}
