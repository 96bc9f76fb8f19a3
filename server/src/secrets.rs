//! Development keys, made on first start and readable by their owner only. None is ever in the repository.

use crate::Fault;
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// The issuer of development tokens.
pub const ISSUER: &str = "https://hestami.localhost";
const KEY_ID: &str = "development";

#[derive(Serialize, Deserialize)]
pub struct Secrets {
    pub database_password: String,
    pub fingerprint_key: String,
    /// PKCS #8, hexadecimal.
    signing_key: String,
}

impl Secrets {
    pub fn load_or_make(folder: &Path) -> Result<Secrets, Fault> {
        let path = folder.join("secrets.json");
        if path.exists() {
            return Self::load(folder);
        }
        let seed: [u8; 32] = random()?;
        let key = SigningKey::from_bytes(&seed);
        let secrets = Secrets {
            database_password: hex(&random::<24>()?),
            fingerprint_key: hex(&random::<32>()?),
            signing_key: hex(key.to_pkcs8_der()?.as_bytes()),
        };
        // The file appears whole or not at all.
        let fresh = folder.join("secrets.json.new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(&secrets)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        Ok(secrets)
    }

    pub fn load(folder: &Path) -> Result<Secrets, Fault> {
        let path = folder.join("secrets.json");
        let text =
            fs::read(&path).map_err(|problem| format!("{}: {problem}; start `hestami serve` once first", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    fn signing_key(&self) -> Result<SigningKey, Fault> {
        Ok(SigningKey::from_pkcs8_der(&unhex(&self.signing_key)?)?)
    }

    /// The public half of the signing key, by which tokens are checked.
    pub fn jwks(&self) -> Result<Value, Fault> {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let public = URL_SAFE_NO_PAD.encode(self.signing_key()?.verifying_key().as_bytes());
        Ok(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY_ID, "x": public }] }))
    }

    pub fn sign(&self, claims: &Value) -> Result<String, Fault> {
        self.sign_with(Header::new(Algorithm::EdDSA), claims)
    }

    /// A token with this header, besides the name of the key.
    pub fn sign_with(&self, header: Header, claims: &Value) -> Result<String, Fault> {
        let key = EncodingKey::from_ed_der(&unhex(&self.signing_key)?);
        Ok(jsonwebtoken::encode(&Header { kid: Some(KEY_ID.into()), ..header }, claims, &key)?)
    }
}

/// The claims of a development token.
pub fn claims(audience: &str, subject: &str, email: Option<&str>, name: Option<&str>, now: i64, lifetime: i64) -> Value {
    let mut claims = json!({ "iss": ISSUER, "aud": audience, "sub": subject, "iat": now, "exp": now + lifetime });
    if let Some(email) = email {
        claims["email"] = email.into();
        claims["email_verified"] = true.into();
    }
    if let Some(name) = name {
        claims["name"] = name.into();
    }
    claims
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Fault> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err("secrets.json is damaged".into());
    }
    (0..text.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&text[at..at + 2], 16)?)).collect()
}
