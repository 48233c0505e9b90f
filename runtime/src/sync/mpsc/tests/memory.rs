//! How much memory channels take: it is counted by the tests' own allocator, for each thread.

use crate::sync::mpsc::block::Block;
use crate::sync::mpsc::{channel, unbounded_channel};

#[test]
fn blocks_take_a_kilobyte_or_four_values() {
    assert_eq!((Block::<()>::CAPACITY, Block::<u64>::CAPACITY), (32, 32));
    assert_eq!((Block::<[u8; 64]>::CAPACITY, Block::<[u8; 100]>::CAPACITY), (16, 8));
    assert_eq!((Block::<[u8; 256]>::CAPACITY, Block::<[u8; 5000]>::CAPACITY), (4, 4));
}

#[test]
fn ends_are_small() {
    let (sender, receiver) = channel::<u64>(1);
    assert_eq!(size_of_val(&sender), 8);
    assert!(size_of_val(&receiver) <= 56);
    let (sender, receiver) = unbounded_channel::<[u64; 100]>();
    assert_eq!(size_of_val(&sender), 8);
    assert!(size_of_val(&receiver) <= 56);
}
