//! The log: where it goes, how it looks, what it lets through.
//!
//! Lines go to standard error. Text that others wrote (a tool's name, a backend's error) stands in
//! them, so no character of it may act on a terminal or begin a line of its own.

mod lines;
mod safe;

use std::{
    io::{self, IsTerminal as _, Stderr},
    str::FromStr,
    time::Duration,
};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt as _};

use self::lines::Lines;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text, with colours where standard error is a terminal.
    #[default]
    Auto,
    /// Text with colours, wherever it goes.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Every word for a format, in the order the help lists them.
    pub const WORDS: [&'static str; 3] = ["auto", "pretty", "json"];
}

/// A text that names no log format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a log format is one of auto, pretty, json")]
pub struct UnknownLogFormat;

impl FromStr for LogFormat {
    type Err = UnknownLogFormat;

    fn from_str(text: &str) -> Result<Self, UnknownLogFormat> {
        match text {
            "auto" => Ok(Self::Auto),
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(UnknownLogFormat),
        }
    }
}

/// Which lines are written: a level, or directives such as `info,mcp_gateway::backend=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// What holds for crates that tell more than an operator wants at their own `INFO`, or would
    /// show header values and bodies below it. A directive for the same crate replaces it.
    const QUIET: &'static str = "ractor=warn,sqlx=warn,sea_orm=warn,sea_orm_migration=warn,\
                                 hyper=warn,hyper_util=warn,h2=warn,reqwest=warn,rustls=warn,\
                                 opentelemetry_sdk=warn";

    /// What is wrong, but for backends: what asks them prints what became of that.
    #[must_use]
    pub fn for_what_ends() -> Self {
        Self("warn,mcp_gateway::backend=error".to_owned())
    }

    fn to_env_filter(&self) -> EnvFilter {
        EnvFilter::builder()
            .with_default_directive(LevelFilter::INFO.into())
            .parse_lossy(format!("{},{}", Self::QUIET, self.0))
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

/// A text that filters nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a level (off, error, warn, info, debug, trace) or directives such as info,mcp_gateway=debug"
)]
pub struct InvalidLogFilter;

impl FromStr for LogFilter {
    type Err = InvalidLogFilter;

    /// Checks each directive by itself. A bare word must be a level: the filter would take any
    /// other for a module's name, and a misspelt `inof` would show everything of a module that is
    /// not there and nothing else.
    fn from_str(text: &str) -> Result<Self, InvalidLogFilter> {
        for directive in text.split(',') {
            let directive = directive.trim();
            let is_level = directive.parse::<LevelFilter>().is_ok();
            let is_bare = !directive.contains(['=', '[']);
            if directive.is_empty() || is_bare && !is_level {
                return Err(InvalidLogFilter);
            }
        }
        EnvFilter::builder()
            .parse(text)
            .map_err(|_| InvalidLogFilter)?;
        Ok(Self(text.to_owned()))
    }
}

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// This process has a log already.
    #[error("the log is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
    /// The system has no thread for it.
    #[error("no thread for the log: {0}; allow this process one more")]
    NoThread(#[source] io::Error),
}

