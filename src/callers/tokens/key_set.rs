//! A JSON Web Key Set: the public keys of an authorization server, those that are of use here.
//!
//! Spec: RFC 7517.

use jsonwebtoken::{
    Algorithm, DecodingKey, Header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::limits::KEY_SET_KEYS_MAX;

/// The keys that signatures are checked with.
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Of the text it was read from.
    fingerprint: [u8; 32],
}

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    verifies: DecodingKey,
}

impl KeySet {
    /// Reads a set. Keys for other purposes, or of unknown kinds, are left out.
    ///
    /// # Errors
    ///
    /// When it is no key set at all.
    pub(super) fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(text)?;
        let keys = document.keys.into_iter().take(KEY_SET_KEYS_MAX);
        Ok(Self {
            // One by one: a key of a kind that is not known must not hide the others.
            keys: keys
                .filter_map(|key| Key::of(&serde_json::from_value(key).ok()?))
                .collect(),
            fingerprint: Sha256::digest(text).into(),
        })
    }

    /// How many of its keys are of use.
    pub(super) const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it was read from the same text.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// The key that a token names, for the algorithm that it names. A token that names none has the only one there is.
    pub(super) fn find(&self, header: &Header) -> Option<&DecodingKey> {
        let id = header.kid.as_deref();
        let mut fit = self.keys.iter().filter(|key| {
            key.algorithms.contains(&header.alg) && (id.is_none() || key.id.as_deref() == id)
        });
        let found = fit.next()?;
        (id.is_some() || fit.next().is_none()).then_some(&found.verifies)
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        let signs = match (&jwk.common.public_key_use, &jwk.common.key_operations) {
            (Some(purpose), _) => *purpose == PublicKeyUse::Signature,
            (None, Some(operations)) => operations.contains(&KeyOperations::Verify),
            (None, None) => true,
        };
        let kind: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => &[ES256],
                EllipticCurve::P384 => &[ES384],
                _ => &[],
            },
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                &[EdDSA]
            }
            _ => &[],
        };
        let meant = |algorithm: &Algorithm| {
            let named = jwk.common.key_algorithm;
            named.is_none_or(|named| {
                Algorithm::try_from(named).is_ok_and(|named| named == *algorithm)
            })
        };
        let algorithms: Vec<Algorithm> = kind.iter().copied().filter(meant).collect();
        if !signs || algorithms.is_empty() {
            return None;
        }
        Some(Self {
            id: jwk.common.key_id.clone(),
            algorithms,
            verifies: DecodingKey::from_jwk(jwk).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
    const Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";

    fn set(keys: &Value) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn p256(more: &[(&str, Value)]) -> Value {
        let mut key = json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y});
        for (name, value) in more {
            key[*name] = value.clone();
        }
        key
    }

    fn header(algorithm: Algorithm, id: Option<&str>) -> Header {
        let mut header = Header::new(algorithm);
        header.kid = id.map(str::to_owned);
        header
    }

    #[test]
    fn a_key_is_found_by_id_and_algorithm() {
        let set = set(&json!([
            p256(&[("kid", json!("a"))]),
            p256(&[("kid", json!("b"))])
        ]));
        assert!(set.find(&header(Algorithm::ES256, Some("a"))).is_some());
        for (algorithm, id) in [
            (Algorithm::ES256, Some("c")),
            (Algorithm::ES256, None),
            (Algorithm::ES384, Some("a")),
            (Algorithm::RS256, Some("a")),
            (Algorithm::HS256, Some("a")),
        ] {
            assert!(
                set.find(&header(algorithm, id)).is_none(),
                "{algorithm:?} {id:?}"
            );
        }
    }

    #[test]
    fn a_token_without_a_key_id_has_the_only_key_there_is() {
        let set = set(&json!([p256(&[])]));
        assert!(set.find(&header(Algorithm::ES256, None)).is_some());
        assert!(set.find(&header(Algorithm::ES256, Some("a"))).is_none());
    }

    #[test]
    fn keys_that_are_of_no_use_are_left_out() {
        let keys = json!([
            p256(&[("use", json!("enc"))]),
            p256(&[("key_ops", json!(["encrypt"]))]),
            p256(&[("alg", json!("ES384"))]),
            p256(&[("alg", json!("ECDH-ES"))]),
            {"kty": "oct", "k": "c2VjcmV0"},
            {"kty": "new", "z": 1},
            {"kty": "EC", "crv": "secp256k1", "x": X, "y": Y},
            7,
            p256(&[("use", json!("sig")), ("alg", json!("ES256"))]),
        ]);
        assert_eq!(set(&keys).len(), 1);
        assert_eq!(set(&json!([])).len(), 0);
        for text in ["", "[]", "{}", r#"{"keys": 1}"#] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
