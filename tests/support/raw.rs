//! A client that writes bytes as the test says, and nothing else.

pub mod frames;

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::within;

use frames::Frame;

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

    /// Sends more, as far as it is taken; gives whether the connection still stands.
    pub async fn send_some(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = self.stream.write_all(bytes.as_ref());
        let a_moment = Duration::from_millis(200);
        match tokio::time::timeout(a_moment, sent).await {
            Ok(sent) => sent.is_ok(),
            // The other side takes no more, and nothing is owed to it.
            Err(_) => true,
        }
    }

    /// Whether the other side, which is on this machine, has not closed the connection. What it sent before may still be on
    /// its way, and nothing of it is read to find out.
    pub fn is_held(&self) -> bool {
        let port = |address: SocketAddr| format!(":{:04X}", address.port());
        let here = port(self.stream.local_addr().unwrap());
        let there = port(self.stream.peer_addr().unwrap());
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        sockets.lines().any(|socket| {
            let fields: Vec<_> = socket.split_whitespace().collect();
            let is_its = fields[1].ends_with(&there) && fields[2].ends_with(&here);
            is_its && fields[3] == "01"
        })
    }

    /// Reads to the end, a reset included, and gives all that came.
    pub async fn rest_bytes(mut self) -> Vec<u8> {
        while self.read().await > 0 {}
        self.received
    }

    /// Waits for a frame of HTTP/2 that is wanted, of all that came so far or comes.
    pub async fn frame(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let mut frames = frames::read(&self.received);
            if let Some(found) = frames.iter().position(&wanted) {
                return frames.swap_remove(found);
            }
            assert!(self.read().await > 0, "it is not among {frames:?}");
        }
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
    pub async fn rest(self) -> String {
        String::from_utf8_lossy(&self.rest_bytes().await).into_owned()
    }

    /// The same, and the status of each response there was, for bodies without responses in them.
    pub async fn statuses(self) -> Vec<u16> {
        let text = self.rest().await;
        let responses = text.split("HTTP/1.1 ").skip(1);
        responses.map(|it| it[..3].parse().unwrap()).collect()
    }

    async fn read(&mut self) -> usize {
        let read = self.stream.read_buf(&mut self.received);
        // A reset is an end like any other here.
        within("bytes or the end", read).await.unwrap_or(0)
    }
}
