//! What the ends of a watch channel and the permits of a semaphore say of the others.

use crate::base::prim::PlainArc as Arc;
use crate::sync::{Semaphore, watch};

#[test]
fn each_end_of_a_watch_channel_counts_the_others_and_knows_its_own() {
    let ((one, first), (other, theirs)) = (watch::channel(()), watch::channel(()));
    let (two, second, third) = (one.clone(), first.clone(), one.subscribe());
    assert_eq!((one.sender_count(), one.receiver_count()), (2, 3));
    assert_eq!((one.same_channel(&two), one.same_channel(&other)), (true, false));
    assert_eq!((first.same_channel(&third), first.same_channel(&theirs)), (true, false));
    drop((two, second));
    assert_eq!((one.sender_count(), one.receiver_count()), (1, 2));
    assert!(!one.is_closed());
    drop((first, third));
    assert_eq!((one.sender_count(), one.receiver_count(), one.is_closed()), (1, 0, true));
}

#[test]
fn permits_know_how_many_they_are() {
    let semaphore = Arc::new(Semaphore::new(20));
    let mut permit = semaphore.try_acquire_many(5).unwrap();
    let mut owned = semaphore.clone().try_acquire_many_owned(7).unwrap();
    assert_eq!((permit.num_permits(), owned.num_permits(), semaphore.available_permits()), (5, 7, 8));
    let (part, owned_part) = (permit.split(2).unwrap(), owned.split(3).unwrap());
    assert_eq!((permit.num_permits(), part.num_permits()), (3, 2));
    assert_eq!((owned.num_permits(), owned_part.num_permits()), (4, 3));
    assert!(permit.split(4).is_none() && owned.split(5).is_none());
    assert_eq!((permit.num_permits(), owned.num_permits()), (3, 4), "too many: they are left as they were");
    permit.merge(part);
    owned.merge(owned_part);
    assert_eq!((permit.num_permits(), owned.num_permits()), (5, 7));
    drop(permit);
    assert_eq!(semaphore.available_permits(), 13);
    owned.forget();
    assert_eq!((semaphore.forget_permits(3), semaphore.available_permits()), (3, 10));
    assert_eq!(
        (semaphore.forget_permits(30), semaphore.available_permits()),
        (10, 0),
        "no more than there are"
    );
}
