//! Failures of others that were published, each tried here under its number.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::dns::{Dns, Says};

fn strict() -> Guard {
    guard(&[], &[])
}

async fn none_is_taken_or_dialled(urls: &[&str]) {
    let client = client(strict(), &[]);
    for url in urls {
        assert!(register(url, &strict()).is_err(), "{url}");
        if registered(url).is_some() {
            let answer = attempt(&client, url).await;
            assert!(is_denied(&answer), "{url}: {answer:?}");
        }
    }
}

/// One who listens inside, and a name that leads there from the given question on.
async fn rebound(from: usize) -> (Listener, Listener, Dns) {
    let public = Listener::start("127.0.0.2:0").await;
    let inside = Listener::start(&format!("127.0.0.1:{}", public.port())).await;
    let dns = Dns::start(move |_, before| {
        let last = if before < from { 2 } else { 1 };
        vec![Says::Address(0, Ipv4Addr::new(127, 0, 0, last).into())]
    })
    .await;
    (public, inside, dns)
}

#[tokio::test]
async fn cve_2026_104973_a_name_that_is_rebound_after_its_check_is_dialled_where_it_was_checked() {
    let (public, inside, dns) = rebound(1).await;
    let client = client(guard(&["127.0.0.2"], &[]), &[dns.address]);
    let answer = attempt(&client, &format!("http://shop.example:{}/", public.port())).await;
    assert!(is_delivered(&answer), "{answer:?}");
    assert_eq!((public.visits(), inside.visits()), (1, 0));
}

#[tokio::test]
async fn cve_2026_30242_a_name_that_is_rebound_between_attempts_is_checked_at_each() {
    let (public, inside, dns) = rebound(2).await;
    let client = client(guard(&["127.0.0.2"], &[]), &[dns.address]);
    let url = format!("http://shop.example:{}/", public.port());
    for denied in [false, false, true, true] {
        assert_eq!(is_denied(&attempt(&client, &url).await), denied);
    }
    assert_eq!((public.visits(), inside.visits()), (2, 0));
}

#[tokio::test]
async fn cve_2026_68558_a_public_name_that_leads_inside_is_refused() {
    let inside = Listener::start("127.0.0.1:0").await;
    let dns = Dns::start(|_, _| vec![Says::Address(60, Ipv4Addr::LOCALHOST.into())]).await;
    let client = client(strict(), &[dns.address]);
    for name in ["localtest.example", "127.0.0.1.nip.example", "a.b.c.example"] {
        let answer = attempt(&client, &format!("http://{name}:{}/", inside.port())).await;
        assert!(is_denied(&answer), "{name}: {answer:?}");
    }
    assert_eq!(inside.visits(), 0);
}

#[tokio::test]
async fn cve_2022_0249_addresses_of_carriers_are_refused() {
    let urls = ["https://100.64.0.0/", "https://100.64.0.1/", "https://100.127.255.255/"];
    none_is_taken_or_dialled(&urls).await;
}

#[tokio::test]
async fn ghsa_qhf2_x32h_c288_forms_of_ipv6_that_carry_ipv4_are_refused() {
    none_is_taken_or_dialled(&[
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[::127.0.0.1]/",
        "https://[::ffff:0:127.0.0.1]/",
        "https://[64:ff9b::169.254.169.254]/",
        "https://[64:ff9b:1::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2002:a9fe:a9fe::1]/",
        "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
        "https://[fe80::5efe:10.0.0.1]/",
    ])
    .await;
}

#[tokio::test]
async fn ghsa_7v53_pw6r_99vj_a_redirect_to_the_inside_is_an_answer_and_is_not_followed() {
    let inside = Listener::start("127.0.0.1:0").await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("http://127.0.0.1:{}/secrets", inside.port());
        let answer = format!(
            "HTTP/1.1 {status} X\r\nlocation: {to}\r\nrefresh: 0; url={to}\r\n\
             connection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let public = Listener::answering("127.0.0.2:0", answer).await;
        // The inside may even be allowed.
        let client = client(guard(&["127.0.0.0/8"], &[]), &[]);
        let url = format!("http://127.0.0.2:{}/", public.port());
        let Answer::Response { status: found, .. } = attempt(&client, &url).await else {
            panic!("a redirect is an answer")
        };
        assert_eq!((found, public.visits()), (status, 1));
    }
    assert_eq!(inside.visits(), 0);
}

#[tokio::test]
async fn ghsa_7v53_pw6r_99vj_an_url_of_an_event_passes_the_same_guard_as_one_of_a_merchant() {
    let inside = Listener::start("127.0.0.1:0").await;
    let client = client(strict(), &[]);
    let url = format!("http://127.0.0.1:{}/", inside.port());
    let mut endpoint = (*registered(&url).unwrap()).clone();
    endpoint.id = paynotify::model::EndpointId::parse("notify_url").unwrap();
    let answer = client.attempt(&endpoint, &event(), 1, &[], now).await.answer;
    assert!(is_denied(&answer), "{answer:?}");
    assert_eq!(inside.visits(), 0);
}

#[tokio::test]
async fn ghsa_g6h5_pf7p_qmvj_open_and_closed_ports_inside_cannot_be_told_apart() {
    let open = Listener::start("127.0.0.1:0").await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let dns = Dns::start(|_, _| vec![Says::Address(60, IpAddr::V4(Ipv4Addr::LOCALHOST))]).await;
    let client = client(strict(), &[dns.address]);
    for host in ["127.0.0.1", "shop.example"] {
        let mut answers = Vec::new();
        for port in [open.port(), closed] {
            answers.push(attempt(&client, &format!("http://{host}:{port}/")).await);
        }
        assert_eq!(answers[0], answers[1]);
        assert!(is_denied(&answers[0]));
    }
    assert_eq!(open.visits(), 0);
}

#[tokio::test]
async fn cve_2021_29922_octal_addresses_are_read_as_octal() {
    let urls = [
        "https://0177.0.0.1/",
        "https://0127.0.0.1:8443/",
        "https://012.0.0.1/",
        "https://0300.0250.0.1/",
        "https://00000000177.1/",
        "https://0251.0376.0251.0376/",
    ];
    // 0127.0.0.1 is 87.0.0.1, which is public, and is dialled as that.
    let [octal_87, rest @ ..] = [urls[1], urls[0], urls[2], urls[3], urls[4], urls[5]];
    none_is_taken_or_dialled(&rest).await;
    let endpoint = register(octal_87, &strict()).unwrap();
    assert_eq!(endpoint.url.host_str(), Some("87.0.0.1"));
}

#[tokio::test]
async fn cve_2024_12224_punycode_that_stands_for_ascii_is_refused() {
    none_is_taken_or_dialled(&[
        "https://xn--localhost-/",
        "https://xn--shop-.example/",
        "https://xn--.example/",
        "https://xn--127-.0.0.1/",
        "https://shop.xn--internal-/",
        "https://xn--xn--a-.example/",
    ])
    .await;
}