/// Dropped, it writes out what is left of the log. What is logged afterwards goes out at once.
#[must_use = "what is left when it is dropped is written out"]
pub struct LogGuard(Lines<Stderr>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Sets up the log of this process; call once, first of all. Its lines gather for so long to be written out together;
/// not at all for nought.
///
/// # Errors
///
/// [`TelemetryError::Twice`] when called again, [`TelemetryError::NoThread`] when the system gives none.
pub fn init(
    format: LogFormat,
    filter: &LogFilter,
    delay: Duration,
) -> Result<LogGuard, TelemetryError> {
    let lines = Lines::to(io::stderr(), delay).map_err(TelemetryError::NoThread)?;
    let guard = LogGuard(lines.clone());
    subscriber(format, filter, lines)
        .try_init()
        .map_err(TelemetryError::Twice)?;
    Ok(guard)
}

fn subscriber<M>(format: LogFormat, filter: &LogFilter, out: M) -> Box<dyn Subscriber + Send + Sync>
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter.to_env_filter();
    let text = tracing_subscriber::fmt()
        .compact()
        .with_timer(safe::Clock)
        .fmt_fields(safe::Fields);
    match format {
        LogFormat::Json => {
            let json = tracing_subscriber::fmt()
                .json()
                .flatten_event(true)
                .with_span_list(false);
            Box::new(
                json.with_env_filter(filter)
                    .with_writer(safe::Json(out))
                    .finish(),
            )
        }
        LogFormat::Pretty => Box::new(
            text.with_env_filter(filter)
                .with_ansi(true)
                .with_writer(out)
                .finish(),
        ),
        LogFormat::Auto if io::stderr().is_terminal() => {
            Box::new(text.with_env_filter(filter).with_writer(out).finish())
        }
        LogFormat::Auto => Box::new(
            text.with_env_filter(filter)
                .with_ansi(false)
                .with_writer(out)
                .finish(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What a backend might send to paint over an operator's terminal.
    const HOSTILE: &str = "a\x1b[2Jb\nERROR c\r\u{9b}1md\u{7f}\u{202e}e";
    const HARMLESS: &str = r"a\u{1b}[2Jb\nERROR c\r\u{9b}1md\u{7f}\u{202e}e";

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let into = lines.clone();
        let filter = filter.parse().unwrap();
        tracing::subscriber::with_default(subscriber(format, &filter, move || into.clone()), log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_hostile_text_stays_one_harmless_line() {
        let line = written(LogFormat::Auto, "info", || {
            let span = tracing::info_span!("call", tool.name = %HOSTILE);
            let _guard = span.enter();
            tracing::info!(error = %HOSTILE, quoted = HOSTILE, debug = ?HOSTILE, "said {HOSTILE}");
        });
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert!(line.ends_with('\n'));
        let stray = line
            .trim_end_matches('\n')
            .chars()
            .find(|c| safe::is_dangerous(*c));
        assert_eq!(stray, None, "{line:?}");
        assert_eq!(line.matches(HARMLESS).count(), 5, "{line}");
        assert!(
            line.contains(&format!(" said {HARMLESS} error={HARMLESS} quoted=\"")),
            "{line}"
        );
    }

    #[test]
    fn a_hostile_text_stays_one_line_of_json_and_reads_back() {
        let line = written(LogFormat::Json, "info", || {
            tracing::warn!(error = %HOSTILE, elapsed_ms = 7, "said {HOSTILE}");
        });
        let stray = line
            .trim_end_matches('\n')
            .chars()
            .find(|c| safe::is_dangerous(*c));
        assert_eq!(stray, None, "{line:?}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["error"], HOSTILE);
        assert_eq!(object["message"], format!("said {HOSTILE}"));
        assert_eq!(object["elapsed_ms"], 7);
        assert_eq!(object["level"], "WARN");
    }

    #[test]
    fn colours_are_for_terminals_unless_asked_for() {
        let log = || tracing::info!(provider = "x", "here");
        assert!(!written(LogFormat::Auto, "info", log).contains('\x1b'));
        assert!(written(LogFormat::Pretty, "info", log).contains("\x1b[2mprovider=\x1b[0m\"x\""));
    }

    #[test]
    fn talkative_crates_are_quiet_until_named() {
        let log = || {
            tracing::info!(target: "ractor::actor", "from ractor");
            tracing::debug!(target: "mcp_gateway::backend", "from here");
        };
        let line = written(LogFormat::Auto, "debug", log);
        assert!(
            line.contains("from here") && !line.contains("from ractor"),
            "{line}"
        );
        let line = written(LogFormat::Auto, "info,ractor=info", log);
        assert!(
            !line.contains("from here") && line.contains("from ractor"),
            "{line}"
        );
    }

    #[test]
    fn a_filter_that_would_silently_show_nothing_is_refused() {
        for text in ["inof", "", "info,verbose", "mcp_gateway=loud", "a=b=c"] {
            assert_eq!(text.parse::<LogFilter>(), Err(InvalidLogFilter), "{text}");
        }
        for text in [
            "info",
            "WARN",
            "off",
            "info,mcp_gateway=debug",
            "warn,[call]=trace",
        ] {
            assert!(text.parse::<LogFilter>().is_ok(), "{text}");
        }
    }

    #[test]
    fn every_word_of_a_format_reads_back() {
        for word in LogFormat::WORDS {
            assert!(word.parse::<LogFormat>().is_ok());
        }
        assert_eq!("xml".parse::<LogFormat>(), Err(UnknownLogFormat));
    }
}
