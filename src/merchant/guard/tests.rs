//! What may be dialled and what may not, address by address.

use super::*;

fn networks(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| network(text).unwrap()).collect()
}

/// The public internet at any port, with these allowed and denied.
fn guard(allow: &[&str], deny: &[&str]) -> Guard {
    Guard::new(networks(allow), networks(deny), Ports::any())
}

fn verdict(guard: &Guard, address: &str) -> Result<Target, Denied> {
    let host = match address.parse().unwrap() {
        IpAddr::V4(address) => Host::Ipv4(address),
        IpAddr::V6(address) => Host::Ipv6(address),
    };
    guard.host(&host)
}

fn url(guard: &Guard, text: &str) -> Result<Target, Denied> {
    guard.url(&Url::parse(text).unwrap())
}

#[test]
fn special_ranges_are_denied_from_the_first_to_the_last_address_and_their_neighbours_are_not() {
    let guard = guard(&[], &[]);
    for range in address::SPECIAL_V4 {
        let (first, last) = (range.network(), range.broadcast());
        for address in [first, last] {
            assert!(verdict(&guard, &address.to_string()).is_err(), "{address} of {range}");
        }
        let (first, last) = (u32::from(first), u32::from(last));
        for neighbour in [first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
            let neighbour = std::net::Ipv4Addr::from(neighbour);
            let special = address::SPECIAL_V4.iter().any(|range| range.contains(&neighbour));
            assert_eq!(verdict(&guard, &neighbour.to_string()).is_err(), special, "{neighbour}");
        }
    }
    for range in address::SPECIAL_V6 {
        for address in [range.network(), range.broadcast()] {
            assert!(verdict(&guard, &address.to_string()).is_err(), "{address} of {range}");
        }
    }
    for range in [address::GLOBAL_V6] {
        let (first, last) = (u128::from(range.network()), u128::from(range.broadcast()));
        for (address, public) in
            [(first - 1, false), (first, true), (last, true), (last + 1, false)]
        {
            let address = std::net::Ipv6Addr::from(address);
            assert_eq!(verdict(&guard, &address.to_string()).is_ok(), public, "{address}");
        }
    }
}

#[test]
fn public_addresses_are_not_denied() {
    const PUBLIC: &str = "
        1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 168.63.129.15
        168.63.129.17 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0
        198.17.255.255 198.20.0.0 223.255.255.255 2001:200:: 2001:4860:4860::8888 2003::1
        2606:4700:4700::1111 3ffe:ffff::1 3fff:1000:: 2a00::1
    ";
    let guard = guard(&[], &[]);
    for address in PUBLIC.split_whitespace() {
        assert_eq!(verdict(&guard, address), Ok(Target::Address), "{address}");
    }
}

#[test]
fn what_the_operator_allows_is_open_and_what_the_operator_denies_is_closed_all_the_same() {
    let guard = guard(&["10.0.0.0/8", "fd00::/8"], &["10.1.0.0/16", "8.8.8.8", "2a00::/16"]);
    for open in ["10.0.0.1", "10.2.0.0", "fd00::1", "1.1.1.1", "2606:4700::1"] {
        assert!(verdict(&guard, open).is_ok(), "{open}");
    }
    for listed in ["10.1.0.0", "10.1.255.255", "8.8.8.8", "2a00::1"] {
        let address = listed.parse().unwrap();
        assert_eq!(verdict(&guard, listed), Err(Denied::Listed(address)), "{listed}");
    }
    for closed in ["127.0.0.1", "192.168.0.1", "fc00::1", "::1"] {
        let address = closed.parse().unwrap();
        assert_eq!(verdict(&guard, closed), Err(Denied::Address(address)), "{closed}");
    }
}

#[test]
fn to_allow_a_form_that_carries_ipv4_is_not_to_allow_what_is_inside() {
    let guard = guard(&["64:ff9b::/96", "::ffff:0:0/96"], &["8.8.8.8"]);
    for open in ["64:ff9b::1.1.1.1", "::ffff:1.1.1.1"] {
        assert!(verdict(&guard, open).is_ok(), "{open}");
    }
    for closed in [
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::8.8.8.8",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "::1.1.1.1",
        "::1",
        "::",
    ] {
        assert!(verdict(&guard, closed).is_err(), "{closed}");
    }
}

#[test]
fn names_of_inside_networks_are_refused_where_nothing_inside_is_allowed() {
    let strict = guard(&[], &[]);
    let open = Guard::with_loopback();
    let proxied = Guard::with_loopback().behind_proxy();
    for name in [
        "localhost",
        "localhost.",
        "intranet",
        "intranet.",
        "shop.localhost",
        "printer.local",
        "printer.local.",
        "metadata.google.internal",
        "metadata.google.internal.",
        "LOCALHOST",
        "a.LOCAL",
        "kafka.default.svc.cluster.local",
        "xn--mnchen-3ya",
        "shop.example..",
    ] {
        let host = Host::Domain(name.to_owned());
        assert_eq!(strict.host(&host), Err(Denied::Name(name.to_owned())), "{name}");
        assert_eq!(open.host(&host), Ok(Target::Name), "{name}");
        assert_eq!(proxied.host(&host), Err(Denied::Name(name.to_owned())), "{name}");
    }
    for name in ["shop.example", "shop.example.", "internal.example", "localhost.example", "a.b"] {
        assert_eq!(strict.host(&Host::Domain(name.to_owned())), Ok(Target::Name), "{name}");
    }
}

