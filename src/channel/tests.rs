//! How much a channel holds, and in which order it gives it.

use std::collections::VecDeque;

use futures_util::{FutureExt, poll};
use proptest::prelude::*;

use super::*;

const BACKLOG: Backlog = Backlog::new(4, 100);

impl Weighed for Vec<u8> {
    fn bytes(&self) -> usize {
        self.len()
    }
}

fn message(bytes: usize) -> Vec<u8> {
    vec![0; bytes]
}

#[test]
fn a_channel_is_full_by_number_or_by_bytes() {
    for (sizes, more) in [
        (vec![0, 0, 0, 0], 0),
        (vec![25, 25, 25, 25], 1),
        (vec![50, 50], 0),
        (vec![75], 26),
        (vec![1, 75], 0),
        (vec![100], 0),
        (vec![7_000], 0),
        (vec![1], 7_000),
    ] {
        let (sender, mut receiver) = channel(BACKLOG);
        for size in &sizes {
            sender.try_send(message(*size)).unwrap();
        }
        let refused = sender.try_send(message(more));
        assert!(
            matches!(refused, Err(TrySendError::Full(ref untold)) if untold.len() == more),
            "{more} behind {sizes:?}"
        );
        for size in sizes {
            assert_eq!(receiver.try_recv().unwrap().len(), size);
        }
        sender.try_send(message(more)).unwrap();
    }
}

#[tokio::test]
async fn who_sends_waits_for_room_in_turn_and_a_large_message_is_not_passed_by() {
    let (sender, mut receiver) = channel(BACKLOG);
    sender.send(message(60)).await.unwrap();
    let mut large = Box::pin(sender.send(message(7_000)));
    assert!(poll!(&mut large).is_pending());
    let mut small = Box::pin(sender.send(message(1)));
    assert!(poll!(&mut small).is_pending(), "it came later");
    assert_eq!(receiver.recv().await.unwrap().len(), 60);
    assert!(poll!(&mut large).is_ready());
    assert!(poll!(&mut small).is_pending(), "the large one is alone");
    assert_eq!(receiver.recv().await.unwrap().len(), 7_000);
    small.await.unwrap();
    assert_eq!(receiver.recv().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_can_wait_only_so_long_gets_the_message_back() {
    let (sender, mut receiver) = channel(BACKLOG);
    sender.send(message(100)).await.unwrap();
    let second = Duration::from_secs(1);
    let late = sender.send_timeout(message(1), second).await;
    assert!(matches!(late, Err(SendTimeoutError::Timeout(_))));
    receiver.recv().await.unwrap();
    sender.send_timeout(message(1), second).await.unwrap();
    receiver.close();
    let gone = sender.send_timeout(message(1), second).await;
    assert!(matches!(gone, Err(SendTimeoutError::Closed(_))));
}

#[tokio::test]
async fn the_end_of_the_receiver_frees_who_waits_and_what_waits() {
    let (sender, receiver) = channel(BACKLOG);
    sender.send(message(100)).await.unwrap();
    let mut waiting = Box::pin(sender.send(message(1)));
    assert!(poll!(&mut waiting).is_pending());
    drop(receiver);
    assert_eq!(waiting.await.unwrap_err().0.len(), 1);
    assert!(sender.is_closed());
    let refused = sender.try_send(message(1));
    assert!(matches!(refused, Err(TrySendError::Closed(_))));
}

#[tokio::test]
async fn what_waits_in_a_closed_channel_is_received_still() {
    let (sender, mut receiver) = channel(BACKLOG);
    sender.send(message(1)).await.unwrap();
    receiver.close();
    assert_eq!(receiver.recv().await, Some(message(1)));
    assert_eq!(receiver.recv().await, None);
}

#[tokio::test]
async fn only_senders_keep_a_channel_open() {
    let (sender, mut receiver) = channel::<Vec<u8>>(BACKLOG);
    let weak = sender.downgrade();
    weak.upgrade().unwrap().send(message(1)).await.unwrap();
    drop(sender);
    assert!(weak.upgrade().is_none());
    assert_eq!(receiver.recv().await, Some(message(1)));
    assert_eq!(receiver.recv().await, None);
}

proptest! {
    #[test]
    fn whatever_is_sent_and_taken_what_waits_keeps_its_bound_and_its_order(
        acts in prop::collection::vec(prop::option::of(0..150_usize), 0..200),
    ) {
        let (sender, mut receiver) = channel(BACKLOG);
        let mut waiting = VecDeque::new();
        for act in acts {
            if let Some(bytes) = act {
                if sender.try_send(message(bytes)).is_ok() {
                    waiting.push_back(bytes);
                } else {
                    prop_assert!(!waiting.is_empty(), "{bytes} pass alone");
                }
            } else {
                let taken = receiver.recv().now_or_never().flatten();
                prop_assert_eq!(taken.map(|it| it.len()), waiting.pop_front());
            }
            let bytes: usize = waiting.iter().sum();
            prop_assert!(waiting.len() <= 4 && (bytes <= 100 || waiting.len() == 1));
        }
    }
}
