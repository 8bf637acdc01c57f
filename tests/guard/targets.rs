//! Hundreds of ways to write an address inside, none of which leads there.

use std::net::{IpAddr, Ipv4Addr};

use paynotify::merchant::directory::Update;

use super::*;
use crate::{
    dns::{Dns, Says},
    table,
};

fn strict() -> Guard {
    guard(&[], &[])
}

/// Refused when the merchant is registered, and when it is dialled all the same.
async fn is_refused_everywhere(client: &Client, url: &str) -> Result<(), String> {
    if register(url, &strict()).is_ok() {
        return Err(format!("{url} is taken at registration"));
    }
    match registered(url) {
        None => Ok(()),
        Some(_) => match attempt(client, url).await {
            answer if is_denied(&answer) => Ok(()),
            answer => Err(format!("{url} is dialled: {answer:?}")),
        },
    }
}

#[tokio::test]
async fn no_notation_of_an_inside_address_is_taken_or_dialled() {
    let trap = Listener::start("0.0.0.0:0").await;
    let dns = Dns::start(|_, _| vec![Says::Address(60, Ipv4Addr::LOCALHOST.into())]).await;
    let client = client(strict(), &[dns.address]);
    let hosts = table::hosts();
    assert!(hosts.len() > 1_000, "{}", hosts.len());
    let mut wrong = Vec::new();
    for host in &hosts {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{}/latest/meta-data", trap.port());
            wrong.extend(is_refused_everywhere(&client, &url).await.err());
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), hosts.len());
    assert_eq!((trap.visits(), dns.asked("localhost")), (0, 0));
}

#[tokio::test]
async fn no_url_with_something_before_or_around_the_host_is_taken_or_dialled() {
    let trap = Listener::start("127.0.0.1:0").await;
    let client = client(strict(), &[]);
    let port = trap.port();
    for url in [
        "http://shop.example@127.0.0.1:PORT/",
        "http://127.0.0.1:PORT@shop.example/",
        "http://user:password@shop.example/",
        "http://@127.0.0.1:PORT/",
        "http://:@127.0.0.1:PORT/",
        "http://shop.example%40127.0.0.1:PORT/",
        "http://shop.example\\@127.0.0.1:PORT/",
        "http://127.0.0.1:PORT\\@shop.example/",
        "http:\\\\127.0.0.1:PORT/",
        "http:/127.0.0.1:PORT/",
        "http:127.0.0.1:PORT/",
        "http:///127.0.0.1:PORT/",
        "http:////127.0.0.1:PORT/",
        "http://127.0.0.1:PORT#@shop.example/",
        "http://127.0.0.1:PORT?@shop.example/",
        "http:// 127.0.0.1:PORT/",
        " http://127.0.0.1:PORT/",
        "http://127.0.0.1\t:PORT/",
        "http://127.0.0.1\n:PORT/",
        "http://127.0.0.1%00.shop.example:PORT/",
        "http://127.0.0.1%0a:PORT/",
        "http://127.0.0.1%20:PORT/",
        "http://[127.0.0.1]:PORT/",
        "http://[::1:PORT/",
        "http://::1:PORT/",
        "http://::ffff:127.0.0.1:PORT/",
        "//127.0.0.1:PORT/",
        "127.0.0.1:PORT",
        "file:///etc/passwd",
        "gopher://127.0.0.1:PORT/",
        "ftp://127.0.0.1:PORT/",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
        "dict://127.0.0.1/",
        "jar:http://127.0.0.1:PORT/",
        "view-source:http://127.0.0.1:PORT/",
        "javascript:alert(1)",
        "data:text/plain,x",
        "ws://127.0.0.1:PORT/",
        "http://shop.example:0/",
        "http://1.1.1.1:0/",
        "https://shop.example:00/",
        "http://shop.example:65536/",
        "http://shop.example:-1/",
        "http://127.0.0.1:\u{ff11}/",
        "http://0\u{30fb}0.0.0.0:PORT/",
        "http://①②⑦.⓪.⓪.①:PORT/",
        "http://127。0。0。1:PORT/",
        "http://1⒉7.0.0.1:PORT/",
        "http://256.256.256.256/",
        "http://127.0.0.0x1:PORT/",
        "http://0x7f.0.0.0x1:PORT/",
        "http://1.2.3.4.5/",
        "http://.../",
        "http://./",
        "http://.local/",
        "http://a..local/",
        "http://%6c%6f%63%61%6c%68%6f%73%74:PORT/",
    ] {
        let url = url.replace("PORT", &port.to_string());
        assert_eq!(is_refused_everywhere(&client, &url).await, Ok(()));
    }
    assert_eq!(trap.visits(), 0);
}

