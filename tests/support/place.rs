//! A port that is ours for as long as a test wants, whether or not somebody listens there.

use std::{io, net::SocketAddr};

use tokio::net::TcpSocket;

/// Bound but never listening: keeps the port from being given to somebody else, who would have it or be at the other
/// end of a connection to it while nobody of ours listens.
pub struct Place {
    _held: TcpSocket,
    address: SocketAddr,
}

impl Place {
    /// A port of the loopback that was free.
    pub fn new() -> Self {
        let held = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = held.local_addr().unwrap();
        Self {
            _held: held,
            address,
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A socket for an address that a [`Place`] holds, or for one of no particular port.
pub fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
