//! librdkafka's properties for OAUTHBEARER: every reason why a client could not sign in with them,
//! or would show its secret.

use std::collections::BTreeMap;

use url::{Host, Url};

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

/// Name of the property with the token endpoint, whose value is no secret.
pub const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
/// How the names of all that is about tokens begin.
const PREFIX: &str = "sasl.oauthbearer.";
const MECHANISM: [&str; 2] = ["sasl.mechanism", "sasl.mechanisms"];
const METHOD: &str = "sasl.oauthbearer.method";
const GRANT_TYPE: &str = "sasl.oauthbearer.grant.type";
const METADATA: &str = "sasl.oauthbearer.metadata.authentication.type";
const ID: [&str; 2] =
    ["sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"];
const SECRET: [&str; 2] =
    ["sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"];

type Properties = BTreeMap<String, String>;

/// Whether clients with these properties sign in with tokens.
pub fn uses_tokens(properties: &Properties) -> bool {
    mechanism(properties).is_some()
}

/// The token endpoint without its query, which may hold a key.
pub fn shown_endpoint(properties: &Properties) -> String {
    let endpoint = properties.get(ENDPOINT).and_then(|text| Url::parse(text.trim()).ok());
    endpoint.map_or_else(
        || "the token endpoint".to_owned(),
        |mut endpoint| {
            endpoint.set_query(None);
            endpoint.set_fragment(None);
            endpoint.into()
        },
    )
}

/// Everything that is wrong; the rest is librdkafka's to judge.
pub fn check(properties: &Properties) -> Vec<Refusal> {
    let mut checking = Checking { properties, refused: Vec::new() };
    match mechanism(properties) {
        Some(mechanism) => checking.grant(mechanism),
        None => checking.leftovers(),
    }
    checking.refused
}

/// The property that says OAUTHBEARER.
fn mechanism(properties: &Properties) -> Option<&'static str> {
    let says = |key: &&str| properties.get(*key).is_some_and(|name| is(name, "OAUTHBEARER"));
    MECHANISM.into_iter().find(says)
}

struct Checking<'a> {
    properties: &'a Properties,
    refused: Vec<Refusal>,
}

impl<'a> Checking<'a> {
    /// `mechanism` is the place of what is missing.
    fn grant(&mut self, mechanism: &str) {
        let protocol = self.get("security.protocol").unwrap_or_default();
        if !["SASL_SSL", "SASL_PLAINTEXT"].iter().any(|sasl| is(protocol, sasl)) {
            let what = "OAUTHBEARER needs security.protocol with SASL";
            self.refuse(mechanism, what, "set it to SASL_SSL");
        }
        match self.get(METHOD) {
            Some(method) if is(method, "oidc") => {}
            Some(_) => self.refuse(METHOD, "the only method is oidc", "set it to oidc"),
            None => self.need(mechanism, &[METHOD], "set it to oidc"),
        }
        let by_secret = self.get(GRANT_TYPE).is_none_or(|grant| is(grant, "client_credentials"));
        if self.get(METADATA).is_none_or(|kind| is(kind, "none")) {
            self.need(mechanism, &[ENDPOINT], "set it to the address of the token endpoint");
            if by_secret {
                self.need(mechanism, &ID, "set it to the client's id");
                self.need(mechanism, &SECRET, "set it, better by environment");
            }
        }
        if let Some(Err(what)) = self.get(ENDPOINT).map(check_endpoint) {
            self.refuse(ENDPOINT, what, "write such as https://login.example/oauth2/token");
        }
    }

    fn leftovers(&mut self) {
        let remedy = "set sasl.mechanism to OAUTHBEARER, or remove it";
        for key in self.properties.keys().filter(|key| key.starts_with(PREFIX)) {
            self.refuse(key, "only OAUTHBEARER uses it", remedy);
        }
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.properties.get(key).map(String::as_str)
    }

    /// One of these properties must be there, and say something.
    fn need(&mut self, mechanism: &str, keys: &[&str], remedy: &str) {
        match keys.iter().find_map(|key| Some((*key, self.properties.get(*key)?))) {
            Some((_, text)) if !text.trim().is_empty() => {}
            Some((key, _)) => self.refuse(key, "empty", remedy),
            None => self.refuse(mechanism, format!("OAUTHBEARER needs {}", keys[0]), remedy),
        }
    }

    fn refuse(&mut self, key: &str, what: impl Into<String>, remedy: &str) {
        let (what, remedy) = (what.into(), remedy.to_owned());
        self.refused.push(Refusal { key: key.to_owned(), what, remedy });
    }
}

fn is(found: &str, name: &str) -> bool {
    found.trim().eq_ignore_ascii_case(name)
}

/// The client's secret goes there, so nobody on the way may read it.
fn check_endpoint(text: &str) -> Result<(), &'static str> {
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
        "https" => Ok(()),
        "http" if local => Ok(()),
        "http" => Err("http would show the client's secret to the network"),
        _ => Err("neither https nor http"),
    }
}

#[cfg(test)]
mod tests;