#[tokio::test]
async fn no_name_that_leads_to_an_inside_address_is_dialled() {
    let special = |name: &str| {
        let number = name.strip_suffix(".shop.example")?.parse().ok()?;
        table::special_v4().nth(number)
    };
    let dns = Dns::start(move |name, _| {
        special(name).map(|address| Says::Address(60, IpAddr::from(address))).into_iter().collect()
    })
    .await;
    let client = client(strict(), &[dns.address]);
    for (number, address) in table::special_v4().enumerate() {
        let url = format!("http://{number}.shop.example:8080/");
        assert!(register(&url, &strict()).is_ok(), "nothing is resolved at registration");
        let answer = attempt(&client, &url).await;
        assert!(is_denied(&answer), "{address:?}: {answer:?}");
    }
}

#[tokio::test]
async fn ports_that_are_not_listed_are_refused_whatever_the_address() {
    let open = Listener::start("127.0.0.2:0").await;
    let allow = vec![network("127.0.0.2").unwrap()];
    let listed = Ports::parse([open.port().to_string().as_str()]).unwrap();
    let of_list = client(Guard::new(allow.clone(), Vec::new(), listed), &[]);
    let usual = client(Guard::new(allow, Vec::new(), Ports::default()), &[]);
    let url = format!("http://127.0.0.2:{}/", open.port());
    assert!(is_delivered(&attempt(&of_list, &url).await));
    for url in [url.as_str(), "http://127.0.0.2/", "http://127.0.0.2:22/", "https://1.1.1.1:25/"] {
        assert!(is_denied(&attempt(&usual, url).await), "{url}");
        assert!(register(url, &Guard::default()).is_err(), "{url}");
    }
    assert_eq!(open.visits(), 1);
}

#[test]
fn a_merchant_is_told_what_is_wrong_with_its_url_and_what_to_do() {
    for (url, said) in [
        (
            "https://10.0.0.1/hooks",
            "merchant m_42, endpoints[0].url: the address 10.0.0.1 is not public; use a public \
             address, or add this one to delivery.allow_addresses",
        ),
        (
            "https://2130706433/",
            "merchant m_42, endpoints[0].url: the address 127.0.0.1 is not public; use a public \
             address, or add this one to delivery.allow_addresses",
        ),
        (
            "https://localhost/",
            "merchant m_42, endpoints[0].url: \"localhost\" is a name of an inside network; use a \
             public name, or add its addresses to delivery.allow_addresses",
        ),
        (
            "https://shop.example:9092/",
            "merchant m_42, endpoints[0].url: port 9092 is not allowed; use one of 443, 8443, or \
             add it to delivery.ports",
        ),
    ] {
        assert_eq!(register(url, &Guard::default()).unwrap_err().to_string(), said);
    }
}

#[test]
fn the_topic_and_the_file_refuse_such_urls_alike() {
    let entry = |url: &str| {
        let endpoints = json!([{ "id": "e", "url": url }]);
        json!({ "format": 1, "merchant_id": "m_42", "endpoints": endpoints }).to_string()
    };
    let (good, bad) = (entry("https://shop.example/"), entry("https://169.254.169.254/"));
    let rules = Rules::default();
    let update = |value: &str| directory::update(Some(b"m_42"), Some(value.as_bytes()), &rules);
    assert!(matches!(update(&good), Update::Put(_)));
    let Update::Refused(error) = update(&bad) else { panic!("taken from the topic") };
    assert_eq!(error.error.path, "endpoints[0].url");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("merchants.jsonl");
    std::fs::write(&path, &bad).unwrap();
    let (merchants, refused) = directory::file::read(&path, &rules);
    assert!(merchants.is_empty() && refused[0].error.path == "endpoints[0].url");
}

#[test]
fn hosts_that_events_may_name_are_checked_when_the_merchant_is_registered() {
    for host in ["10.0.0.1", "[::1]", "localhost", "db.internal", "[fd00::1]"] {
        let entry = json!({ "format": 1, "merchant_id": "m", "notify_url_hosts": ["a.example", host],
            "endpoints": [] });
        let error = parse_entry(entry.to_string().as_bytes(), &Rules::default()).unwrap_err();
        assert_eq!(error.path, "notify_url_hosts[1]", "{host}");
    }
}
