//! Lists in pages: every page of every backend comes, in one that is the same each time.

use serde_json::{Value, json};

use crate::world::{Client, Pairing, Program, fake_backend::Script};

/// Each list's method, its member and the member that tells its entries apart.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("prompts/list", "prompts", "name"),
    ("resources/list", "resources", "uri"),
    (
        "resources/templates/list",
        "resourceTemplates",
        "uriTemplate",
    ),
];

/// Adds five entries of a prefix to each list.
fn with_five(mut script: Script, prefix: &str) -> Script {
    for number in 0..5 {
        let entry = format!("{prefix}{number}");
        script = script
            .tool_named(&entry)
            .prompt(&json!({"name": entry}).to_string())
            .resource(&json!({"uri": format!("{entry}:x"), "name": entry}).to_string())
            .template(
                &json!({"uriTemplate": format!("{entry}:{{id}}"), "name": entry}).to_string(),
            );
    }
    script
}

async fn keys(client: &Client, list: (&str, &str, &str)) -> Vec<String> {
    let (method, member, key) = list;
    let result = client.request(method, json!({})).await.result();
    assert_eq!(result.get("nextCursor"), None, "{method}");
    let entries = result[member].as_array().unwrap().iter();
    let keys = entries.map(|it| it[key].as_str().unwrap().to_owned());
    keys.collect()
}

#[tokio::test]
async fn all_pages_of_every_list_of_every_backend_come_in_order() {
    for pairing in Pairing::all() {
        let one = with_five(pairing.script().page_size(2), "z");
        let two = with_five(pairing.script().page_size(3), "a");
        let scripts = vec![("one", one), ("two", two)];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        for list in LISTS {
            let listed = keys(&world.client, list).await;
            let ends: Vec<&str> = listed
                .iter()
                .filter_map(|key| key.rsplit(['.', '/']).next())
                .map(|key| key.split(':').next().unwrap())
                .collect();
            let place = |end: &str| ends.iter().position(|it| *it == end).unwrap();
            for places in [
                ["z0", "z1", "z2", "z3", "z4"].map(place),
                ["a0", "a1", "a2", "a3", "a4"].map(place),
            ] {
                assert!(places.is_sorted(), "{listed:?}");
            }
            assert!(place("z4") < place("a0"), "{listed:?}");
            assert_eq!(keys(&world.client, list).await, listed, "another order");
        }
        let asked = world.backends[0].requests_of("tools/list");
        assert!(asked.iter().any(|it| it.params()["cursor"] == "page-6"));
    }
}

#[tokio::test]
async fn lists_without_an_end_are_cut_and_hide_no_other() {
    for pairing in Pairing::eras() {
        let scripts = vec![
            ("endless", pairing.script().endless_pages()),
            ("other", pairing.script()),
        ];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        for (list, first, last) in [
            (LISTS[0], "endless.tool_0", "other.ask"),
            (LISTS[1], "endless.prompt_0", "other.ask_prompt"),
            (LISTS[2], "endless://0", "ui://fake/widget"),
            (LISTS[3], "endless://0/{id}", "fake://items/{id}"),
        ] {
            let keys = keys(&world.client, list).await;
            let ends = (keys[0].as_str(), keys[keys.len() - 1].as_str());
            assert_eq!(ends, (first, last));
        }
        assert!(world.gateway.logs().contains("WARN"));
    }
}

#[tokio::test]
async fn two_thousand_tools_are_listed_in_order_and_called() {
    for pairing in Pairing::eras() {
        let mut script = pairing.script().without_tools().page_size(150);
        for number in 0..2000 {
            let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
            let tool = json!({
                "name": format!("tool_{number}"), "description": "One of many.",
                "inputSchema": schema,
            });
            script = script.tool(&tool.to_string());
        }
        let world = pairing.stand(script, Program::named("x")).await;
        let names = world.client.tool_names().await;
        let expected = (0..2000).map(|number| format!("it.tool_{number}"));
        assert!(names.iter().eq(&expected.collect::<Vec<_>>()));
        let echo = world.client.call("it.tool_1999", json!({"n": 1})).await;
        assert_eq!(echo.result()["structuredContent"]["n"], 1);
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_cursor_that_the_gateway_never_gave_is_refused() {
    for pairing in Pairing::eras() {
        let script = pairing.script().page_size(2);
        let world = pairing.stand(script, Program::named("x").lenient()).await;
        for (method, member, _) in LISTS {
            for cursor in [json!("page-1"), json!(""), json!(7)] {
                let refused = world
                    .client
                    .request(method, json!({"cursor": cursor}))
                    .await
                    .error();
                assert_eq!(refused.code, -32602, "{method} {cursor}");
                assert!(refused.message.contains("cursor"), "{refused:?}");
            }
            let params = json!({"cursor": Value::Null});
            let first = world.client.request(method, params).await.result();
            assert!(!first[member].as_array().unwrap().is_empty());
        }
    }
}
