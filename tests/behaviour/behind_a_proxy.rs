//! A proxy before the gateway is believed only if the operator named it.

use http::Method;

use crate::world::{FakeBackend, Gateway, eventually, gateway::HttpAnswer};

fn gateway(arguments: &[&str]) -> Gateway {
    let setup = Gateway::setup().provider("it", &FakeBackend::legacy().start());
    let setup = arguments.iter().fold(setup, |setup, it| setup.argument(it));
    setup.start()
}

async fn ask(gateway: &Gateway, headers: &[(&str, &str)]) -> HttpAnswer {
    let request = gateway.request(Method::GET, "/sessions");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    gateway.send(request).await
}

#[tokio::test]
async fn the_client_s_address_is_what_a_trusted_proxy_says() {
    let claims = [("x-forwarded-for", "198.51.100.66, 192.0.2.1, 10.0.0.7")];
    for (arguments, client) in [
        (
            &["--trusted-proxy=127.0.0.1", "--trusted-proxy=10.0.0.0/8"][..],
            "192.0.2.1",
        ),
        (&["--trusted-proxy=127.0.0.0/8,10.0.0.0/8"], "192.0.2.1"),
        (&["--trusted-proxy=127.0.0.1"], "10.0.0.7"),
        // Nobody is trusted, or somebody else.
        (&[], "127.0.0.1"),
        (&["--trusted-proxy=192.0.2.0/24"], "127.0.0.1"),
    ] {
        let gateway = gateway(arguments);
        assert_eq!(ask(&gateway, &claims).await.status, 200);
        let line = format!("client.address={client} ");
        eventually("the request's line", async || {
            gateway.logs().contains(&line)
        })
        .await;
        assert!(
            !gateway.logs().contains("198.51.100.66"),
            "what the client says of itself"
        );
    }
}

#[tokio::test]
async fn a_forwarded_host_opens_nothing_that_is_closed() {
    let trusting = gateway(&[
        "--trusted-proxy=127.0.0.1",
        "--allowed-host=mcp.example.com",
    ]);
    let strange = gateway(&["--allowed-host=mcp.example.com"]);
    for (headers, trusted, untrusted) in [
        (&[("x-forwarded-host", "mcp.example.com")][..], 200, 200),
        (&[("x-forwarded-host", "evil.example")], 403, 200),
        (
            &[("forwarded", "for=192.0.2.1;host=evil.example")],
            403,
            200,
        ),
        // A page that made the browser send it, straight to the gateway or through the proxy.
        (
            &[("host", "evil.example"), ("x-forwarded-host", "localhost")],
            403,
            403,
        ),
        (
            &[
                ("host", "evil.example"),
                ("x-forwarded-host", "mcp.example.com"),
            ],
            403,
            403,
        ),
        (
            &[
                ("x-forwarded-host", "mcp.example.com"),
                ("origin", "https://evil.example"),
            ],
            403,
            403,
        ),
        (
            &[
                ("x-forwarded-host", "mcp.example.com"),
                ("origin", "https://mcp.example.com"),
            ],
            200,
            403,
        ),
    ] {
        assert_eq!(ask(&trusting, headers).await.status, trusted, "{headers:?}");
        assert_eq!(
            ask(&strange, headers).await.status,
            untrusted,
            "{headers:?}"
        );
    }
}
