//! Flags of what the gateway tells of its work: the log, the audit log, metrics and traces.

use std::{path::PathBuf, time::Duration};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use secrecy::SecretString;

use crate::{
    config::values,
    limits,
    metrics::Readers,
    telemetry::{LogFilter, LogFormat},
};

#[derive(Debug, Args)]
#[command(next_help_heading = "Log, metrics and traces")]
pub(in crate::config) struct LogFlags {
    /// Look of log lines: auto is text, with colours on a terminal; pretty is text with colours
    /// anywhere; json is one object a line
    #[arg(long, global = true, env = "LOG_FORMAT", default_value = "auto")]
    #[arg(value_parser = PossibleValuesParser::new(LogFormat::WORDS).try_map(|word| word.parse::<LogFormat>()))]
    pub(in crate::config) log_format: LogFormat,

    /// How long lines gather to be written out together; 0s writes each at once, as warnings and errors always are
    #[arg(long, global = true, env = "LOG_DELAY", value_name = "DURATION")]
    #[arg(default_value = "5ms", value_parser = |text: &str| limits::LOG_DELAY.read(text))]
    pub(in crate::config) log_delay: Duration,

    /// Lines to write: off, error, warn, info, debug or trace, or directives such as
    /// info,mcp_gateway=debug; warn, where nothing is served [default: info]
    #[arg(long, global = true, env = "LOG_LEVEL", value_name = "LEVEL")]
    pub(in crate::config) log_level: Option<LogFilter>,

    /// File for the audit log: one JSON object for each request, with whom it concerned and how it ended, never with
    /// what was in it; - is standard output [default: none is written]
    #[arg(long, global = true, env = "AUDIT_LOG", value_name = "FILE")]
    pub(in crate::config) audit_log: Option<PathBuf>,

    /// Size at which the audit log goes on in another file; 7 older ones are kept, with numbers
    #[arg(long, global = true, env = "AUDIT_LOG_SIZE", value_name = "SIZE")]
    #[arg(default_value = "64MiB", value_parser = |text: &str| limits::AUDIT_FILE_BYTES.read(text))]
    pub(in crate::config) audit_log_size: usize,

    /// Who may read GET /metrics: operators are all where callers are not authenticated; open is whoever reaches the
    /// gateway, without a key; off is nobody
    #[arg(
        long,
        global = true,
        env = "METRICS",
        value_name = "READERS",
        default_value = "operators"
    )]
    #[arg(value_parser = PossibleValuesParser::new(Readers::WORDS).try_map(|word| word.parse::<Readers>()))]
    pub(in crate::config) metrics: Readers,

    /// Address at which a collector takes traces by OTLP over HTTP, such as http://localhost:4318/v1/traces
    /// [default: none are sent]
    #[arg(
        long,
        global = true,
        env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        value_name = "URL",
        hide_env_values = true
    )]
    #[arg(value_parser = values::secret)]
    pub(in crate::config) otlp_traces_endpoint: Option<SecretString>,
}
