//! Connections as a client sees them, over real sockets.

mod ending;
mod handshake;
mod lengths;
mod settling;

use std::{
    future::{pending, ready},
    net::SocketAddr,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::JoinHandle,
    time::Instant,
};
use warp::{Filter, reply::Reply};

use super::*;
use crate::front::{self, admission::Admission, fixture, origin::Gate, via::Via};
use crate::lanes::Lanes;

/// Long enough for a busy machine, short enough for a test.
const SOON: Duration = Duration::from_millis(300);
/// The same where somebody who means well must be quicker.
const LATER: Duration = Duration::from_secs(1);
/// Nothing that is expected takes this long.
const NEVER: Duration = Duration::from_mins(2);

struct Served {
    _directory: tempfile::TempDir,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

/// Serves the front's routes, one that answers when it is hurried, and one that never does.
async fn served(bounds: ServerBounds) -> Served {
    served_to(bounds, TrustedProxies::default()).await
}

async fn served_to(bounds: ServerBounds, proxies: TrustedProxies) -> Served {
    served_from(ready(()), bounds, proxies).await
}

/// Accepts nobody until `opening` is over.
async fn served_from(
    opening: impl Future<Output = ()> + Send + 'static,
    bounds: ServerBounds,
    proxies: TrustedProxies,
) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gate = Gate::new("127.0.0.1", &[], &[]).unwrap();
    let hurried = CancellationToken::new();
    let hurry = hurried.clone();
    let hang = warp::path!("hang").then(move || {
        let hurried = hurried.clone();
        async move {
            hurried.cancelled().await;
            "hurried".into_response()
        }
    });
    let stuck = warp::path!("stuck").then(pending::<Response>);
    let whoami = warp::path!("whoami")
        .and(warp::ext::get::<Via>())
        .map(|via: Via| format!("{} {}", via.address, via.base_url().unwrap()).into_response());
    let (state, directory) = fixture::state().await;
    let mcp = fixture::mcp().or(hang).unify().or(stuck).unify();
    let mcp = mcp.or(whoami).unify();
    let admission = Admission::new(state.callers.clone(), None, state.audit.clone());
    let metrics = state.sessions.metrics().clone();
    let service = front::service(gate, admission, front::routes(state, mcp), &metrics);
    let (stop, stopped) = oneshot::channel();
    let entrance = Entrance {
        listener,
        certificates: None,
        proxies,
        bounds,
        settling: Settling {
            lanes: Lanes::here(),
            steer: None,
            within: NEVER,
        },
    };
    let ending = Ending {
        stop: async {
            stopped.await.unwrap();
        },
        hurry: move || hurry.cancel(),
    };
    let ended = tokio::spawn(async {
        opening.await;
        serve(entrance, service, ending).await
    });
    Served {
        _directory: directory,
        address,
        stop,
        ended,
    }
}

fn bounds() -> ServerBounds {
    ServerBounds {
        headers_within: NEVER,
        idle_max: NEVER,
        ..ServerBounds::default()
    }
}

async fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end like any other here.
    let _ = timeout(NEVER, stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

async fn ask(address: SocketAddr, request: &str) -> String {
    rest(connect(address, request).await).await
}

#[tokio::test]
async fn a_request_is_answered_with_the_headers_every_answer_has() {
    let served = served(bounds()).await;
    for (path, status) in [("/healthz", "200 OK"), ("/nothing", "404 Not Found")] {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = ask(served.address, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert!(
            answer.contains("x-content-type-options: nosniff\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("content-security-policy: default-src 'none';"),
            "{answer}"
        );
        assert!(
            answer.contains("referrer-policy: no-referrer\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn no_route_is_open_to_a_foreign_host_or_origin() {
    let served = served(bounds()).await;
    for route in front::api::ROUTES {
        for headers in [
            "host: evil.example.net",
            "host: localhost\r\norigin: https://evil.example.net",
            "host: localhost\r\norigin: null",
        ] {
            let request = format!(
                "GET {} HTTP/1.1\r\n{headers}\r\nconnection: close\r\n\r\n",
                route.template
            );
            let answer = ask(served.address, &request).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{request}{answer}");
            assert!(answer.contains("application/problem+json"), "{answer}");
            assert!(!answer.contains("access-control"), "{answer}");
        }
    }
    let nobody = "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n";
    assert!(
        ask(served.address, nobody)
            .await
            .starts_with("HTTP/1.1 400")
    );
}

#[tokio::test]
async fn what_has_no_path_is_no_route() {
    let served = served(bounds()).await;
    for line in ["OPTIONS * HTTP/1.1", "CONNECT localhost:80 HTTP/1.1"] {
        let request = format!("{line}\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = ask(served.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{line}: {answer}");
    }
}

#[tokio::test]
async fn a_route_knows_the_way_of_a_request() {
    let served = served(bounds()).await;
    let request = "GET /whoami HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let stream = connect(served.address, request).await;
    let answer = rest(stream).await;
    assert!(answer.ends_with("127.0.0.1 http://localhost"), "{answer}");
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_headers_is_cut() {
    let bounds = ServerBounds {
        headers_within: SOON,
        idle_max: SOON,
        ..bounds()
    };
    let served = served(bounds).await;
    // Nothing; what could become HTTP/2; the first half of HTTP/1 headers; half of a second
    // request; half of HTTP/2.
    for text in [
        "",
        "PRI * HT",
        "GET /healthz HTTP/1.1\r\nhost: local",
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /hea",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let started = Instant::now();
        ask(served.address, text).await;
        let lasted = started.elapsed();
        assert!(lasted >= SOON && lasted < NEVER / 2, "{text:?}: {lasted:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let served = served(ServerBounds {
        connections_max: 1,
        write_stall_max: SOON,
        ..bounds()
    })
    .await;
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // More answers than the kernel's buffers hold.
    let stream = connect(served.address, &request.repeat(32)).await;
    // Its place is free for another one only when it has been cut.
    let next = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = ask(served.address, next).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let received = rest(stream).await.len();
    assert!(received < 32 * 1024 * 1024, "{received}");
}

#[tokio::test]
async fn headers_beyond_the_bound_are_refused() {
    let served = served(bounds()).await;
    let long = format!(
        "GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
        "x".repeat(70_000)
    );
    let answer = ask(served.address, &long).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let many = format!(
        "GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n",
        "x: y\r\n".repeat(200)
    );
    let answer = ask(served.address, &many).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let served = served(ServerBounds {
        connections_max: 1,
        ..bounds()
    })
    .await;
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let first = connect(served.address, "").await;
    let mut second = connect(served.address, request).await;
    let waiting = timeout(SOON, second.read_u8()).await;
    assert!(waiting.is_err(), "{waiting:?}");
    drop(first);
    let answer = rest(second).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_and_a_busy_one_is_not() {
    let served = served(ServerBounds {
        idle_max: LATER,
        ..bounds()
    })
    .await;
    let hang = "GET /hang HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut busy = connect(served.address, hang).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for _ in 0..2 {
        let answer = ask(served.address, request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let still_open = timeout(SOON, busy.read_u8()).await;
    assert!(still_open.is_err(), "{still_open:?}");
}

#[tokio::test]
async fn a_later_request_has_its_own_time_for_its_headers() {
    let served = served(ServerBounds {
        headers_within: LATER,
        ..bounds()
    })
    .await;
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut stream = connect(served.address, request).await;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // It may be idle for longer than headers may take.
    sleep(LATER * 3 / 2).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhos")
        .await
        .unwrap();
    let answers = rest(stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{answers}");
}

#[tokio::test]
async fn an_address_that_has_all_its_connections_is_told_so() {
    let bounds = ServerBounds {
        connections_max: 3,
        connections_per_address_max: 1,
        ..bounds()
    };
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let served = served(bounds).await;
    let first = connect(served.address, "").await;
    for _ in 0..5 {
        let answer = ask(served.address, request).await;
        assert!(answer.starts_with("HTTP/1.1 503 Service"), "{answer}");
        assert!(answer.contains("retry-after: 5\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], 503);
    }
    drop(first);
    let again = async {
        while !ask(served.address, request)
            .await
            .starts_with("HTTP/1.1 200")
        {}
    };
    timeout(NEVER, again).await.unwrap();
    let trusted = TrustedProxies::new(vec!["127.0.0.1/32".parse().unwrap()]);
    let served = served_to(bounds, trusted).await;
    let _first = connect(served.address, "").await;
    let answer = ask(served.address, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "a proxy is many: {answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_accept_that_fails_is_waited_out_unless_the_client_was_at_fault() {
    let gone = io::Error::from(io::ErrorKind::ConnectionAborted);
    let started = Instant::now();
    back_off(&gone).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    back_off(&io::Error::other("too many open files")).await;
    assert!(started.elapsed() >= ACCEPT_BACKOFF);
}
