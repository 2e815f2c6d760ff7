//! TLS before HTTP: a handshake that is never finished has an end of its own.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::front::tls::CertificateFiles;

/// The first bytes of a client's greeting, of which the rest never comes.
const BEGUN: &[u8] = b"\x16\x03\x01\x02\x00";

struct Encrypted {
    _directory: TempDir,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

/// Serves over TLS, whatever is asked.
async fn encrypted(bounds: ServerBounds) -> Encrypted {
    let directory = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let files = CertificateFiles {
        certificate: directory.path().join("cert.pem"),
        key: directory.path().join("key.pem"),
    };
    let certificate = params.self_signed(&key).unwrap().pem();
    fs::write(&files.certificate, certificate).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let entrance = Entrance {
        listener,
        certificates: Some(Certificates::read(files).unwrap()),
        proxies: TrustedProxies::default(),
        bounds,
        settling: Settling {
            lanes: Lanes::here(),
            steer: None,
            within: NEVER,
        },
    };
    let (stop, stopped) = oneshot::channel();
    let ending = Ending {
        stop: async { stopped.await.unwrap() },
        hurry: || {},
    };
    let service = service_fn(|_: Request<Incoming>| async { Ok("served".into_response()) });
    Encrypted {
        _directory: directory,
        address,
        stop,
        ended: tokio::spawn(serve(entrance, service, ending)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_not_finished_is_given_up() {
    // No other deadline ends it.
    let served = encrypted(bounds()).await;
    for begun in [&b""[..], BEGUN] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        let started = Instant::now();
        let ended = timeout(HANDSHAKE_WITHIN * 100, stream.read_to_end(&mut Vec::new())).await;
        // Told why, or cut: it is over.
        drop(ended.expect("it is held for ever"));
        let lasted = started.elapsed();
        assert!(lasted < HANDSHAKE_WITHIN * 2, "{lasted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_does_not_hold_up_the_end() {
    let served = encrypted(ServerBounds {
        drain_within: NEVER,
        ..bounds()
    })
    .await;
    let mut streams = Vec::new();
    for begun in [&b""[..], BEGUN] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        streams.push(stream);
    }
    let started = Instant::now();
    served.stop.send(()).unwrap();
    let drained = served.ended.await.unwrap();
    let lasted = started.elapsed();
    assert_eq!(drained, Drained { cut: 0 });
    assert!(lasted < HANDSHAKE_WITHIN / 2, "{lasted:?}");
}
