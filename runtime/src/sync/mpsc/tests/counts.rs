//! What the ends of a channel say of the others, of values and of room.

use crate::sync::mpsc::{channel, unbounded_channel};

#[test]
fn each_end_of_a_bounded_channel_counts_senders_room_and_values() {
    let (sender, mut receiver) = channel(7);
    let (second, third) = (sender.clone(), sender.clone());
    let (weak, other) = (sender.downgrade(), sender.downgrade());
    assert_eq!((sender.strong_count(), weak.strong_count(), receiver.sender_strong_count()), (3, 3, 3));
    assert_eq!((sender.weak_count(), weak.weak_count(), receiver.sender_weak_count()), (2, 2, 2));
    drop((third, other));
    assert_eq!((sender.strong_count(), weak.strong_count(), receiver.sender_strong_count()), (2, 2, 2));
    assert_eq!((sender.weak_count(), weak.weak_count(), receiver.sender_weak_count()), (1, 1, 1));
    let third_weak = weak.clone();
    assert_eq!(sender.weak_count(), 2);
    drop(third_weak);

    assert!(receiver.is_empty());
    for value in 0..3 {
        sender.try_send(value).unwrap();
    }
    let permits = second.try_reserve_many(2).unwrap();
    assert_eq!((permits.len(), permits.size_hint()), (2, (2, Some(2))));
    assert_eq!((receiver.len(), receiver.is_empty()), (3, false));
    assert_eq!((sender.capacity(), receiver.capacity()), (2, 2));
    assert_eq!((sender.max_capacity(), receiver.max_capacity()), (7, 7));
    drop(permits);
    assert_eq!((sender.capacity(), receiver.capacity()), (4, 4));
    let mut buffer = Vec::new();
    assert_eq!(receiver.blocking_recv_many(&mut buffer, 2), 2);
    assert_eq!((buffer, receiver.len(), sender.capacity()), (vec![0, 1], 1, 6));

    assert_eq!((sender.is_closed(), receiver.is_closed()), (false, false));
    receiver.close();
    assert_eq!((sender.is_closed(), receiver.is_closed()), (true, true));
}

#[test]
fn each_end_of_an_unbounded_channel_counts_senders_and_values() {
    let (sender, mut receiver) = unbounded_channel();
    let (second, third) = (sender.clone(), sender.clone());
    let (weak, other) = (sender.downgrade(), sender.downgrade());
    assert_eq!((sender.strong_count(), weak.strong_count(), receiver.sender_strong_count()), (3, 3, 3));
    assert_eq!((sender.weak_count(), weak.weak_count(), receiver.sender_weak_count()), (2, 2, 2));
    drop((third, other));
    assert_eq!((second.strong_count(), weak.strong_count(), receiver.sender_strong_count()), (2, 2, 2));
    assert_eq!((second.weak_count(), weak.weak_count(), receiver.sender_weak_count()), (1, 1, 1));

    assert!(receiver.is_empty());
    for value in 0..3 {
        sender.send(value).unwrap();
    }
    assert_eq!((receiver.len(), receiver.is_empty()), (3, false));
    let mut buffer = Vec::new();
    assert_eq!(receiver.blocking_recv_many(&mut buffer, 2), 2);
    assert_eq!((buffer, receiver.len()), (vec![0, 1], 1));

    assert_eq!((sender.is_closed(), receiver.is_closed()), (false, false));
    receiver.close();
    assert_eq!((sender.is_closed(), receiver.is_closed()), (true, true));
    // Weak ones know, too, when there is nobody to be one with.
    drop((sender, second));
    assert_eq!((weak.strong_count(), weak.upgrade().is_none()), (0, true));
}

#[test]
fn senders_and_permits_know_which_channel_is_theirs() {
    let ((one, _one), (other, _other)) = (channel::<()>(3), channel::<()>(3));
    assert_eq!((one.same_channel(&one.clone()), one.same_channel(&other)), (true, false));
    let mine = || one.clone().try_reserve_owned().unwrap();
    let (permit, theirs) = (mine(), other.clone().try_reserve_owned().unwrap());
    assert_eq!((permit.same_channel(&mine()), permit.same_channel(&theirs)), (true, false));
    assert_eq!((permit.same_channel_as_sender(&one), permit.same_channel_as_sender(&other)), (true, false));
    let ((one, _one), (other, _other)) = (unbounded_channel::<()>(), unbounded_channel::<()>());
    assert_eq!((one.same_channel(&one.clone()), one.same_channel(&other)), (true, false));
}
