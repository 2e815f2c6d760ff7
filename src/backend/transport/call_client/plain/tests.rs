use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{super::CallClient, *};
use crate::backend::transport::call_client::CallBody;

/// What a server does with a request.
#[derive(Clone, Copy)]
enum Act {
    /// Answers it.
    Answer,
    /// Answers it in two chunks.
    Chunks,
    /// Answers it and closes the connection, without a word of that.
    Last,
    /// Answers it, and says that it closes the connection.
    Farewell,
    /// Closes the connection.
    Break,
}

/// What a server met.
#[derive(Default)]
struct Met {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

impl Met {
    fn counts(&self) -> (usize, usize) {
        let count = |it: &AtomicUsize| it.load(Ordering::SeqCst);
        (count(&self.connections), count(&self.requests))
    }
}

/// A server that does this with one request after another, and answers all further ones.
async fn serve(acts: &'static [Act]) -> (String, Arc<Met>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp?a=1", listener.local_addr().unwrap());
    let met = Arc::<Met>::default();
    let meets = Arc::clone(&met);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            meets.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(converse(stream, acts, Arc::clone(&meets)));
        }
    });
    (url, met)
}

async fn converse(mut stream: TcpStream, acts: &[Act], meets: Arc<Met>) {
    let mut bytes = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut bytes).await {
        // Each request here ends with its body, which is these two bytes.
        if !bytes.ends_with(b"{}") {
            continue;
        }
        assert!(bytes.starts_with(b"POST /mcp?a=1 HTTP/1.1\r\n"));
        bytes.clear();
        let number = meets.requests.fetch_add(1, Ordering::SeqCst);
        let act = acts.get(number).copied().unwrap_or(Act::Answer);
        let answer = match act {
            Act::Break => return,
            Act::Chunks => "transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            Act::Farewell => "connection: close\r\ncontent-length: 5\r\n\r\nhello",
            Act::Answer | Act::Last => "content-length: 5\r\n\r\nhello",
        };
        let answer = format!("HTTP/1.1 200 OK\r\n{answer}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        if matches!(act, Act::Last | Act::Farewell) {
            return;
        }
    }
}

fn client() -> CallClient {
    CallClient::new(Duration::from_mins(1)).unwrap()
}

async fn send(client: &CallClient, url: &str) -> Result<CallBody, HttpError> {
    let request = Request::post(url)
        .header("host", "it")
        .body(Full::from("{}"));
    let response = client.send(Box::new(request.unwrap())).await?;
    assert_eq!(response.status(), 200);
    Ok(response.into_body())
}

async fn whole(mut body: CallBody) -> String {
    let mut whole = Vec::new();
    while let Some(bytes) = body.next().await.unwrap() {
        whole.extend_from_slice(&bytes);
    }
    String::from_utf8(whole).unwrap()
}

/// Waits until the server's end of a socket that waits here has arrived.
async fn closed(client: &CallClient) {
    let idle = &client.plain.as_ref().unwrap().idle;
    let is_over = |context: &mut Context<'_>| {
        let mut sockets = idle.0.sockets.get_mut(&lanes::current());
        // It may have arrived with the answer: then it does not wait at all.
        let Some(socket) = sockets.as_mut().and_then(|it| it.last_mut()) else {
            return Poll::Ready(());
        };
        socket.drive(context);
        if socket.has_ended() {
            return Poll::Ready(());
        }
        Poll::Pending
    };
    poll_fn(is_over).await;
}

#[tokio::test]
async fn one_socket_serves_one_call_after_another() {
    let (url, met) = serve(&[Act::Answer, Act::Chunks]).await;
    let client = client();
    for _ in 0..4 {
        let body = send(&client, &url).await.unwrap();
        assert_eq!(whole(body).await, "hello");
    }
    assert_eq!(met.counts(), (1, 4));
}

#[tokio::test]
async fn calls_at_once_have_a_socket_each() {
    let (url, met) = serve(&[]).await;
    let client = client();
    let (one, other) = (send(&client, &url).await, send(&client, &url).await);
    assert_eq!(whole(one.unwrap()).await, "hello");
    assert_eq!(whole(other.unwrap()).await, "hello");
    assert_eq!(met.counts(), (2, 2));
}

#[tokio::test]
async fn a_socket_that_was_closed_while_it_waited_is_not_used() {
    for acts in [&[Act::Last][..], &[Act::Farewell]] {
        let (url, met) = serve(acts).await;
        let client = client();
        assert_eq!(whole(send(&client, &url).await.unwrap()).await, "hello");
        if matches!(acts, [Act::Last]) {
            closed(&client).await;
        }
        assert_eq!(whole(send(&client, &url).await.unwrap()).await, "hello");
        assert_eq!(met.counts(), (2, 2), "and nothing is sent twice");
    }
}

#[tokio::test]
async fn what_was_written_is_not_sent_again_on_a_new_socket_or_a_used_one() {
    for acts in [&[Act::Break][..], &[Act::Answer, Act::Break]] {
        let (url, met) = serve(acts).await;
        let client = client();
        for _ in 1..acts.len() {
            assert_eq!(whole(send(&client, &url).await.unwrap()).await, "hello");
        }
        let error = send(&client, &url).await.err().unwrap();
        assert!(matches!(error, HttpError::Sending(_)), "{error:?}");
        assert_eq!(met.counts(), (1, acts.len()));
    }
}

#[tokio::test]
async fn an_answer_that_is_left_takes_its_socket_along() {
    let (url, met) = serve(&[]).await;
    let client = client();
    drop(send(&client, &url).await.unwrap());
    assert_eq!(whole(send(&client, &url).await.unwrap()).await, "hello");
    assert_eq!(met.counts(), (2, 2));
}

#[tokio::test]
async fn a_socket_that_waited_for_long_is_closed() {
    let (url, _met) = serve(&[]).await;
    let client = client();
    assert_eq!(whole(send(&client, &url).await.unwrap()).await, "hello");
    let idle = client.plain.as_ref().unwrap().idle.clone();
    assert!(!idle.is_empty());
    tokio::time::pause();
    sleep(POOL_IDLE_TIMEOUT * 2 + Duration::from_secs(1)).await;
    assert!(idle.is_empty() && !idle.0.is_tended.load(Ordering::Acquire));
}

#[tokio::test]
async fn a_socket_is_for_calls_of_the_lane_that_hears_from_it() {
    let (url, met) = serve(&[]).await;
    let client = client();
    let lanes = crate::lanes::Lanes::begin(2).unwrap();
    for _ in 0..2 {
        for place in [lanes.place(), lanes.place()] {
            let (client, url) = (client.clone(), url.clone());
            let sent = async move { whole(send(&client, &url).await.unwrap()).await };
            assert_eq!(place.handle().spawn(sent).await.unwrap(), "hello");
        }
    }
    assert_eq!(met.counts(), (2, 4));
}
