use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use server::secrets::Secrets;
use std::sync::LazyLock;

pub const ISSUER: &str = server::secrets::ISSUER;
pub const AUDIENCE: &str = "hestami";

/// One key for all tests.
pub static SECRETS: LazyLock<Secrets> = LazyLock::new(|| Secrets::load_or_make(&super::folder("keys")).expect("keys"));

/// Someone who can sign in.
#[derive(Debug, Clone)]
pub struct Person {
    pub subject: String,
    pub email: String,
    pub token: String,
}

/// A person with a token that is good for ten years.
pub fn person(name: &str) -> Person {
    let email = format!("{name}@example.com");
    let now = super::world::START + 60;
    let claims = server::secrets::claims(AUDIENCE, name, Some(&email), Some(name), now, 10 * 365 * 24 * 3_600);
    Person { subject: name.to_owned(), email, token: SECRETS.sign(&claims).expect("a token") }
}

impl Person {
    /// A token of the same person, by another key or with other claims.
    pub fn token_with(&self, header: &Header, key: &EncodingKey, change: impl FnOnce(&mut Value)) -> String {
        let now = super::world::START + 60;
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": self.subject, "email": self.email, "email_verified": true,
            "iat": now, "exp": now + 3_600,
        });
        change(&mut claims);
        jsonwebtoken::encode(header, &claims, key).expect("a token")
    }

    pub fn signed(&self, change: impl FnOnce(&mut Value)) -> String {
        let now = super::world::START + 60;
        let mut claims = server::secrets::claims(AUDIENCE, &self.subject, Some(&self.email), None, now, 3_600);
        change(&mut claims);
        SECRETS.sign(&claims).expect("a token")
    }
}

pub fn header(algorithm: Algorithm, kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) }
}
