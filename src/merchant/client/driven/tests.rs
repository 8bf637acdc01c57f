use std::sync::Arc;

use tokio::sync::oneshot;

use super::*;

/// A driver that hands on what comes in and ends after it.
fn handing_on() -> (oneshot::Sender<u8>, oneshot::Receiver<u8>, impl Future<Output = ()> + Send) {
    let (wire, came) = oneshot::channel();
    let (answer, outcome) = oneshot::channel();
    let driver = async move {
        if let Ok(byte) = came.await {
            let _ = answer.send(byte);
        }
    };
    (wire, outcome, driver)
}

#[tokio::test]
async fn what_happens_while_nobody_asks_is_seen_by_the_task() {
    let (wire, outcome, run) = handing_on();
    let task = tokio::spawn(Driven::new(run).attend());
    tokio::task::yield_now().await;
    wire.send(1).unwrap();
    assert_eq!(outcome.await, Ok(1));
    task.await.unwrap();
}

#[tokio::test]
async fn a_request_is_woken_itself() {
    let (wire, outcome, run) = handing_on();
    let driven = Driven::new(run);
    let task = tokio::spawn(driven.attend());
    tokio::task::yield_now().await;
    driven.lend();
    let sent = async {
        tokio::task::yield_now().await;
        wire.send(1).unwrap();
    };
    let (answered, ()) = tokio::join!(driven.drive(outcome), sent);
    assert_eq!(answered, Ok(1));
    driven.give_back();
    task.await.unwrap();
}

#[tokio::test]
async fn after_a_request_the_task_sees_what_happens() {
    for abandoned in [false, true] {
        let (wire, outcome, run) = handing_on();
        let driven = Driven::new(run);
        let task = tokio::spawn(driven.attend());
        tokio::task::yield_now().await;
        driven.lend();
        driven.drive(async {}).await;
        if abandoned {
            driven.abandon();
        } else {
            driven.give_back();
        }
        wire.send(1).unwrap();
        assert_eq!(outcome.await, Ok(1));
        task.await.unwrap();
    }
}

#[tokio::test]
async fn the_end_of_the_task_closes_the_connection() {
    let file = Arc::new(());
    let held = Arc::clone(&file);
    let driven = Driven::new(async move {
        // Keeps the waker, as a socket does.
        let (_wire, came) = oneshot::channel::<()>();
        let _ = came.await;
        drop(held);
    });
    let task = tokio::spawn(driven.attend());
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&file), 2);
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(Arc::strong_count(&file), 1);
}
