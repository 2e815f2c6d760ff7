//! What was told of a collector of traces: by our flag, or by the variables that all programs with OpenTelemetry share.

use secrecy::{ExposeSecret as _, SecretString};

use crate::{registry, traces::Collector};

use super::flags;

/// Where spans are sent; `None` where nobody asked for that.
///
/// # Errors
///
/// What is wrong, for people; never the address, which may hold a key.
pub(super) fn collector(
    given: Option<&SecretString>,
    environment: registry::Lookup<'_>,
) -> Result<Option<Collector>, String> {
    let says = |name: &str, word: &str| {
        environment(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
    };
    if says(flags::OTEL_SDK_DISABLED, "true") || says(flags::OTEL_TRACES_EXPORTER, "none") {
        return Ok(None);
    }
    // Empty ones count as none. Spec: OpenTelemetry, "Environment Variable Specification".
    let own = given.map(|url| url.expose_secret().to_owned());
    if let Some(url) = own.filter(|url| !url.trim().is_empty()) {
        return Collector::at(url.trim()).map(Some).map_err(|error| {
            format!(
                "--otlp-traces-endpoint (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT): {error}/v1/traces"
            )
        });
    }
    let base = environment(flags::OTLP_ENDPOINT).filter(|url| !url.trim().is_empty());
    let collector = base.map(|url| Collector::below(url.trim())).transpose();
    collector.map_err(|error| format!("{}: {error}", flags::OTLP_ENDPOINT))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where traces go under these variables.
    fn read(given: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Collector>, String> {
        let lookup = |name: &str| {
            let mut found = variables.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| (*value).to_owned())
        };
        collector(given.map(SecretString::from).as_ref(), &lookup)
    }

    #[test]
    fn an_address_for_traces_alone_wins_and_one_for_all_is_gone_below() {
        let at = |url: &str| Ok(Some(Collector::at(url).unwrap()));
        let base = (flags::OTLP_ENDPOINT, "http://all:4318/");
        assert_eq!(read(None, &[]), Ok(None));
        assert_eq!(read(Some(" "), &[(flags::OTLP_ENDPOINT, "")]), Ok(None));
        assert_eq!(read(None, &[base]), at("http://all:4318/v1/traces"));
        assert_eq!(read(Some("https://t/x"), &[base]), at("https://t/x"));
        for off in [
            (flags::OTEL_SDK_DISABLED, "TRUE"),
            (flags::OTEL_TRACES_EXPORTER, "none"),
        ] {
            assert_eq!(read(Some("https://t/x"), &[off]), Ok(None));
        }
    }

    #[test]
    fn an_address_that_is_refused_is_not_repeated_nor_where_on_its_host_one_is() {
        for url in [
            "hunter2",
            "ftp://hunter2/",
            "http://u:hunter2@h/",
            "grpc://h",
        ] {
            let base = (flags::OTLP_ENDPOINT, url);
            for refused in [read(Some(url), &[]), read(None, &[base])] {
                assert!(!refused.unwrap_err().contains("hunter2"), "{url}");
            }
        }
        let shown = read(Some("https://h:1/hunter2?x=hunter2"), &[])
            .unwrap()
            .unwrap();
        assert_eq!(format!("{shown} {shown:?}"), "https://h:1 https://h:1");
    }
}
