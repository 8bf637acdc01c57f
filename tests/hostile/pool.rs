//! What hostile servers leave behind.

use paynotify::engine::FailReason;

use super::{
    Expected, TIMEOUT, attempt, client,
    pki::Authority,
    server::{Server, Step, Wire},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_behind_an_answer_is_not_the_answer_to_the_next_request() {
    let authority = Authority::new();
    let client = client(&authority, 4);
    let honest = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let forged = format!("{honest}HTTP/1.1 418 Forged\r\ncontent-length: 0\r\n\r\n");
    let steps = vec![Step::Request, Step::Say(forged.into()), Step::Silence];
    let server = Server::start(Wire::Plain, steps, &authority).await;
    for _ in 0..20 {
        let (answer, _) = attempt(&client, &server, TIMEOUT).await;
        assert_eq!(answer, Expected::Status(200, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_silent_servers_are_released_to_whoever_comes_next() {
    let authority = Authority::new();
    let client = client(&authority, 2);
    let honest = Server::start(Wire::Plain, vec![Step::Honest], &authority).await;
    for wire in [Wire::Plain, Wire::NoTls, Wire::Tls, Wire::Http2] {
        let silent = Server::start(wire, vec![Step::Silence], &authority).await;
        let attempts = || attempt(&client, &silent, "300ms");
        let (a, b, c, d) = tokio::join!(attempts(), attempts(), attempts(), attempts());
        for (answer, _) in [a, b, c, d] {
            assert_eq!(answer, Expected::Fails(FailReason::Timeout), "{wire:?}");
        }
        let (answer, _) = attempt(&client, &honest, "5s").await;
        assert_eq!(answer, Expected::Status(200, None), "{wire:?}");
    }
}
