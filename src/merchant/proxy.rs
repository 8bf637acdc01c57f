//! The operator's own way out (`delivery.proxy`): an HTTP proxy that opens tunnels.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Position, Url};

/// Where the proxy is, and who asks it; credentials are never shown.
#[derive(Clone)]
pub struct Proxy {
    address: Uri,
    /// `user:password`.
    credentials: Option<SecretString>,
}

impl Proxy {
    /// Reads `http://host:port` or `http://user:password@host:port`; the error says which rule is
    /// broken, and never what was found.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "not the URL of an HTTP proxy";
        let url = Url::parse(text).map_err(|_| WRONG)?;
        if url.scheme() != "http" || !url.has_host() || url.port_or_known_default() == Some(0) {
            return Err(WRONG);
        }
        if &url[Position::BeforePath..] != "/" {
            return Err("the URL of a proxy has no path and no query");
        }
        let address = &url[Position::BeforeHost..Position::AfterPort];
        let address = format!("http://{address}/").parse().map_err(|_| WRONG)?;
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
        let anybody = url.username().is_empty() && url.password().is_none();
        let credentials = (!anybody).then(|| {
            let (user, password) = (url.username(), url.password().unwrap_or_default());
            SecretString::from(format!("{}:{}", decoded(user), decoded(password)))
        });
        Ok(Self { address, credentials })
    }

    /// What is dialled.
    pub(super) fn address(&self) -> Uri {
        self.address.clone()
    }

    /// The value of `Proxy-Authorization`.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let encoded = STANDARD.encode(self.credentials.as_ref()?.expose_secret());
        let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = if self.credentials.is_some() { "[redacted]@" } else { "" };
        let address = self.address.authority().map_or("", |authority| authority.as_str());
        write!(f, "http://{whom}{address}")
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        let credentials = |proxy: &Self| {
            proxy.credentials.as_ref().map(|secret| secret.expose_secret().to_owned())
        };
        self.address == other.address && credentials(self) == credentials(other)
    }
}

impl Eq for Proxy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_credentials_are_read_and_credentials_are_not_shown() {
        let proxy = Proxy::parse("http://way.example:3128").unwrap();
        assert_eq!(proxy.address().to_string(), "http://way.example:3128/");
        assert_eq!(proxy.authorization(), None);
        assert_eq!(proxy.to_string(), "http://way.example:3128");
        let proxy = Proxy::parse("http://us%3Aer:p%40ss%2fword@[fd00::1]:8080/").unwrap();
        assert_eq!(proxy.address().to_string(), "http://[fd00::1]:8080/");
        let expected = format!("Basic {}", STANDARD.encode("us:er:p@ss/word"));
        assert_eq!(proxy.authorization().unwrap(), expected.as_str());
        let shown = format!("{proxy} {proxy:?} {:?}", proxy.authorization());
        let redacted = "http://[redacted]@[fd00::1]:8080";
        assert_eq!(shown, format!("{redacted} Proxy({redacted}) Some(Sensitive)"));
        assert_eq!(proxy, proxy.clone());
        assert_ne!(proxy, Proxy::parse("http://user@[fd00::1]:8080").unwrap());
    }

    #[test]
    fn what_is_no_http_proxy_is_refused_without_being_quoted() {
        for text in ["", "x", "way.example:3128", "https://hunter2@way.example", "socks5://a:1"] {
            assert_eq!(Proxy::parse(text), Err("not the URL of an HTTP proxy"), "{text}");
        }
        for text in ["http://way.example/path", "http://way.example:3128/?a=b", "http://a/#b"] {
            assert_eq!(Proxy::parse(text), Err("the URL of a proxy has no path and no query"));
        }
    }
}
