//! What the commands do.
//!
//! Names, arguments and replies are those of the Redis command reference; what is not here is refused by name.
//!
//! Next file to read: `server.rs`.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::resp::{Reply, integer};
use crate::store::{Entry, Store};

/// The longest time to live, in milliseconds: some 292 years, so that no instant overflows.
const MAX_TTL_MS: i64 = i64::MAX / 1_000_000;
/// The longest argument that an error repeats.
const MAX_ECHO: usize = 64;

/// The arguments of one command, its name first.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) ranges: &'a [Range<usize>],
}

impl<'a> Args<'a> {
    fn len(&self) -> usize {
        self.ranges.len()
    }

    fn get(&self, i: usize) -> &'a [u8] {
        &self.bytes[self.ranges[i].clone()]
    }

    fn from(self, first: usize) -> impl Iterator<Item = &'a [u8]> {
        self.ranges[first..].iter().map(move |range| &self.bytes[range.clone()])
    }

    fn is(&self, i: usize, word: &str) -> bool {
        i < self.len() && self.get(i).eq_ignore_ascii_case(word.as_bytes())
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) store: Store,
    started: Instant,
    clients: AtomicU64,
    clients_ever: AtomicU64,
}

impl Database {
    pub(crate) fn new(max_memory: usize) -> Self {
        let (clients, clients_ever) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { store: Store::new(max_memory), started: Instant::now(), clients, clients_ever }
    }

    /// A new connection's side; it counts as a client until it is dropped.
    pub(crate) fn client(&self) -> Client<'_> {
        self.clients.fetch_add(1, Ordering::Relaxed);
        let id = self.clients_ever.fetch_add(1, Ordering::Relaxed) + 1;
        Client { database: self, id, name: Vec::new() }
    }
}

/// One connection's side of the database.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    database: &'a Database,
    id: u64,
    name: Vec<u8>,
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.database.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Go,
    Close,
}

