//! An authorization server's keys, the tokens that it signs, and the address where its key set is.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use base64::engine::{Engine as _, general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A key that signs tokens.
pub struct SigningKey {
    id: String,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// A new key of the kind that ES256 takes.
    pub fn p256(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self::new(id, Pair::P256(pair))
    }

    /// A new key of the kind that RS256 takes.
    pub fn rsa(id: &str) -> Self {
        Self::new(
            id,
            Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        )
    }

    /// A new key of the kind that `EdDSA` takes.
    pub fn ed25519(id: &str) -> Self {
        Self::new(id, Pair::Ed25519(Ed25519KeyPair::generate().unwrap()))
    }

    fn new(id: &str, pair: Pair) -> Self {
        let id = id.to_owned();
        Self { id, pair }
    }

    /// The algorithm that it signs by.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::P256(_) => "ES256",
            Pair::Rsa(_) => "RS256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// Its public half, as a key set has it.
    pub fn public(&self) -> Value {
        let mut key = match &self.pair {
            Pair::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)})
            }
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encoded(&public.n), "e": encoded(&public.e)})
            }
            Pair::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref())})
            }
        };
        key["kid"] = self.id.as_str().into();
        key["use"] = "sig".into();
        key["alg"] = self.algorithm().into();
        key
    }

    /// The header of its tokens.
    pub fn header(&self) -> Value {
        json!({"typ": "JWT", "alg": self.algorithm(), "kid": self.id})
    }

    /// A token of these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.token_of(&self.header(), claims)
    }

    /// A token of this header and these claims, signed as this key signs whatever they say.
    pub fn token_of(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let signature = match &self.pair {
            Pair::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
                signature.as_ref().to_vec()
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    signed.as_bytes(),
                    &mut signature,
                )
                .unwrap();
                signature
            }
            Pair::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", encoded(&signature))
    }
}

/// A token's header and claims, without a signature.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| encoded(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// Base64 as tokens have it.
pub fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A key set, as text.
pub fn key_set(keys: &[&SigningKey]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
    json!({ "keys": keys }).to_string()
}

/// What the address of a key set answers.
#[derive(Clone)]
pub enum Served {
    /// This text, with status 200.
    Text(String),
    /// This status, and nothing.
    Status(u16),
    /// A redirect to another address.
    Elsewhere(String),
    /// Bytes without end.
    Endless,
}

/// An address where a key set is; it is there until the process ends.
pub struct KeySetAddress {
    address: SocketAddr,
    served: Arc<Mutex<Served>>,
    asked: Arc<AtomicUsize>,
}

impl KeySetAddress {
    /// Serves from now on.
    pub fn serving(served: Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(Mutex::new(served));
        let asked = Arc::<AtomicUsize>::default();
        let (now, count) = (Arc::clone(&served), Arc::clone(&asked));
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut request = [0; 4096];
                // Whoever leaves meanwhile is asked nothing further.
                let _gone = stream.read(&mut request);
                count.fetch_add(1, Ordering::SeqCst);
                let served = now.lock().unwrap().clone();
                let _gone = stream.write_all(head(&served).as_bytes());
                if let Served::Endless = served {
                    let blank = vec![b' '; 65536];
                    while stream.write_all(&blank).is_ok() {}
                }
            }
        });
        Self {
            address,
            served,
            asked,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    /// Serves something else.
    pub fn serve(&self, served: Served) {
        *self.served.lock().unwrap() = served;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn head(served: &Served) -> String {
    match served {
        Served::Text(text) => format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
            text.len()
        ),
        Served::Status(status) => {
            format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        Served::Elsewhere(url) => {
            format!(
                "HTTP/1.1 302 x\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
        }
        Served::Endless => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned(),
    }
}
