//! Pages in browsers that may call the gateway. A browser says of which origin a page is; other clients say nothing and are not
//! restricted by this.

use axum::http::{HeaderMap, header};
use std::sync::Arc;

/// The origins whose pages may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Pages of any origin. Tokens are sent by the page's own code and never by the browser, so that they alone decide.
    All,
    /// Pages on this machine, from a server or from a file.
    Local,
    Listed(Arc<[String]>),
}

impl Origins {
    /// `*`, or origins with commas between them.
    pub fn parse(text: &str) -> Option<Origins> {
        if text.trim() == "*" {
            return Some(Origins::All);
        }
        let listed: Option<Vec<String>> = text.split(',').map(|one| origin(one.trim())).collect();
        listed.map(|listed| Origins::Listed(listed.into()))
    }

    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Origins::All => true,
            Origins::Local => origin == "null" || host(origin).is_some_and(is_here),
            Origins::Listed(listed) => listed.iter().any(|one| one == origin),
        }
    }

    /// True for a page of the gateway itself, and for a client that names no origin.
    pub fn allow_upgrade(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        (own.is_some() && authority == own) || self.allow(origin)
    }
}

/// Scheme and authority as browsers send them: without a path, without the scheme's own port, other letters as `xn--`.
fn origin(text: &str) -> Option<String> {
    let text = text.strip_suffix(if text.starts_with("http:") { ":80" } else { ":443" }).unwrap_or(text);
    let (scheme, authority) = text.split_once("://").filter(|_| text.is_ascii())?;
    let whole =
        ["http", "https"].contains(&scheme) && !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ', '*']);
    whole.then(|| text.to_ascii_lowercase())
}

fn host(origin: &str) -> Option<&str> {
    let (_, authority) = origin.split_once("://")?;
    match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => Some(&authority[..colon]),
        _ => Some(authority),
    }
}

fn is_here(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        for wrong in
            ["", "portal.example", "https://portal.example/", "ftp://portal.example", "https://*.example", "https://a.example,"]
        {
            assert_eq!(Origins::parse(wrong), None, "{wrong}");
        }
        let listed = Origins::parse("https://portal.example, https://Desk.example:8443").expect("a list");
        assert!(listed.allow("https://portal.example") && listed.allow("https://desk.example:8443"));
        assert!(!listed.allow("https://portal.example:444") && !listed.allow("null") && !listed.allow("http://localhost:3000"));
        assert_eq!(Origins::parse("*"), Some(Origins::All));
        // Browsers leave a scheme's own port away.
        let ported = Origins::parse("https://portal.example:443,http://desk.example:80,http://desk.example:443").expect("a list");
        assert!(["https://portal.example", "http://desk.example", "http://desk.example:443"].iter().all(|one| ported.allow(one)));
        assert_eq!(Origins::parse("https://bücher.example"), None);
    }

    #[test]
    fn pages_on_this_machine_are_told_from_their_imitations() {
        for here in
            ["null", "http://localhost", "http://localhost:5173", "https://127.0.0.1:8443", "http://[::1]:3000", "http://[::1]"]
        {
            assert!(Origins::Local.allow(here), "{here}");
        }
        for elsewhere in ["https://localhost.example", "http://127.0.0.1.example:80", "http://192.168.0.1", "localhost"] {
            assert!(!Origins::Local.allow(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_page_of_the_gateway_itself_may_open_a_socket() {
        let asks = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "gateway.example".parse().expect("a header"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("a header"));
            }
            Origins::Listed(Arc::from(Vec::new())).allow_upgrade(&headers)
        };
        assert!(asks(None) && asks(Some("https://gateway.example")));
        assert!(!asks(Some("https://other.example")) && !asks(Some("null")));
    }
}
