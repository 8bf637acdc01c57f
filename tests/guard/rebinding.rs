//! Names whose owners answer as it suits them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;
use crate::dns::{Dns, Says};

const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Stands for a public address: it is allowed, alone of the loopback.
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn public_alone() -> Guard {
    guard(&["127.0.0.2"], &[])
}

/// One who listens at the address that stands for a public one, and one inside at the same port.
async fn public_and_inside() -> (Listener, Listener) {
    let public = Listener::start("127.0.0.2:0").await;
    let inside = Listener::start(&format!("127.0.0.1:{}", public.port())).await;
    (public, inside)
}

#[tokio::test]
async fn a_name_is_resolved_once_for_a_connection_and_dialled_where_it_led() {
    let (public, inside) = public_and_inside().await;
    let dns =
        Dns::start(|_, before| vec![Says::Address(0, if before == 0 { PUBLIC } else { INSIDE })])
            .await;
    let client = client(public_alone(), &[dns.address]);
    let answer = attempt(&client, &format!("http://shop.example:{}/", public.port())).await;
    assert!(is_delivered(&answer), "{answer:?}");
    assert_eq!((dns.asked("shop.example"), public.visits(), inside.visits()), (1, 1, 0));
}

#[tokio::test]
async fn a_name_that_leads_inside_at_the_second_attempt_is_refused_then() {
    let (public, inside) = public_and_inside().await;
    let dns =
        Dns::start(|_, before| vec![Says::Address(0, if before == 0 { PUBLIC } else { INSIDE })])
            .await;
    let client = client(public_alone(), &[dns.address]);
    let url = format!("http://shop.example:{}/", public.port());
    assert!(is_delivered(&attempt(&client, &url).await));
    let answer = attempt(&client, &url).await;
    assert!(is_denied(&answer), "{answer:?}");
    assert_eq!((dns.asked("shop.example"), public.visits(), inside.visits()), (2, 1, 0));
}

#[tokio::test]
async fn a_name_that_leads_inside_among_other_places_is_refused() {
    let (public, inside) = public_and_inside().await;
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    for mixed in [
        vec![PUBLIC, INSIDE],
        vec![INSIDE, PUBLIC],
        vec![PUBLIC, PUBLIC, INSIDE],
        vec![PUBLIC, v6],
        vec![v6],
        vec![INSIDE],
    ] {
        let said = mixed.clone();
        let dns = Dns::start(move |_, _| {
            said.iter().map(|address| Says::Address(60, *address)).collect()
        })
        .await;
        let client = client(public_alone(), &[dns.address]);
        let answer = attempt(&client, &format!("http://shop.example:{}/", public.port())).await;
        assert!(is_denied(&answer), "{mixed:?}: {answer:?}");
    }
    assert_eq!((public.visits(), inside.visits()), (0, 0));
}