/// Why a command was not obeyed.
enum Refused {
    /// With another number of arguments it would have been.
    Arity,
    Unknown,
    Syntax,
    NotAnInteger,
    Overflow,
    Expire,
    OutOfMemory,
    Other(&'static str),
}

type Outcome = Result<(), Refused>;

/// Names, the fewest and the most arguments behind the name, and what the command does.
type Command = (&'static str, usize, usize, fn(&mut Client<'_>, Args<'_>, Instant, &mut Vec<u8>) -> Outcome);

const ANY: usize = usize::MAX;
/// The busiest first: they are looked up in this order.
const COMMANDS: &[Command] = &[
    ("GET", 1, 1, get),
    ("SET", 2, ANY, set),
    ("PING", 0, 1, ping),
    ("INCR", 1, 1, |client, args, now, out| add(client, args, 1, now, out)),
    ("DECR", 1, 1, |client, args, now, out| add(client, args, -1, now, out)),
    ("MGET", 1, ANY, mget),
    ("MSET", 2, ANY, mset),
    ("DEL", 1, ANY, del),
    ("UNLINK", 1, ANY, del),
    ("EXISTS", 1, ANY, exists),
    ("INCRBY", 2, 2, incrby),
    ("DECRBY", 2, 2, decrby),
    ("EXPIRE", 2, 2, |client, args, now, out| expire(client, args, 1000, now, out)),
    ("PEXPIRE", 2, 2, |client, args, now, out| expire(client, args, 1, now, out)),
    ("TTL", 1, 1, |client, args, now, out| ttl(client, args, 1000, now, out)),
    ("PTTL", 1, 1, |client, args, now, out| ttl(client, args, 1, now, out)),
    ("PERSIST", 1, 1, persist),
    ("ECHO", 1, 1, echo),
    ("DBSIZE", 0, 0, dbsize),
    ("FLUSHALL", 0, 1, flush),
    ("FLUSHDB", 0, 1, flush),
    ("SELECT", 1, 1, select),
    ("INFO", 0, ANY, info),
    ("CONFIG", 1, ANY, config),
    ("COMMAND", 0, ANY, command),
    ("CLIENT", 1, ANY, client_info),
];

/// Obeys one command, and puts its reply behind `out`.
pub(crate) fn execute(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Then {
    if args.is(0, "QUIT") {
        out.ok();
        return Then::Close;
    }
    let found = COMMANDS.iter().find(|(name, ..)| args.is(0, name));
    let outcome = found.ok_or(Refused::Unknown).and_then(|(_, least, most, run)| {
        let fits = (*least..=*most).contains(&(args.len() - 1));
        if fits { run(client, args, now, out) } else { Err(Refused::Arity) }
    });
    if let Err(refused) = outcome {
        refuse(refused, &args, out);
    }
    Then::Go
}

fn refuse(refused: Refused, args: &Args<'_>, out: &mut Vec<u8>) {
    let shown = |i: usize| -> String {
        let text = String::from_utf8_lossy(&args.get(i)[..args.get(i).len().min(MAX_ECHO)]).into_owned();
        // A reply is one line.
        text.replace(|char: char| char.is_control(), " ")
    };
    match refused {
        Refused::Unknown => out.error(format_args!("ERR unknown command '{}'", shown(0))),
        Refused::Arity => out.error(format_args!(
            "ERR wrong number of arguments for '{}' command",
            shown(0).to_ascii_lowercase()
        )),
        Refused::Syntax => out.error("ERR syntax error"),
        Refused::NotAnInteger => out.error("ERR value is not an integer or out of range"),
        Refused::Overflow => out.error("ERR increment or decrement would overflow"),
        Refused::Expire => {
            out.error(format_args!("ERR invalid expire time in '{}' command", shown(0).to_ascii_lowercase()));
        }
        Refused::OutOfMemory => out.error("OOM command not allowed when used memory > 'maxmemory'."),
        Refused::Other(text) => out.error(text),
    }
}

fn ping(_: &mut Client<'_>, args: Args<'_>, _: Instant, out: &mut Vec<u8>) -> Outcome {
    match args.len() {
        1 => out.simple("PONG"),
        _ => out.bulk(args.get(1)),
    }
    Ok(())
}

fn echo(_: &mut Client<'_>, args: Args<'_>, _: Instant, out: &mut Vec<u8>) -> Outcome {
    out.bulk(args.get(1));
    Ok(())
}

fn get(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    read(client, args.get(1), now, out);
    Ok(())
}

fn read(client: &Client<'_>, key: &[u8], now: Instant, out: &mut Vec<u8>) {
    match client.database.store.shard(key, now).get(key) {
        Some(entry) => out.bulk(&entry.value),
        None => out.null(),
    }
}

fn mget(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    out.array(args.len() - 1);
    args.from(1).for_each(|key| read(client, key, now, out));
    Ok(())
}

/// What `SET` may be told beside the value.
#[derive(Default)]
struct SetOptions {
    ttl_ms: Option<i64>,
    only_new: bool,
    only_old: bool,
    keep_ttl: bool,
    answer_old: bool,
}

impl SetOptions {
    fn parse(args: Args<'_>) -> Result<Self, Refused> {
        let mut options = Self::default();
        let mut i = 3;
        while i < args.len() {
            let unit = if args.is(i, "EX") { Some(1000) } else { args.is(i, "PX").then_some(1) };
            if args.is(i, "NX") && !options.only_old {
                options.only_new = true;
            } else if args.is(i, "XX") && !options.only_new {
                options.only_old = true;
            } else if args.is(i, "GET") {
                options.answer_old = true;
            } else if args.is(i, "KEEPTTL") && options.ttl_ms.is_none() {
                options.keep_ttl = true;
            } else if let Some(unit) =
                unit.filter(|_| options.ttl_ms.is_none() && !options.keep_ttl && i + 1 < args.len())
            {
                options.ttl_ms = Some(milliseconds(args.get(i + 1), unit)?).filter(|ms| *ms > 0);
                options.ttl_ms.ok_or(Refused::Expire)?;
                i += 1;
            } else {
                return Err(Refused::Syntax);
            }
            i += 1;
        }
        Ok(options)
    }
}

fn set(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    let (key, value, store) = (args.get(1), args.get(2), &client.database.store);
    let SetOptions { ttl_ms, only_new, only_old, keep_ttl, answer_old } = SetOptions::parse(args)?;
    let mut expires = ttl_ms.map(|ms| now + Duration::from_millis(ms as u64));
    if !(only_new || only_old || keep_ttl || answer_old) {
        store.set(key, Entry { value: value.to_vec(), expires }, now).map_err(|_| Refused::OutOfMemory)?;
        out.ok();
        return Ok(());
    }
    let mut shard = store.shard(key, now);
    let old = shard.get(key);
    let is_old = old.is_some();
    let mut answer = Vec::new();
    match old {
        Some(old) if answer_old => answer.bulk(&old.value),
        None if answer_old => answer.null(),
        _ => {}
    }
    if keep_ttl {
        expires = old.and_then(|old| old.expires);
    }
    let obey = !(only_new && is_old || only_old && !is_old);
    if obey {
        shard.set(key, Entry { value: value.to_vec(), expires }).map_err(|_| Refused::OutOfMemory)?;
    }
    match (answer_old, obey) {
        (true, _) => out.append(&mut answer),
        (false, true) => out.ok(),
        (false, false) => out.null(),
    }
    Ok(())
}

fn mset(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    if args.len().is_multiple_of(2) {
        return Err(Refused::Arity);
    }
    for (key, value) in args.from(1).step_by(2).zip(args.from(2).step_by(2)) {
        let entry = Entry { value: value.to_vec(), expires: None };
        client.database.store.set(key, entry, now).map_err(|_| Refused::OutOfMemory)?;
    }
    out.ok();
    Ok(())
}

fn del(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    let store = &client.database.store;
    let deleted = args.from(1).filter(|key| store.shard(key, now).remove(key)).count();
    out.number(deleted as i64);
    Ok(())
}

fn exists(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    let store = &client.database.store;
    out.number(args.from(1).filter(|key| store.shard(key, now).get(key).is_some()).count() as i64);
    Ok(())
}

fn incrby(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    add(client, args, integer(args.get(2)).ok_or(Refused::NotAnInteger)?, now, out)
}

fn decrby(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    let by = integer(args.get(2)).ok_or(Refused::NotAnInteger)?;
    add(client, args, by.checked_neg().ok_or(Refused::Overflow)?, now, out)
}

fn add(client: &mut Client<'_>, args: Args<'_>, by: i64, now: Instant, out: &mut Vec<u8>) -> Outcome {
    let key = args.get(1);
    let mut shard = client.database.store.shard(key, now);
    let (old, expires) = match shard.get(key) {
        Some(entry) => (integer(&entry.value).ok_or(Refused::NotAnInteger)?, entry.expires),
        None => (0, None),
    };
    let sum = old.checked_add(by).ok_or(Refused::Overflow)?;
    let entry = Entry { value: sum.to_string().into_bytes(), expires };
    shard.set(key, entry).map_err(|_| Refused::OutOfMemory)?;
    out.number(sum);
    Ok(())
}

/// So many units as milliseconds; refused where no instant is so far away.
fn milliseconds(text: &[u8], unit: i64) -> Result<i64, Refused> {
    let n = integer(text).ok_or(Refused::NotAnInteger)?;
    n.checked_mul(unit).filter(|ms| *ms <= MAX_TTL_MS).ok_or(Refused::Expire)
}

fn expire(client: &mut Client<'_>, args: Args<'_>, unit: i64, now: Instant, out: &mut Vec<u8>) -> Outcome {
    let (key, ms) = (args.get(1), milliseconds(args.get(2), unit)?);
    let mut shard = client.database.store.shard(key, now);
    let was_there = match u64::try_from(ms) {
        Ok(ms) if ms > 0 => shard.expire(key, Some(now + Duration::from_millis(ms))),
        // In the past: at once.
        _ => shard.remove(key),
    };
    out.number(i64::from(was_there));
    Ok(())
}

fn persist(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    let key = args.get(1);
    let mut shard = client.database.store.shard(key, now);
    let had_an_end = shard.get(key).is_some_and(|entry| entry.expires.is_some());
    out.number(i64::from(had_an_end && shard.expire(key, None)));
    Ok(())
}

fn ttl(client: &mut Client<'_>, args: Args<'_>, unit: u128, now: Instant, out: &mut Vec<u8>) -> Outcome {
    let key = args.get(1);
    out.number(match client.database.store.shard(key, now).get(key).map(|entry| entry.left(now)) {
        None => -2,
        Some(None) => -1,
        // To the nearest unit, as the reference implementation rounds.
        Some(Some(left)) => i64::try_from((left.as_millis() + unit / 2) / unit).unwrap_or(i64::MAX),
    });
    Ok(())
}

fn dbsize(client: &mut Client<'_>, _: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    out.number(client.database.store.len(now) as i64);
    Ok(())
}

fn flush(client: &mut Client<'_>, args: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    if args.len() == 2 && !args.is(1, "SYNC") && !args.is(1, "ASYNC") {
        return Err(Refused::Syntax);
    }
    client.database.store.clear(now);
    out.ok();
    Ok(())
}

fn select(_: &mut Client<'_>, args: Args<'_>, _: Instant, out: &mut Vec<u8>) -> Outcome {
    match integer(args.get(1)) {
        Some(0) => out.ok(),
        Some(_) => return Err(Refused::Other("ERR DB index is out of range")),
        None => return Err(Refused::NotAnInteger),
    }
    Ok(())
}

fn info(client: &mut Client<'_>, _: Args<'_>, now: Instant, out: &mut Vec<u8>) -> Outcome {
    let database = client.database;
    let mut text = String::new();
    let lines: [(&str, &str, u64); 6] = [
        ("# Server\r\n", "process_id", u64::from(std::process::id())),
        ("", "uptime_in_seconds", now.saturating_duration_since(database.started).as_secs()),
        ("\r\n# Clients\r\n", "connected_clients", database.clients.load(Ordering::Relaxed)),
        ("", "total_connections_received", database.clients_ever.load(Ordering::Relaxed)),
        ("\r\n# Memory\r\n", "used_memory", database.store.used_memory() as u64),
        ("", "maxmemory", database.store.max_memory() as u64),
    ];
    for (heading, name, value) in lines {
        let _ = write!(text, "{heading}{name}:{value}\r\n");
    }
    let _ = write!(text, "\r\n# Keyspace\r\ndb0:keys={}\r\n", database.store.len(now));
    out.bulk(text.as_bytes());
    Ok(())
}

fn config(client: &mut Client<'_>, args: Args<'_>, _: Instant, out: &mut Vec<u8>) -> Outcome {
    if !args.is(1, "GET") || args.len() < 3 {
        return Err(Refused::Other("ERR only CONFIG GET with a name is supported"));
    }
    let memory = client.database.store.max_memory().to_string();
    let known = [("save", ""), ("appendonly", "no"), ("databases", "1"), ("maxmemory", memory.as_str())];
    let asked = |name: &str| args.from(2).any(|ask| ask == b"*" || ask.eq_ignore_ascii_case(name.as_bytes()));
    let found: Vec<_> = known.iter().filter(|(name, _)| asked(name)).collect();
    out.array(2 * found.len());
    for (name, value) in found {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    }
    Ok(())
}

fn command(_: &mut Client<'_>, args: Args<'_>, _: Instant, out: &mut Vec<u8>) -> Outcome {
    match args.is(1, "COUNT") {
        true => out.number(COMMANDS.len() as i64 + 1),
        // Clients take no descriptions for: complete nothing, and ask nothing.
        false => out.array(0),
    }
    Ok(())
}

fn client_info(client: &mut Client<'_>, args: Args<'_>, _: Instant, out: &mut Vec<u8>) -> Outcome {
    match args.len() {
        2 if args.is(1, "ID") => out.number(client.id as i64),
        2 if args.is(1, "GETNAME") && client.name.is_empty() => out.null(),
        2 if args.is(1, "GETNAME") => out.bulk(&client.name),
        3 if args.is(1, "SETNAME") => {
            client.name = args.get(2).to_vec();
            out.ok();
        }
        4 if args.is(1, "SETINFO") => out.ok(),
        _ => return Err(Refused::Other("ERR only CLIENT ID, GETNAME, SETNAME and SETINFO are supported")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends lines of words to one client, each at its second, and compares the replies.
    fn talk(lines: &[(u64, &str, &str)]) {
        let database = Database::new(1 << 20);
        let mut client = database.client();
        let start = Instant::now();
        for (second, line, expected) in lines {
            let bytes = format!("{line}\n");
            let mut ranges = Vec::new();
            crate::resp::command(bytes.as_bytes(), &mut ranges).unwrap().unwrap();
            let args = Args { bytes: bytes.as_bytes(), ranges: &ranges };
            let mut out = Vec::new();
            execute(&mut client, args, start + Duration::from_secs(*second), &mut out);
            let reply = String::from_utf8(out).unwrap().replace("\r\n", " ");
            assert_eq!(reply.trim_end(), *expected, "{line} at {second}");
        }
    }

    #[test]
    fn keys_are_set_read_counted_and_deleted() {
        talk(&[
            (0, "ping", "+PONG"),
            (0, "PING hello", "$5 hello"),
            (0, "ECHO hello", "$5 hello"),
            (0, "GET a", "$-1"),
            (0, "SET a 1", "+OK"),
            (0, "get a", "$1 1"),
            (0, "MSET b 2 c 3", "+OK"),
            (0, "MGET a x c", "*3 $1 1 $-1 $1 3"),
            (0, "EXISTS a a x", ":2"),
            (0, "DBSIZE", ":3"),
            (0, "DEL a b x", ":2"),
            (0, "FLUSHALL", "+OK"),
            (0, "DBSIZE", ":0"),
        ]);
    }

    #[test]
    fn numbers_are_added_to() {
        talk(&[
            (0, "INCR n", ":1"),
            (0, "INCRBY n 41", ":42"),
            (0, "DECR n", ":41"),
            (0, "DECRBY n 50", ":-9"),
            (0, "SET n 9223372036854775807", "+OK"),
            (0, "INCR n", "-ERR increment or decrement would overflow"),
            (0, "GET n", "$19 9223372036854775807"),
            (0, "DECRBY n -9223372036854775808", "-ERR increment or decrement would overflow"),
            (0, "SET n x", "+OK"),
            (0, "INCR n", "-ERR value is not an integer or out of range"),
            (0, "INCRBY m 1.5", "-ERR value is not an integer or out of range"),
        ]);
    }

    #[test]
    fn keys_end_when_their_time_is_over() {
        talk(&[
            (0, "SET a 1 EX 10", "+OK"),
            (0, "SET b 1 PX 10000", "+OK"),
            (0, "SET c 1", "+OK"),
            (1, "TTL a", ":9"),
            (1, "PTTL b", ":9000"),
            (1, "TTL c", ":-1"),
            (1, "TTL x", ":-2"),
            (1, "EXPIRE c 5", ":1"),
            (1, "EXPIRE x 5", ":0"),
            (5, "GET c", "$1 1"),
            (6, "GET c", "$-1"),
            (6, "PERSIST a", ":1"),
            (6, "PERSIST a", ":0"),
            (9, "INCR b", ":2"),
            (10, "MGET a b", "*2 $1 1 $-1"),
            (10, "EXPIRE a 0", ":1"),
            (10, "DBSIZE", ":0"),
            (10, "SET a 1 EX 0", "-ERR invalid expire time in 'set' command"),
            (10, "SET a 1 EX 9223372036854775807", "-ERR invalid expire time in 'set' command"),
            (10, "SET a 1 EX x", "-ERR value is not an integer or out of range"),
        ]);
    }

    #[test]
    fn set_obeys_its_conditions() {
        talk(&[
            (0, "SET a 1 XX", "$-1"),
            (0, "SET a 1 NX EX 10", "+OK"),
            (0, "SET a 2 NX", "$-1"),
            (0, "SET a 2 XX GET", "$1 1"),
            (0, "TTL a", ":-1"),
            (0, "SET a 3 PX 5000", "+OK"),
            (0, "SET a 4 KEEPTTL", "+OK"),
            (0, "TTL a", ":5"),
            (0, "SET a 5 NX GET", "$1 4"),
            (0, "SET new 5 NX GET", "$-1"),
            (0, "MGET a new", "*2 $1 4 $1 5"),
            (0, "SET a 5 NX XX", "-ERR syntax error"),
            (0, "SET a 5 EX 1 PX 1", "-ERR syntax error"),
            (0, "SET a 5 EX", "-ERR syntax error"),
            (0, "SET a 5 what", "-ERR syntax error"),
            (0, "GET a", "$1 4"),
        ]);
    }

    #[test]
    fn what_clients_ask_at_their_start_is_answered() {
        talk(&[
            (0, "CONFIG GET save", "*2 $4 save $0"),
            (0, "config get appendonly", "*2 $10 appendonly $2 no"),
            (0, "CONFIG SET save x", "-ERR only CONFIG GET with a name is supported"),
            (0, "COMMAND DOCS", "*0"),
            (0, "SELECT 0", "+OK"),
            (0, "SELECT 1", "-ERR DB index is out of range"),
            (0, "CLIENT GETNAME", "$-1"),
            (0, "CLIENT SETNAME me", "+OK"),
            (0, "CLIENT GETNAME", "$2 me"),
            (0, "CLIENT ID", ":1"),
            (0, "CLIENT SETINFO LIB-NAME x", "+OK"),
            (0, "QUIT", "+OK"),
        ]);
    }

    #[test]
    fn what_cannot_be_obeyed_is_refused_by_name() {
        talk(&[
            (0, "LPUSH list 1", "-ERR unknown command 'LPUSH'"),
            (0, "GET", "-ERR wrong number of arguments for 'get' command"),
            (0, "GET a b", "-ERR wrong number of arguments for 'get' command"),
            (0, "MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ]);
        let database = Database::new(1000);
        let bytes = [&b"SETkey"[..], &[0; 1000]].concat();
        let mut out = Vec::new();
        let args = Args { bytes: &bytes, ranges: &[0..3, 3..6, 6..1006] };
        execute(&mut database.client(), args, Instant::now(), &mut out);
        assert!(out.starts_with(b"-OOM "));
        out.clear();
        let args = Args { bytes: b"GET\r\n", ranges: std::slice::from_ref(&(0..5)) };
        execute(&mut database.client(), args, Instant::now(), &mut out);
        assert_eq!(out, b"-ERR unknown command 'GET  '\r\n", "one line");
    }

    #[test]
    fn clients_are_counted_while_they_live() {
        let database = Database::new(1000);
        let (first, second) = (database.client(), database.client());
        drop(first);
        assert_eq!(second.id, 2);
        assert_eq!(database.clients.load(Ordering::Relaxed), 1);
    }
}