#[test]
fn a_name_is_denied_when_one_of_its_addresses_is() {
    let guard = guard(&["10.1.0.0/16"], &["8.8.8.8"]);
    let leads = |name: &str, addresses: &[&str]| {
        guard.resolved(name, addresses.iter().map(|address| address.parse().unwrap()))
    };
    assert_eq!(leads("shop.example", &["1.1.1.1", "2606:4700::1", "10.1.0.1"]), Ok(()));
    for bad in ["127.0.0.1", "::1", "8.8.8.8", "64:ff9b::1.1.1.1"] {
        for addresses in [[bad, "1.1.1.1"], ["1.1.1.1", bad]] {
            assert!(leads("shop.example", &addresses).is_err(), "{addresses:?}");
        }
    }
}

#[test]
fn a_name_of_an_inside_network_may_lead_to_allowed_addresses_alone() {
    let guard = guard(&["10.1.0.0/16"], &[]);
    let leads = |addresses: &[&str]| {
        guard.resolved("merchant", addresses.iter().map(|address| address.parse().unwrap()))
    };
    assert_eq!(leads(&["10.1.0.1", "10.1.0.2"]), Ok(()));
    let name = Denied::Name("merchant".to_owned());
    assert_eq!(leads(&["10.1.0.1", "1.1.1.1"]), Err(name));
    assert!(leads(&["10.2.0.1"]).is_err());
}

#[test]
fn ports_are_443_and_8443_unless_others_are_listed() {
    let guard = Guard::default();
    for open in ["https://shop.example/", "https://shop.example:443/", "https://shop.example:8443/"]
    {
        assert_eq!(url(&guard, open), Ok(Target::Name), "{open}");
    }
    for port in [0, 1, 22, 25, 80, 442, 444, 6379, 8080, 8442, 8444, 9092, 65535] {
        let text = format!("https://shop.example:{port}/");
        assert!(matches!(url(&guard, &text), Err(Denied::Port { .. })), "{text}");
    }
    assert!(matches!(url(&guard, "http://shop.example/"), Err(Denied::Port { port: 80, .. })));
    let any = Guard::new(Vec::new(), Vec::new(), Ports::any());
    assert!(url(&any, "https://shop.example:1/").is_ok());
    assert!(matches!(url(&any, "https://shop.example:0/"), Err(Denied::Port { port: 0, .. })));
}

#[test]
fn users_and_passwords_are_refused() {
    for text in ["https://u@shop.example/", "https://u:p@shop.example/", "https://:p@shop.example/"]
    {
        assert_eq!(url(&Guard::default(), text), Err(Denied::Userinfo), "{text}");
    }
}

#[test]
fn ports_are_read_as_single_ones_and_ranges() {
    let ports = Ports::parse(["443", "8000-8999", "80 - 81"]).unwrap();
    assert_eq!(ports.to_string(), "443, 8000-8999, 80-81");
    assert!([443, 8000, 8999, 80, 81].into_iter().all(|port| ports.contains(port)));
    assert!([0, 442, 444, 7999, 9000, 82].into_iter().all(|port| !ports.contains(port)));
    for bad in ["0", "0-1", "65536", "9-8", "x", "", "-", "1-", "-1", "1-2-3"] {
        assert_eq!(Ports::parse([bad]), Err(format!("{bad:?} is not a port")));
    }
    assert!(Ports::parse([]).is_err());
}

#[test]
fn ranges_are_read_whole_and_addresses_as_ranges_of_one() {
    assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
    assert_eq!(network("fd00::1").unwrap().to_string(), "fd00::1/128");
    assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
    for bad in ["10.0.0.0/33", "10.0.0/8", "localhost", "", "10.0.0.1 ", "fd00::/129"] {
        assert_eq!(network(bad), Err(format!("{bad:?} is not an address or a range")));
    }
    let middle = "\"10.1.0.1/8\" begins in the middle of the range 10.0.0.0/8";
    assert_eq!(network("10.1.0.1/8"), Err(middle.to_owned()));
}

#[test]
fn every_refusal_says_what_to_do() {
    let address = IpAddr::from([10, 0, 0, 1]);
    for (denied, said) in [
        (
            Denied::Address(address),
            "the address 10.0.0.1 is not public; use a public address, or add this one to \
             delivery.allow_addresses",
        ),
        (
            Denied::Listed(address),
            "the address 10.0.0.1 is in delivery.deny_addresses; use another address, or take it \
             off that list",
        ),
        (
            Denied::Name("db.internal".to_owned()),
            "\"db.internal\" is a name of an inside network; use a public name, or add its \
             addresses to delivery.allow_addresses",
        ),
        (
            Denied::Port { port: 22, allowed: Ports::default() },
            "port 22 is not allowed; use one of 443, 8443, or add it to delivery.ports",
        ),
    ] {
        assert_eq!(format!("{denied}; {}", denied.remedy()), said);
    }
}
