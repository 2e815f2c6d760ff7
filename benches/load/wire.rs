//! One keep-alive HTTP/1.1 connection of the load.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::fault::Fault;

/// Opens itself on first use, and again when the server has closed it.
#[derive(Debug)]
pub(crate) struct Wire {
    authority: String,
    sender: Option<SendRequest<Full<Bytes>>>,
    lost: u64,
}

impl Wire {
    pub(crate) fn new(authority: String) -> Self {
        Self {
            authority,
            sender: None,
            lost: 0,
        }
    }

    /// How often the server closed the connection between two exchanges.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Closes the connection, so that nothing of an abandoned exchange meets the next one.
    pub(crate) fn cut(&mut self) {
        self.sender = None;
    }

    /// Sends one request and reads its whole answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Fault> {
        let sender = self.ready().await?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    async fn ready(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Fault> {
        let mut kept = self.sender.take();
        if let Some(sender) = &mut kept
            && sender.ready().await.is_err()
        {
            self.lost += 1;
            kept = None;
        }
        let open = if let Some(sender) = kept {
            sender
        } else {
            connect(&self.authority).await?
        };
        Ok(self.sender.insert(open))
    }
}

async fn connect(authority: &str) -> Result<SendRequest<Full<Bytes>>, Fault> {
    let fault = |source| Fault::Connect {
        authority: authority.to_owned(),
        source,
    };
    let stream = TcpStream::connect(authority).await.map_err(fault)?;
    stream.set_nodelay(true).map_err(fault)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its error reaches the exchange under way through `sender`; between exchanges it only means "closed".
    tokio::spawn(connection);
    Ok(sender)
}
