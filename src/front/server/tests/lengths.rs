//! A request that gives its length twice is refused for that, and not for what one of the two made of it.

use super::*;

/// As chunks, and as bytes: a session is what either would make of it.
const BODY: &str = "14\r\n{\"servers\":[\"open\"]}\r\n0\r\n\r\n";

async fn created(served: &Served, lengths: &str) -> String {
    let head =
        "POST /create-session HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let hidden = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    ask(
        served.address,
        &format!("{head}{lengths}\r\n{BODY}{hidden}"),
    )
    .await
}

#[tokio::test]
async fn a_body_that_would_be_right_is_refused_with_two_lengths() {
    let served = served(bounds()).await;
    let length = BODY.len();
    for lengths in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!("Transfer-Encoding: chunked\r\nCONTENT-LENGTH:{length}\r\n"),
        "transfer-encoding: chunked\r\ncontent-length: 0\r\n".to_owned(),
    ] {
        let answer = created(&served, &lengths).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{lengths}{answer}");
        assert!(answer.contains("no Content-Length"), "{lengths}{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{lengths}{answer}");
    }
    let chunked = created(&served, "transfer-encoding: chunked\r\n").await;
    assert!(chunked.starts_with("HTTP/1.1 201 "), "{chunked}");
    assert_eq!(chunked.matches("HTTP/1.1").count(), 1, "{chunked}");
}

#[tokio::test]
async fn a_later_request_on_a_connection_is_held_to_one_length_as_well() {
    let served = served(bounds()).await;
    let first = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let head =
        "POST /create-session HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let both = "transfer-encoding: chunked\r\ncontent-length: 1\r\n";
    let request = format!("{first}{head}{both}\r\n{BODY}");
    let answers = ask(served.address, &request).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 1, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 400 ").count(), 1, "{answers}");
    assert!(answers.contains("no Content-Length"), "{answers}");
}
