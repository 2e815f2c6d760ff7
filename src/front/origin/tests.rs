//! Which requests the gate lets through, straight and through proxies.

use super::*;
use crate::front::via::TrustedProxies;

fn gate(listens_on: &str) -> Gate {
    let hosts = ["gateway.example.com", "other.example.com:8443"].map(str::to_owned);
    let origins = ["https://app.example.com", "vscode-webview://abc"].map(str::to_owned);
    Gate::new(listens_on, &hosts, &origins).unwrap()
}

fn verdict(gate: &Gate, host: &str, origin: Option<&str>) -> u16 {
    let mut request = Request::get("/").header(HOST, host);
    if let Some(origin) = origin {
        request = request.header(ORIGIN, origin);
    }
    let request = request.body(()).unwrap();
    gate.check(&request)
        .map_or_else(|problem| problem.status().as_u16(), |()| 200)
}

#[test]
fn a_host_is_loopback_our_own_or_allowed() {
    let gate = gate("192.0.2.7");
    for (host, status) in [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("localhost.:8000", 200),
        ("127.0.0.1:8000", 200),
        ("127.9.8.7", 200),
        ("[::1]:8000", 200),
        ("192.0.2.7:8000", 200),
        ("Gateway.Example.com:1234", 200),
        ("other.example.com:8443", 200),
        ("other.example.com:8444", 403),
        ("other.example.com", 403),
        ("192.0.2.8:8000", 403),
        ("evil.example.net:8000", 403),
        ("localhost.evil.example.net", 403),
        ("127.0.0.1.evil.example.net", 403),
        ("gateway.example.com.evil.example.net", 403),
        ("", 400),
        (":8000", 400),
        ("localhost:", 400),
        ("localhost:99999", 400),
        ("localhost@evil.example.net", 400),
        ("evil.example.net@localhost", 400),
        ("evil.example.net@localhost:8000", 400),
        ("a b", 400),
    ] {
        assert_eq!(verdict(&gate, host, None), status, "{host}");
    }
}

#[test]
fn a_gateway_on_every_address_answers_to_addresses_but_not_to_names() {
    for listens_on in ["0.0.0.0", "::", "[::]"] {
        let gate = gate(listens_on);
        assert_eq!(verdict(&gate, "192.0.2.8:8000", None), 200);
        assert_eq!(verdict(&gate, "[2001:db8::1]:8000", None), 200);
        assert_eq!(verdict(&gate, "evil.example.net", None), 403);
    }
}

#[test]
fn an_origin_is_loopback_the_host_itself_or_allowed() {
    let gate = gate("127.0.0.1");
    let host = "gateway.example.com";
    for (origin, status) in [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1:6274", 200),
        ("http://[::1]", 200),
        ("https://gateway.example.com", 200),
        ("http://gateway.example.com:80", 200),
        ("https://app.example.com", 200),
        ("HTTPS://APP.EXAMPLE.COM:443", 200),
        ("vscode-webview://abc", 200),
        ("http://gateway.example.com:8080", 403),
        ("http://app.example.com", 403),
        ("https://app.example.com.evil.example.net", 403),
        ("https://evil.example.net", 403),
        ("http://localhost.evil.example.net", 403),
        ("null", 403),
        ("", 403),
        ("://localhost", 403),
    ] {
        assert_eq!(verdict(&gate, host, Some(origin)), status, "{origin}");
    }
}

#[test]
fn a_second_host_cannot_hide_behind_the_first() {
    let gate = gate("127.0.0.1");
    let status = |request: http::request::Builder| {
        let request = request.body(()).unwrap();
        gate.check(&request).map_err(|problem| problem.status())
    };
    let two = Request::get("/")
        .header(HOST, "localhost")
        .header(HOST, "evil.example.net");
    assert_eq!(status(two), Err(StatusCode::BAD_REQUEST));
    let line = Request::get("http://evil.example.net/").header(HOST, "localhost");
    assert_eq!(status(line), Err(StatusCode::FORBIDDEN));
    let header = Request::get("http://localhost/").header(HOST, "evil.example.net");
    assert_eq!(status(header), Err(StatusCode::FORBIDDEN));
    assert_eq!(status(Request::get("http://localhost/")), Ok(()));
    assert_eq!(status(Request::get("/")), Err(StatusCode::BAD_REQUEST));
}

/// The verdict on a request that a proxy brings, trusted or not.
fn brought(trusted: bool, host: &str, forwarded: &str, origin: Option<&str>) -> u16 {
    let network = if trusted {
        "127.0.0.1/32"
    } else {
        "10.0.0.0/8"
    };
    let proxies = TrustedProxies::new(vec![network.parse().unwrap()]);
    let mut request = Request::get("/")
        .header(HOST, host)
        .header("x-forwarded-host", forwarded);
    if let Some(origin) = origin {
        request = request.header(ORIGIN, origin);
    }
    let mut request = request.body(()).unwrap();
    let via = proxies.via(([127, 0, 0, 1], 40_000).into(), false, &request);
    request.extensions_mut().insert(via);
    let verdict = gate("127.0.0.1").check(&request);
    verdict.map_or_else(|problem| problem.status().as_u16(), |()| 200)
}

#[test]
fn a_forwarded_host_must_be_allowed_as_well_as_the_proxy_s_own() {
    for (host, forwarded, status) in [
        ("localhost:8000", "gateway.example.com", 200),
        // The proxy passed on what some page calls it by.
        ("localhost:8000", "evil.example.net", 403),
        ("gateway.example.com", "evil.example.net", 403),
        // A page that reached the gateway itself, by a name that leads here, and adds the header.
        ("evil.example.net", "gateway.example.com", 403),
        ("evil.example.net", "localhost", 403),
        ("localhost:8000", "a b", 400),
    ] {
        assert_eq!(
            brought(true, host, forwarded, None),
            status,
            "{host} {forwarded}"
        );
    }
    // Of a stranger it counts for nothing.
    assert_eq!(brought(false, "localhost", "evil.example.net", None), 200);
    assert_eq!(brought(false, "evil.example.net", "localhost", None), 403);
}

#[test]
fn behind_a_proxy_the_own_origin_is_the_one_that_browsers_see() {
    let asked = |trusted, origin| {
        brought(
            trusted,
            "localhost:8000",
            "gateway.example.com",
            Some(origin),
        )
    };
    assert_eq!(asked(true, "https://gateway.example.com"), 200);
    assert_eq!(asked(false, "https://gateway.example.com"), 403);
    assert_eq!(asked(true, "https://evil.example.net"), 403);
}

#[test]
fn an_entry_that_cannot_be_read_is_named() {
    for host in ["https://a.example.com", "a b", "", "a.example.com/x"] {
        let error = Gate::new("localhost", &[host.to_owned()], &[]).unwrap_err();
        assert_eq!(error, GateError::Host(host.to_owned()));
    }
    for origin in [
        "app.example.com",
        "https://",
        "https://a.example.com/x",
        "*",
    ] {
        let error = Gate::new("localhost", &[], &[origin.to_owned()]).unwrap_err();
        assert_eq!(error, GateError::Origin(origin.to_owned()));
    }
}
