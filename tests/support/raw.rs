//! A client that writes bytes as the test says, and nothing else.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::within;

/// One connection.
pub struct Raw {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Raw {
    /// Connects and sends these bytes; the other side may hang up in the middle of them.
    pub async fn send_to(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut raw = Self {
            stream,
            received: Vec::new(),
        };
        raw.send(bytes).await;
        raw
    }

    /// Sends more; gives whether it could be sent.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = self.stream.write_all(bytes.as_ref());
        within("bytes to be taken", sent).await.is_ok()
    }

    /// Reads until what came has this in it, and gives all of it. Fails the test at the end.
    pub async fn until(&mut self, mark: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.received).into_owned();
            if text.contains(mark) {
                return text;
            }
            assert!(self.read().await > 0, "no {mark:?} in {text:?}");
        }
    }

    /// Reads to the end, a reset included, and gives all that came.
    pub async fn rest(mut self) -> String {
        while self.read().await > 0 {}
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// The same, and the status of each response there was, for bodies without responses in them.
    pub async fn statuses(self) -> Vec<u16> {
        let text = self.rest().await;
        let responses = text.split("HTTP/1.1 ").skip(1);
        responses.map(|it| it[..3].parse().unwrap()).collect()
    }

    async fn read(&mut self) -> usize {
        let mut buffer = [0; 16 * 1024];
        let read = within("bytes or the end", self.stream.read(&mut buffer)).await;
        // A reset is an end like any other here.
        let read = read.unwrap_or(0);
        self.received.extend_from_slice(&buffer[..read]);
        read
    }
}
