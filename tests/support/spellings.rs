//! The ways in which a secret may lie about: what a test looks for, and what a hostile backend writes.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

/// A secret in every encoding, each as it stands somewhere within something longer.
pub fn spellings(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let all = |one: fn(&u8) -> String| bytes.iter().map(one).collect::<String>().into_bytes();
    let json = serde_json::to_string(secret).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let mut spellings = vec![
        ("raw", bytes.to_vec()),
        ("JSON", json.clone().into_bytes()),
        ("JSON with slashes", json.replace('/', "\\/").into_bytes()),
        ("JSON in code points", all(|byte| format!("\\u{byte:04x}"))),
        ("hex", all(|byte| format!("{byte:02x}"))),
        ("HEX", all(|byte| format!("{byte:02X}"))),
        (
            "percent",
            percent_encode(bytes, NON_ALPHANUMERIC)
                .to_string()
                .into_bytes(),
        ),
        ("all percent", all(|byte| format!("%{byte:02X}"))),
        ("all Percent", all(|byte| format!("%{byte:02x}"))),
        (
            "UTF-16 LE",
            secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        (
            "UTF-16 BE",
            secret.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ),
        (
            "a list of numbers",
            bytes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
                .into_bytes(),
        ),
    ];
    for before in 0..3 {
        let inner = inner_base64(bytes, before);
        let url = inner.replace('+', "-").replace('/', "_");
        spellings.push(("base64", inner.into_bytes()));
        spellings.push(("base64url", url.into_bytes()));
    }
    spellings
}

/// What any base64 of a text holds that holds this with so many bytes before it.
fn inner_base64(bytes: &[u8], before: usize) -> String {
    let text = STANDARD_NO_PAD.encode([&vec![0; before][..], bytes].concat());
    text[(8 * before).div_ceil(6)..8 * (before + bytes.len()) / 6].to_owned()
}

/// Which of the secrets lies in some bytes, and how, if one does.
pub fn found(secrets: &[&str], bytes: &[u8]) -> Option<String> {
    secrets.iter().find_map(|secret| {
        spellings(secret).into_iter().find_map(|(how, spelled)| {
            let mut windows = bytes.windows(spelled.len());
            let found = windows.any(|window| window == spelled);
            found.then(|| format!("{secret} as {how}"))
        })
    })
}

#[test]
fn every_spelling_is_found() {
    let secret = r#"tok+5e2f/1c9a"8b"#;
    assert_eq!(found(&[secret], b"tok+5e2f/1c9a 8b"), None);
    for (how, spelled) in spellings(secret) {
        let text = [b"x ", &spelled[..], b" x"].concat();
        assert!(found(&["other", secret], &text).is_some(), "{how}");
    }
    for before in ["", "a", "ab", "Bearer "] {
        let text = STANDARD_NO_PAD.encode(format!("{before}{secret}z"));
        assert!(found(&[secret], text.as_bytes()).is_some(), "{before}");
    }
}
