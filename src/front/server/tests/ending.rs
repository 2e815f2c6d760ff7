//! The end of serving: who may still finish, and who is not waited for.

use super::*;

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn requests_of_connections_that_still_queue_are_answered() {
    let (open, opened) = oneshot::channel::<()>();
    let opening = async { opened.await.unwrap() };
    let served = served_from(opening, bounds(), TrustedProxies::default()).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(connect(served.address, GET).await);
    }
    // It is told to stop before it has accepted one.
    served.stop.send(()).unwrap();
    open.send(()).unwrap();
    for stream in streams {
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    assert_eq!(served.ended.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn a_request_that_crosses_with_the_end_is_answered() {
    // What a machine takes too long for, it may do at the next attempt.
    for _ in 0..50 {
        let served = served(bounds()).await;
        let mut stream = connect(served.address, GET).await;
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        served.stop.send(()).unwrap();
        while TcpStream::connect(served.address).await.is_ok() {}
        if stream.write_all(GET.as_bytes()).await.is_err() {
            continue;
        }
        let answers = rest(stream).await;
        assert_eq!(served.ended.await.unwrap(), Drained { cut: 0 });
        if let Some((_, second)) = answers.split_once("HTTP/1.1 200") {
            assert!(second.contains("connection: close\r\n"), "{second}");
            return;
        }
    }
    panic!("each connection was closed at once");
}

#[tokio::test]
async fn a_request_in_flight_ends_before_the_server_does() {
    let served = served(ServerBounds {
        drain_within: NEVER,
        ..bounds()
    })
    .await;
    let head = "POST /create-session HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 21\r\nexpect: 100-continue\r\n\r\n";
    let mut stream = connect(served.address, head).await;
    // The handler runs: it has asked for the body.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    let idle = connect(served.address, "").await;
    served.stop.send(()).unwrap();
    assert_eq!(rest(idle).await, "");
    assert!(
        TcpStream::connect(served.address).await.is_err(),
        "no new connections"
    );
    stream.write_all(br#"{"servers": ["open"]}"#).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(served.ended.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn a_request_that_has_had_its_time_is_answered_and_one_that_cannot_be_is_cut() {
    let served = served(ServerBounds {
        drain_within: SOON,
        ..bounds()
    })
    .await;
    let hang = "GET /hang HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let hanging = connect(served.address, hang).await;
    let stuck = connect(served.address, &hang.replace("hang", "stuck")).await;
    let half = connect(served.address, "GET /healthz HTTP/1.1\r\nhost: lo").await;
    // Answered on a later connection: so the earlier ones have been accepted too.
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    ask(served.address, request).await;
    served.stop.send(()).unwrap();
    let drained = timeout(NEVER, served.ended).await.unwrap().unwrap();
    assert_eq!(rest(half).await, "");
    let answer = rest(hanging).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("hurried"), "{answer}");
    assert_eq!(rest(stuck).await, "");
    assert!(drained.cut > 0, "{drained:?}");
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_the_end() {
    let served = served(ServerBounds {
        drain_within: NEVER,
        ..bounds()
    })
    .await;
    let open = [
        "",
        "GET /healthz HTTP/1.1\r\nhost: lo",
        GET,
        &format!("{GET}GET /heal"),
    ];
    let mut streams = Vec::new();
    for text in open {
        streams.push(connect(served.address, text).await);
    }
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    ask(served.address, request).await;
    served.stop.send(()).unwrap();
    // Far less than the time to drain.
    let drained = timeout(NEVER / 2, served.ended).await.unwrap().unwrap();
    assert_eq!(drained, Drained { cut: 0 });
}
