//! Connections that are opened, and how they are watched.

use std::{
    net::{SocketAddr, TcpListener},
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::dns::Name;
use socket2::{Domain, SockRef, Socket, Type};

use super::*;
use crate::merchant::client::resolve::Unresolved;

/// Gives these addresses for every name.
#[derive(Clone)]
struct Fixed(Vec<SocketAddr>);

impl Service<Name> for Fixed {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = std::future::Ready<Result<Self::Response, Unresolved>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        std::future::ready(Ok(self.0.clone().into_iter()))
    }
}

/// A socket that lets nobody in: its queue is full. What fills it must live as long.
fn silent(address: SocketAddr) -> (Socket, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&address.into()).unwrap();
    listener.listen(0).unwrap();
    let fill = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        drop(socket.connect(&address.into()));
        socket
    };
    (listener, (0..4).map(fill).collect())
}

#[test]
fn what_no_url_would_hold_is_refused_here_too() {
    let guard = Guard::new(Vec::new(), Vec::new(), crate::merchant::guard::Ports::any());
    for text in [
        "http://user@shop.example/",
        "http://user:password@shop.example/",
        "http://127.1/",
        "http://0177.0.0.1:8080/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://127.0.0.1./",
        "http://LOCALHOST/",
        "http://shop.example:0/",
        "/without/a/host",
    ] {
        assert!(check(&guard, &text.parse().unwrap()).is_err(), "{text}");
    }
    for text in ["http://shop.example/", "https://1.1.1.1:8080/x", "https://[2606:4700::1]/"] {
        assert_eq!(check(&guard, &text.parse().unwrap()), Ok(()), "{text}");
    }
    let usual = Guard::default();
    assert_eq!(check(&usual, &"https://shop.example/".parse().unwrap()), Ok(()));
    assert!(check(&usual, &"http://shop.example/".parse().unwrap()).is_err(), "port 80");
}

#[tokio::test]
async fn an_address_that_is_silent_leaves_time_for_the_next_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let live = listener.local_addr().unwrap();
    let dead = SocketAddr::from(([127, 0, 0, 2], live.port()));
    let _silent = silent(dead);
    let within = Duration::from_secs(2);
    let mut tcp = tcp(Fixed(vec![dead, live]), within);
    let to: Uri = format!("http://shop.example:{}/", live.port()).parse().unwrap();
    let stream = tokio::time::timeout(within, tcp.call(to)).await.expect("in time").unwrap();
    assert_eq!(stream.inner().peer_addr().unwrap(), live);
}

#[tokio::test]
async fn a_connection_whose_other_end_is_gone_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let live = listener.local_addr().unwrap();
    let mut tcp = tcp(Fixed(vec![live]), Duration::from_secs(5));
    let to: Uri = format!("http://shop.example:{}/", live.port()).parse().unwrap();
    let stream = tcp.call(to).await.unwrap();
    let socket = SockRef::from(stream.inner());
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(15));
    #[cfg(target_os = "linux")]
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
}
