//! What HTTP/2 says of a request that was not read; and that nobody but the gateway repeats one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason,
    server::{Connection, SendResponse},
};
use http::{Request, Response};
use http_body_util::Full;
use tokio::net::{TcpListener, TcpStream};

use crate::backend::{
    error::{BackendError, HttpError, Retry},
    transport::call_client::{CallBody, CallClient},
};

type Arrived<'a> = (
    &'a mut Connection<TcpStream, Bytes>,
    SendResponse<Bytes>,
    &'a mut Vec<SendResponse<Bytes>>,
);

/// A server that does this with each request; counts them.
async fn serve(end: fn(Arrived<'_>)) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut held = Vec::new();
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_request, respond))) = connection.accept().await {
                    counted.fetch_add(1, Ordering::SeqCst);
                    end((&mut connection, respond, &mut held));
                }
            });
        }
    });
    (url, count)
}

async fn send(url: &str) -> Result<Response<CallBody>, HttpError> {
    let client = CallClient::of_http2(Duration::from_mins(1)).unwrap();
    let request = Request::post(url).body(Full::from("{}")).unwrap();
    client.send(Box::new(request)).await
}

async fn post(url: &str) -> BackendError {
    BackendError::instead_of_head(send(url).await.err().unwrap())
}

#[tokio::test]
async fn a_stream_that_was_refused_was_not_read() {
    let (url, count) =
        serve(|(_, mut respond, _)| respond.send_reset(Reason::REFUSED_STREAM)).await;
    let error = post(&url).await;
    assert!(matches!(error, BackendError::Unread), "{error}");
    assert_eq!(error.retry(), Retry::Always(None));
    assert_eq!(
        count.load(Ordering::SeqCst),
        1,
        "the HTTP client repeats nothing"
    );
}

#[tokio::test]
async fn a_stream_that_was_given_up_may_have_been_read() {
    let (url, count) =
        serve(|(_, mut respond, _)| respond.send_reset(Reason::INTERNAL_ERROR)).await;
    let error = post(&url).await;
    assert_eq!(error.retry(), Retry::IfRepeatable, "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_backend_took_before_it_went_away_may_have_been_carried_out() {
    let (url, count) = serve(|(connection, respond, held)| {
        held.push(respond);
        connection.abrupt_shutdown(Reason::NO_ERROR);
    })
    .await;
    let error = post(&url).await;
    assert_eq!(error.retry(), Retry::IfRepeatable, "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_began_cannot_be_taken_back() {
    let (url, count) = serve(|(_, mut respond, _)| {
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_reset(Reason::REFUSED_STREAM);
    })
    .await;
    let error = match send(&url).await {
        Ok(response) => {
            let mut body = response.into_body();
            BackendError::from_http(body.next().await.unwrap_err())
        }
        // The reset may overtake the head: then nothing has begun.
        Err(error) => BackendError::from_http(error),
    };
    assert_eq!(error.retry(), Retry::IfRepeatable, "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
