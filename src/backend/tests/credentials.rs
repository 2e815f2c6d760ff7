//! Which credential and which headers a backend gets, with each request.

use mockito::{Matcher, Mock};

use super::{
    asking::{PRESET, until},
    mocked::Answers,
    world::World,
};

/// Sends one message of every kind, each of which must have these headers.
async fn carries(fields: &[&str], credential: Option<&str>, headers: &[(&str, &str)]) {
    let mut world = World::with(fields, credential).await;
    let with_headers = |mock: Mock| {
        let mock = headers.iter().fold(mock, |mock, (name, value)| {
            let value = match *value {
                "" => Matcher::Missing,
                value => Matcher::from(value),
            };
            mock.match_header(*name, value)
        });
        mock.expect(1).create()
    };
    let mocks = [
        with_headers(world.on("server/discover").with_status(404)),
        with_headers(world.opens("first")),
        with_headers(world.on("notifications/initialized").with_status(202)),
        with_headers(world.on("tools/call").result("{}")),
        with_headers(world.on_http("DELETE")),
    ];
    world.connect().await.unwrap();
    assert_eq!(world.pay().await.result(), "{}", "{headers:?}");
    world.backend.close();
    until(async || mocks.iter().all(Mock::matched)).await;
}

#[tokio::test]
async fn a_bearer_token_travels_in_authorization() {
    let headers = [("authorization", "Bearer t0k"), ("x-api-key", "")];
    carries(&["auth: { type: bearer }"], Some("t0k"), &headers).await;
}

#[tokio::test]
async fn an_api_key_travels_in_its_header() {
    let headers = [("x-api-key", "k3y"), ("authorization", "")];
    carries(&["auth: { type: api_key }"], Some("k3y"), &headers).await;
    let named = "auth: { type: api_key, header: x-shop-key }";
    let headers = [("x-shop-key", "k3y"), ("x-api-key", "")];
    carries(&[named], Some("k3y"), &headers).await;
}

#[tokio::test]
async fn a_session_that_brings_none_uses_the_registrys_credential() {
    let bearer = format!("Bearer {PRESET}");
    let headers = [("authorization", bearer.as_str())];
    carries(
        &["auth: { type: bearer, default: env:PRESET }"],
        None,
        &headers,
    )
    .await;
    let headers = [("x-api-key", PRESET)];
    carries(
        &["auth: { type: api_key, default: env:PRESET }"],
        None,
        &headers,
    )
    .await;
}

#[tokio::test]
async fn a_sessions_own_credential_wins_over_the_registrys() {
    let headers = [("x-api-key", "k3y")];
    let auth = "auth: { type: api_key, default: env:PRESET }";
    carries(&[auth], Some("k3y"), &headers).await;
}

#[tokio::test]
async fn nothing_is_sent_where_nobody_has_a_credential() {
    let headers = [("authorization", ""), ("x-api-key", "")];
    let auth = "auth: { type: bearer, required: false }";
    carries(&[auth], None, &headers).await;
    carries(&["auth: { type: none }"], Some("stray"), &headers).await;
}

#[tokio::test]
async fn headers_of_the_registry_are_sent_beside_the_credential() {
    let headers = [
        ("x-team", "search"),
        ("x-read-only", "true"),
        ("authorization", "Bearer t0k"),
    ];
    let fields = [
        "auth: { type: bearer }",
        "headers: { x-team: search, x-read-only: \"true\" }",
    ];
    carries(&fields, Some("t0k"), &headers).await;
}

const SECRET: &str = "s3cr3t-9c4e";

/// Answers that repeat the credential wherever one could stand.
fn quoting() -> Vec<(usize, &'static str, String)> {
    let rpc = |id: &str, rest: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},{rest}}}"#);
    let error = format!(r#""error":{{"code":-32000,"message":"{SECRET}"}}"#);
    let mut answers: Vec<_> = [401, 403, 429, 503, 502, 504]
        .map(|status| (status, "application/json", rpc("$ID", &error)))
        .into();
    answers.extend([
        (302, "text/plain", SECRET.to_owned()),
        (500, "text/plain", SECRET.to_owned()),
        (
            500,
            "application/json",
            format!(r#"{{"error":"{SECRET}"}}"#),
        ),
        (200, "text/html", format!("<p>{SECRET}</p>")),
        (200, "text/plain", SECRET.to_owned()),
        (200, "application/json", format!("{{{SECRET}")),
        (200, "application/json", rpc(&format!("{SECRET:?}"), &error)),
        (200, "text/event-stream", format!("data: {SECRET}\n\n")),
    ]);
    answers
}

fn quotes(mock: Mock, (status, media_type, body): &(usize, &str, String)) -> Mock {
    mock.text(media_type, body)
        .with_status(*status)
        .with_header("location", &format!("/{SECRET}"))
        .with_header("www-authenticate", SECRET)
        .with_header("retry-after", "31")
        .create()
}

#[tokio::test]
async fn no_error_repeats_a_credential() {
    for answer in quoting() {
        let mut world = World::with(&["auth: { type: bearer }"], Some(SECRET)).await;
        quotes(world.on_http("POST"), &answer);
        let failure = world.connect().await.unwrap_err();
        let said = format!(
            "{failure} {failure:?} {:?}",
            world.describe().await.last_error
        );
        assert!(!said.contains(SECRET), "{answer:?}: {said}");

        let mut world = World::with(&["auth: { type: bearer }"], Some(SECRET)).await;
        world.is_legacy();
        quotes(world.on("tools/call"), &answer);
        world.connect().await.unwrap();
        let failure = world.pay().await.failure();
        let said = format!(
            "{failure} {failure:?} {:?}",
            world.describe().await.last_error
        );
        assert!(!said.contains(SECRET), "{answer:?}: {said}");
    }
}
