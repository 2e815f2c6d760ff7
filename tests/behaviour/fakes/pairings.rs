//! Every pairing stands up, and each of the fakes speaks the revision it is to speak.

use serde_json::json;

use crate::world::{Pairing, Program, World};

#[tokio::test]
async fn every_pairing_stands_and_carries_a_call() {
    let pairings = Pairing::eras().into_iter().chain(Pairing::revisions());
    for pairing in pairings {
        let program = Program::named("x").capable();
        let world: World = pairing.stand(pairing.script(), program).await;
        let echo = world.client.call("it.echo", json!({"a": 1})).await;
        assert_eq!(echo.result()["structuredContent"], json!({"a": 1}));
        let is_modern = echo.result()["resultType"] == "complete";
        assert_eq!(is_modern, pairing.has_modern_client());
        let opened = world.backend.initializations() > 0;
        assert_eq!(opened, !pairing.has_modern_backend(), "{pairing}");
        let path = format!("/session/{}", world.session.id);
        assert_eq!(world.gateway.get(&path).await.status, 200);
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}
