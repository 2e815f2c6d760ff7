//! What a connection gets whose address has all it may have: an answer, if that costs little.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use crate::front::problem::{PROBLEM_JSON, Problem};

/// Connections that are answered at a time; further ones are closed without a word.
const ANSWERED_AT_ONCE: usize = 64;
/// How long such an answer may take.
const WITHIN: Duration = Duration::from_secs(2);
/// When it may be worth trying again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Bytes of a request that are read, so that the client is not cut off before it reads its answer.
const DISCARDED_BYTES: usize = 256 * 1024;

/// Answers those who cannot come in.
#[derive(Debug, Clone)]
pub(super) struct TurningAway {
    answer: Arc<str>,
    turns: Arc<Semaphore>,
}

impl TurningAway {
    pub(super) fn new() -> Self {
        let problem = Problem::unavailable(
            "this address has all the connections to the gateway it may have; close some, keep \
             those you have open, or try again in a moment",
            RETRY_AFTER,
        );
        let body = problem.text();
        let answer = format!(
            "HTTP/1.1 {}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\n\
             retry-after: {}\r\nconnection: close\r\n\r\n{body}",
            problem.status(),
            body.len(),
            RETRY_AFTER.as_secs(),
        );
        Self {
            answer: answer.into(),
            turns: Arc::new(Semaphore::new(ANSWERED_AT_ONCE)),
        }
    }

    /// Answers in the background; closes the connection if it has no turn, or is encrypted: a handshake
    /// costs more than it is worth here.
    pub(super) fn turn_away(&self, mut stream: TcpStream, encrypted: bool) {
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
            return;
        };
        if encrypted {
            return;
        }
        let answer = Arc::clone(&self.answer);
        tokio::spawn(async move {
            let answered = async {
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await?;
                let mut discarded = [0; 4096];
                let mut left = DISCARDED_BYTES;
                while left > 0 {
                    match stream.read(&mut discarded).await? {
                        0 => break,
                        read => left = left.saturating_sub(read),
                    }
                }
                std::io::Result::Ok(())
            };
            // Whoever does not want the answer, or is slow, is gone all the same.
            let _gone = timeout(WITHIN, answered).await;
            drop(turn);
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::{net::TcpListener, time::Instant};

    use super::*;

    /// Both ends of a connection, the client's first.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    async fn told(mut client: TcpStream) -> String {
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn nobody_is_read_without_end() {
        let (mut client, ours) = pair().await;
        TurningAway::new().turn_away(ours, false);
        let (part, mut written) = ([b'x'; 4096], 0);
        while client.write_all(&part).await.is_ok() {
            written += part.len();
            // Far more than it reads, and the system holds for it.
            assert!(written < 16 * 1024 * 1024, "{written} bytes were read");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_answered_at_a_time_and_none_for_long() {
        let turning_away = TurningAway::new();
        let mut held = Vec::new();
        for _ in 0..ANSWERED_AT_ONCE {
            let (client, ours) = pair().await;
            turning_away.turn_away(ours, false);
            held.push(client);
        }
        let (client, ours) = pair().await;
        turning_away.turn_away(ours, false);
        assert_eq!(told(client).await, "", "there is no turn for it");
        // None of the others reads its answer or leaves; their turns come to an end all the same.
        let started = Instant::now();
        let all = u32::try_from(ANSWERED_AT_ONCE).unwrap();
        let free = turning_away.turns.acquire_many(all);
        let _free = timeout(WITHIN * 100, free).await.expect("a turn is held");
        let lasted = started.elapsed();
        assert!(lasted < WITHIN * 2, "{lasted:?}");
    }

    #[tokio::test]
    async fn who_would_shake_hands_is_told_nothing() {
        let (client, ours) = pair().await;
        TurningAway::new().turn_away(ours, true);
        assert_eq!(told(client).await, "");
    }
}
