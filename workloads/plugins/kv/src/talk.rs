//! The client's side of one connection: which keys it asks for, and what must come back.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use workloads::load::tcp::{STREAMS, Talk};
use workloads::record::StreamId;

use crate::resp::Reply;

/// The latency of reads alone.
pub(crate) const STREAM_GET: StreamId = StreamId(STREAMS);
/// The latency of writes alone.
pub(crate) const STREAM_SET: StreamId = StreamId(STREAMS + 1);
/// Values differ from their neighbours by where in the pattern they begin. A prime, so that the beginnings do not
/// repeat in step with sizes that are powers of two.
const BEGINNINGS: u64 = 251;
/// How much of a wrong reply a message shows.
const SHOWN: usize = 80;

/// The keys and their values: a key always has the same one, so that every read can be verified.
#[derive(Debug)]
pub(crate) struct Data {
    keys: u64,
    pattern: Vec<u8>,
    size: usize,
    /// What comes before a value: `$64` and a line's end.
    header: Vec<u8>,
}

impl Data {
    pub(crate) fn new(keys: u64, size: usize, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let pattern = (0..size + BEGINNINGS as usize).map(|_| random.u8(..)).collect();
        Self { keys, pattern, size, header: format!("${size}\r\n").into_bytes() }
    }

    pub(crate) fn keys(&self) -> u64 {
        self.keys
    }

    pub(crate) fn value(&self, key: u64) -> &[u8] {
        &self.pattern[(key % BEGINNINGS) as usize..][..self.size]
    }
}

/// The bytes of a key's name.
pub(crate) const KEY_LEN: usize = 14;

/// The name of a key.
pub(crate) fn key_name(key: u64) -> [u8; KEY_LEN] {
    let mut name = *b"key:0000000000";
    let mut left = key;
    for digit in name[4..].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    name
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Get(u64),
    Set,
}

/// Asks for keys at random.
#[derive(Debug)]
pub(crate) struct Mix {
    data: Arc<Data>,
    get_share: f64,
    random: fastrand::Rng,
    open: VecDeque<Ask>,
    /// How much of the next reply is here.
    matched: usize,
}

impl Mix {
    pub(crate) fn new(data: Arc<Data>, get_share: f64, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { data, get_share, random, open: VecDeque::new(), matched: 0 }
    }
}

impl Talk for Mix {
    fn ask(&mut self, out: &mut Vec<u8>) {
        let key = self.random.u64(..self.data.keys);
        // `f64` is below 1, so that a share of 1 never writes and one of 0 never reads.
        if self.random.f64() < self.get_share {
            out.array(2);
            out.bulk(b"GET");
            out.bulk(&key_name(key));
            self.open.push_back(Ask::Get(key));
        } else {
            out.array(3);
            out.bulk(b"SET");
            out.bulk(&key_name(key));
            out.bulk(self.data.value(key));
            self.open.push_back(Ask::Set);
        }
    }

    fn hear(&mut self, mut bytes: &[u8], mut answered: impl FnMut(Option<StreamId>)) -> Result<(), String> {
        while !bytes.is_empty() {
            let Some(ask) = self.open.front() else { return Err("more than was asked for".to_owned()) };
            let (parts, stream): ([&[u8]; 3], _) = match ask {
                Ask::Get(key) => ([&self.data.header, self.data.value(*key), b"\r\n"], STREAM_GET),
                Ask::Set => ([b"+OK\r\n", b"", b""], STREAM_SET),
            };
            let mut passed = 0;
            for part in parts {
                let from = self.matched - passed;
                passed += part.len();
                if from >= part.len() {
                    continue;
                }
                let n = (part.len() - from).min(bytes.len());
                if bytes[..n] != part[from..from + n] {
                    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
                    return Err(format!("{shown:?}, at byte {} of its reply to {ask:?}", self.matched));
                }
                self.matched += n;
                bytes = &bytes[n..];
                if n < part.len() - from {
                    return Ok(());
                }
            }
            self.open.pop_front();
            self.matched = 0;
            answered(Some(stream));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(get_share: f64) -> (Mix, Arc<Data>) {
        let data = Arc::new(Data::new(100, 16, 3));
        (Mix::new(data.clone(), get_share, 5), data)
    }

    /// Asks so often; the replies that are right.
    fn ask(mix: &mut Mix, times: usize) -> Vec<u8> {
        let mut asked = Vec::new();
        (0..times).for_each(|_| mix.ask(&mut asked));
        let data = mix.data.clone();
        let mut replies = Vec::new();
        for ask in &mix.open {
            match ask {
                Ask::Get(key) => replies.bulk(data.value(*key)),
                Ask::Set => replies.ok(),
            }
        }
        replies
    }

    #[test]
    fn right_replies_in_any_slices_are_heard_in_order() {
        for slice in 1..60 {
            let mut mix = mix(0.5).0;
            let replies = ask(&mut mix, 40);
            let open: Vec<Ask> = mix.open.iter().copied().collect();
            let mut heard = Vec::new();
            replies.chunks(slice).for_each(|part| mix.hear(part, |stream| heard.push(stream)).unwrap());
            let expected: Vec<_> = open
                .iter()
                .map(|ask| Some(if matches!(ask, Ask::Set) { STREAM_SET } else { STREAM_GET }))
                .collect();
            assert_eq!(heard, expected);
            assert!(heard.contains(&Some(STREAM_GET)) && heard.contains(&Some(STREAM_SET)));
        }
    }

    #[test]
    fn a_wrong_byte_anywhere_and_an_error_are_noticed() {
        for wrong in 0..b"$16\r\n".len() + 16 + 2 {
            let mut mix = mix(1.0).0;
            let mut replies = ask(&mut mix, 1);
            replies[wrong] ^= 1;
            assert!(mix.hear(&replies, |_| panic!("wrong")).is_err(), "byte {wrong}");
        }
        let mut writer = mix(0.0).0;
        ask(&mut writer, 1);
        let error = writer.hear(b"-OOM no\r\n", |_| panic!("refused")).unwrap_err();
        assert!(error.contains("OOM no"), "{error}");
    }

    #[test]
    fn keys_have_names_of_one_length() {
        assert_eq!(&key_name(0), b"key:0000000000");
        assert_eq!(&key_name(1_234_567_890), b"key:1234567890");
    }
}