#[tokio::test]
async fn a_name_that_is_an_alias_for_the_inside_is_refused() {
    let (public, inside) = public_and_inside().await;
    let dns = Dns::start(|name, _| match name {
        "shop.example" => vec![Says::Alias(60, "db.internal."), Says::Address(60, INSIDE)],
        "far.example" => vec![Says::Alias(60, "localhost.")],
        _ => Vec::new(),
    })
    .await;
    let client = client(public_alone(), &[dns.address]);
    for name in ["shop.example", "far.example", "shop.example.", "SHOP.example"] {
        let answer = attempt(&client, &format!("http://{name}:{}/", public.port())).await;
        assert!(is_denied(&answer), "{name}: {answer:?}");
    }
    assert_eq!((public.visits(), inside.visits()), (0, 0));
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_say_within_bounds() {
    let (public, _inside) = public_and_inside().await;
    let url = format!("http://shop.example:{}/", public.port());
    let second = Span::from_secs(1);
    for (says, shortest, longest, asked) in [
        (60, Span::ZERO, second.plus(second), 1),
        (0, Span::from_secs(60), Span::from_secs(60), 1),
        (0, Span::ZERO, Span::from_secs(60), 2),
        (86_400, Span::ZERO, Span::ZERO, 2),
    ] {
        let dns = Dns::start(move |_, _| vec![Says::Address(says, PUBLIC)]).await;
        let names = Names { servers: vec![dns.address], shortest, longest, ..Names::default() };
        let client = client_with(public_alone(), names);
        for _ in 0..2 {
            assert!(is_delivered(&attempt(&client, &url).await));
        }
        assert_eq!(dns.asked("shop.example"), asked, "{says} within {shortest} and {longest}");
    }
}

#[tokio::test]
async fn a_kept_answer_is_checked_again() {
    let (public, inside) = public_and_inside().await;
    let dns = Dns::start(|_, _| vec![Says::Address(60, INSIDE)]).await;
    let client = client(public_alone(), &[dns.address]);
    for _ in 0..3 {
        let url = format!("http://shop.example:{}/", public.port());
        assert!(is_denied(&attempt(&client, &url).await));
    }
    assert_eq!((dns.asked("shop.example"), inside.visits()), (1, 0));
}

#[tokio::test]
async fn names_without_answers_are_dns_failures_within_the_deadline() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let dns = Dns::start(|_, _| Vec::new()).await;
    for server in [silent.local_addr().unwrap(), dns.address] {
        let names =
            Names { servers: vec![server], deadline: Span::from_millis(300), ..Names::default() };
        let client = client_with(public_alone(), names);
        let answer = attempt(&client, "http://shop.example:1/").await;
        assert_eq!(answer, Answer::Failed(FailReason::Dns), "{server}");
    }
}

#[tokio::test]
async fn servers_that_are_silent_about_one_family_do_not_hide_the_other() {
    let (public, inside) = public_and_inside().await;
    let dns = Dns::start(|name, _| {
        vec![Says::Address(60, if name == "v4only.example" { PUBLIC } else { INSIDE })]
    })
    .await;
    let deadline = Span::from_millis(300);
    let names = Names { servers: vec![dns.address], deadline, ..Names::default() };
    let client = client_with(public_alone(), names);
    let url = |name: &str| format!("http://{name}:{}/", public.port());
    assert!(is_delivered(&attempt(&client, &url("v4only.example")).await));
    assert!(is_denied(&attempt(&client, &url("v4only.shop.example")).await));
    assert_eq!((public.visits(), inside.visits()), (1, 0));
}

#[tokio::test]
async fn the_hosts_file_goes_before_the_name_servers() {
    let inside = Listener::start("127.0.0.1:0").await;
    let dns = Dns::start(|_, _| vec![Says::Address(60, PUBLIC)]).await;
    let client = client(Guard::with_loopback(), &[dns.address]);
    let answer = attempt(&client, &format!("http://localhost:{}/", inside.port())).await;
    assert!(is_delivered(&answer), "{answer:?}");
    assert_eq!((dns.asked("localhost"), inside.visits()), (0, 1));
}

#[tokio::test]
async fn names_of_inside_networks_may_lead_to_allowed_addresses_alone() {
    let (public, inside) = public_and_inside().await;
    let dns = Dns::start(|name, _| match name {
        "merchant" => vec![Says::Address(60, PUBLIC)],
        "intranet" => vec![Says::Address(60, INSIDE)],
        _ => vec![Says::Address(60, IpAddr::V4(Ipv4Addr::new(192, 0, 3, 1)))],
    })
    .await;
    let client = client(public_alone(), &[dns.address]);
    let url = |name: &str| format!("http://{name}:{}/", public.port());
    assert!(is_delivered(&attempt(&client, &url("merchant")).await));
    for name in ["intranet", "db.internal", "localhost", "shop.localhost", "printer.local."] {
        let answer = attempt(&client, &url(name)).await;
        assert!(is_denied(&answer), "{name}: {answer:?}");
    }
    assert_eq!((public.visits(), inside.visits()), (1, 0));
}
