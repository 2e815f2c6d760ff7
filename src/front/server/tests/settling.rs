//! On which lane a connection is served.

use std::thread;

use super::*;

struct Lanely {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
    /// Each request that is not answered has a clone.
    held: Arc<()>,
}

/// Two lanes, of which the first is best for `/there` and `/stuck`; each request is told which one it met.
async fn lanely(within: Duration) -> Lanely {
    let lanes = Lanes::begin(2).unwrap();
    let favoured = lanes.settle(ready(())).await.0;
    let steer: Steer = Arc::new(move |begin| {
        let is_best = begin.starts_with(b"POST /there ") || begin.starts_with(b"POST /stuck ");
        is_best.then_some(favoured)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let entrance = Entrance {
        listener,
        certificates: None,
        proxies: TrustedProxies::default(),
        bounds: ServerBounds {
            drain_within: SOON,
            ..bounds()
        },
        settling: Settling {
            lanes,
            steer: Some(steer),
            within,
        },
    };
    let (stop, stopped) = oneshot::channel();
    let ending = Ending {
        stop: async { stopped.await.unwrap() },
        hurry: || {},
    };
    let held = Arc::new(());
    let holds = Arc::clone(&held);
    let service = service_fn(move |request: Request<Incoming>| {
        let held = Arc::clone(&holds);
        async move {
            let name = thread::current().name().unwrap_or_default().to_owned();
            if request.uri().path() == "/stuck" {
                pending::<()>().await;
            }
            drop(held);
            Ok(format!("<{name}>").into_response())
        }
    });
    let ended = tokio::spawn(serve(entrance, service, ending));
    Lanely {
        address,
        stop,
        ended,
        held,
    }
}

fn request(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
}

/// The lane that answers the next request, whose connection stays open.
async fn answering(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let told = text
            .split_once('<')
            .and_then(|(_, told)| told.split_once('>'));
        if let Some((lane, _)) = told {
            return lane.to_owned();
        }
        let mut bytes = [0; 1024];
        let read = timeout(NEVER, stream.read(&mut bytes)).await.unwrap();
        text.push_str(str::from_utf8(&bytes[..read.unwrap()]).unwrap());
    }
}

#[tokio::test]
async fn a_connection_is_brought_to_the_lane_that_its_first_request_is_for() {
    let lanely = lanely(NEVER).await;
    // Whoever's turn it is, and though the place of the one before may not be free yet.
    for _ in 0..2 {
        let mut stream = connect(lanely.address, &request("/there")).await;
        assert_eq!(answering(&mut stream).await, "lane 0");
        stream
            .write_all(request("/elsewhere").as_bytes())
            .await
            .unwrap();
        assert_eq!(answering(&mut stream).await, "lane 0", "to its end");
    }
}

#[tokio::test]
async fn no_lane_has_all_connections_though_all_want_it() {
    let lanely = lanely(NEVER).await;
    let (mut crowd, mut served) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        let mut stream = connect(lanely.address, &request("/there")).await;
        served.push(answering(&mut stream).await);
        crowd.push(stream);
    }
    let there = served.iter().filter(|lane| *lane == "lane 0").count();
    assert!((4..=5).contains(&there), "{served:?}");
}

#[tokio::test]
async fn a_connection_stays_where_it_is_whose_client_is_slow_or_says_nothing_known() {
    let lanely = lanely(Duration::from_millis(10)).await;
    let mut silent = connect(lanely.address, "").await;
    let mut slow = connect(lanely.address, "POST /th").await;
    tokio::time::sleep(SOON).await;
    silent
        .write_all(request("/there").as_bytes())
        .await
        .unwrap();
    slow.write_all(&request("/there").as_bytes()["POST /th".len()..])
        .await
        .unwrap();
    let lanes = [answering(&mut silent).await, answering(&mut slow).await];
    assert_ne!(lanes[0], lanes[1], "as many on each");
}

#[tokio::test]
async fn what_is_cut_on_another_lane_is_gone_when_serving_has_ended() {
    let lanely = lanely(NEVER).await;
    // Of two one is on the other lane, whoever's turn it is.
    let mut stuck = connect(lanely.address, &request("/stuck")).await;
    let mut other = connect(lanely.address, &request("/stuck")).await;
    tokio::time::sleep(SOON).await;
    lanely.stop.send(()).unwrap();
    assert_eq!(lanely.ended.await.unwrap(), Drained { cut: 2 });
    assert_eq!(Arc::strong_count(&lanely.held), 1, "nothing is left");
    for stream in [&mut stuck, &mut other] {
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
}
