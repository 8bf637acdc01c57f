//! librdkafka's names for OAUTHBEARER → a typed [`Grant`], or every reason why it is none.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use secrecy::SecretString;
use url::{Host, Url};

/// Where tokens come from, and as whom.
pub struct Grant {
    /// Token endpoint: https, or http on this machine.
    pub endpoint: Url,
    /// Who asks.
    pub client_id: String,
    /// Proves it.
    pub client_secret: SecretString,
    /// What the token is for, where the endpoint wants to know.
    pub scope: Option<String>,
    /// Who vouches for the endpoint's certificate.
    pub authorities: Authorities,
}

/// Root certificates for the token endpoint; those for the brokers are `ssl.ca.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorities {
    /// Those of the operating system.
    Platform,
    /// Only those in this PEM file (`https.ca.location`).
    File(PathBuf),
    /// Only these, in PEM (`https.ca.pem`).
    Pem(String),
}

/// A property that cannot stand, with its remedy; never repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Name of a property that is there.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

const METHOD: &str = "sasl.oauthbearer.method";
const GRANT_TYPE: &str = "sasl.oauthbearer.grant.type";
const ID: [&str; 2] =
    ["sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"];
const SECRET: [&str; 2] =
    ["sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"];
const SCOPE: &str = "sasl.oauthbearer.scope";
const EXTENSIONS: &str = "sasl.oauthbearer.extensions";
/// Name of the property with the token endpoint, whose value is no secret.
pub const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
const CA_FILE: &str = "https.ca.location";
const CA_PEM: &str = "https.ca.pem";

/// Takes all that is about tokens out of `properties`: librdkafka would refuse it. The rest is
/// librdkafka's.
pub fn take(properties: &mut BTreeMap<String, String>) -> Result<Option<Grant>, Vec<Refusal>> {
    let (ours, rest) = std::mem::take(properties)
        .into_iter()
        .partition(|(key, _)| key.starts_with("sasl.oauthbearer.") || key.starts_with("https.ca."));
    *properties = rest;
    let mechanism = ["sasl.mechanism", "sasl.mechanisms"]
        .into_iter()
        .find(|key| properties.get(*key).is_some_and(|name| name == "OAUTHBEARER"));
    let mut taking = Taking { mechanism: mechanism.unwrap_or_default(), ours, refused: Vec::new() };
    if mechanism.is_none() {
        taking.refuse_rest("only OAUTHBEARER uses it", "set sasl.mechanism to OAUTHBEARER");
        return if taking.refused.is_empty() { Ok(None) } else { Err(taking.refused) };
    }
    let protocol = properties.get("security.protocol").map_or("", String::as_str);
    if !["SASL_SSL", "SASL_PLAINTEXT"].iter().any(|sasl| is(protocol, sasl)) {
        taking.need("security.protocol with SASL", "set it to SASL_SSL");
    }
    taking.grant().map(Some)
}

struct Taking {
    /// The property that says OAUTHBEARER: the place of what is missing.
    mechanism: &'static str,
    ours: BTreeMap<String, String>,
    refused: Vec<Refusal>,
}

impl Taking {
    fn grant(mut self) -> Result<Grant, Vec<Refusal>> {
        match self.ours.remove(METHOD) {
            None => self.need(METHOD, "set it to oidc"),
            Some(method) if is(&method, "oidc") => {}
            Some(_) => self.refuse(METHOD, "the only method is oidc", "set it to oidc"),
        }
        if self.ours.remove(GRANT_TYPE).is_some_and(|grant| !is(&grant, "client_credentials")) {
            self.refuse(GRANT_TYPE, "the only grant is client_credentials", "remove it");
        }
        let endpoint = self.text(&[ENDPOINT], "set it to the address of the token endpoint");
        let endpoint = endpoint.and_then(|text| match parse_endpoint(&text) {
            Ok(endpoint) => Some(endpoint),
            Err(what) => {
                self.refuse(ENDPOINT, what, "write such as https://login.example/oauth2/token");
                None
            }
        });
        let client_id = self.text(&ID, "set it to the client's id");
        let client_secret = self.text(&SECRET, "set it, better by environment");
        let scope = self.ours.remove(SCOPE).filter(|scope| !scope.trim().is_empty());
        let authorities = self.authorities();
        if self.ours.remove(EXTENSIONS).is_some() {
            self.refuse(EXTENSIONS, "this version cannot send SASL extensions", "remove it");
        }
        self.refuse_rest("not supported by this version", "use the client-credentials grant");
        match (endpoint, client_id, client_secret) {
            (Some(endpoint), Some(client_id), Some(secret)) if self.refused.is_empty() => {
                let client_secret = SecretString::from(secret);
                Ok(Grant { endpoint, client_id, client_secret, scope, authorities })
            }
            _ => Err(self.refused),
        }
    }

    /// A text that must be there, under one of these names.
    fn text(&mut self, keys: &[&str], remedy: &str) -> Option<String> {
        let found = keys.iter().find_map(|key| Some((*key, self.ours.remove(*key)?)));
        match found {
            Some((_, text)) if !text.trim().is_empty() => return Some(text),
            Some((key, _)) => self.refuse(key, "empty", remedy),
            None => self.need(keys[0], remedy),
        }
        None
    }

    fn authorities(&mut self) -> Authorities {
        match (self.ours.remove(CA_FILE), self.ours.remove(CA_PEM)) {
            (Some(_), Some(_)) => {
                self.refuse(CA_PEM, "https.ca.location is set too", "remove one of them");
                Authorities::Platform
            }
            (Some(path), None) if !is(&path, "probe") => Authorities::File(path.into()),
            (None, Some(pem)) => Authorities::Pem(pem),
            _ => Authorities::Platform,
        }
    }

    fn need(&mut self, key: &str, remedy: &str) {
        self.refuse(self.mechanism, format!("OAUTHBEARER needs {key}"), remedy);
    }

    fn refuse(&mut self, key: &str, what: impl Into<String>, remedy: &str) {
        let (what, remedy) = (what.into(), remedy.to_owned());
        self.refused.push(Refusal { key: key.to_owned(), what, remedy });
    }

    fn refuse_rest(&mut self, what: &str, otherwise: &str) {
        for (key, _) in std::mem::take(&mut self.ours) {
            self.refuse(&key, what, &format!("{otherwise}, or remove it"));
        }
    }
}

fn is(found: &str, name: &str) -> bool {
    found.trim().eq_ignore_ascii_case(name)
}

/// The client's secret goes there, so nobody on the way may read it.
fn parse_endpoint(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text.trim()).map_err(|_| "not an address")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user or password");
    }
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if local => Ok(url),
        "http" => Err("http would show the client's secret to the network"),
        _ => Err("neither https nor http"),
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("endpoint", &super::endpoint::shown(self))
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .field("authorities", &self.authorities)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
