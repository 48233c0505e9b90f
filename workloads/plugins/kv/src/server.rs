//! The server: the side that runs on the runtime under test.
//!
//! Next file to read: `talk.rs`.
#![forbid(unsafe_code)]

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use workloads::record::{Counter, StreamId};
use workloads::rt::io::{AsyncReadExt, AsyncWriteExt};
use workloads::rt::net::TcpStream;
use workloads::workload::Run;

use crate::command::{Args, Database, Then, execute};
use crate::resp::{self, MAX_COMMAND, Reply};

/// The bytes that one read takes at most, unless a command is longer.
const BUFFER: usize = 16 << 10;
/// A buffer that grew beyond this for a long command is given back once it is empty.
const KEPT: usize = 256 << 10;
/// Replies are sent on once there are so many bytes of them.
const FLUSH: usize = 64 << 10;

/// Where a server that has no load beside it records what it does, once the clock runs.
pub(crate) type Observer = Option<Arc<OnceLock<Run>>>;

/// One connection, until either side ends it.
pub(crate) async fn converse(mut stream: TcpStream, database: Arc<Database>, observer: Observer) {
    let mut client = database.client();
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    let (mut ranges, mut out) = (Vec::new(), Vec::new());
    while let Ok(n @ 1..) = stream.read(&mut buffer[filled..]).await {
        filled += n;
        let now = Instant::now();
        let (mut used, mut commands) = (0, 0);
        let mut then = Then::Go;
        while then == Then::Go {
            let bytes = &buffer[used..filled];
            match resp::command(bytes, &mut ranges) {
                Ok(Some(length)) => {
                    if !ranges.is_empty() {
                        then = execute(&mut client, Args { bytes, ranges: &ranges }, now, &mut out);
                        commands += 1;
                    }
                    used += length;
                }
                Ok(None) => break,
                Err(malformed) => {
                    out.error(format_args!("ERR Protocol error: {malformed}"));
                    then = Then::Close;
                }
            }
            if out.len() >= FLUSH && send(&mut stream, &mut out).await.is_err() {
                return;
            }
        }
        if send(&mut stream, &mut out).await.is_err() {
            return;
        }
        if let Some(run) = observer.as_ref().and_then(|observer| observer.get()) {
            let arrived = run.window.at(now);
            let mut pen = run.recorder.pen();
            for counter in [Counter::PLANNED, Counter::STARTED, Counter::COMPLETED] {
                pen.count_n(arrived, counter, commands);
            }
            pen.record(arrived, StreamId(0), run.window.now().saturating_sub(arrived));
        }
        if then == Then::Close {
            return;
        }
        make_room(&mut buffer, used, &mut filled);
    }
}

/// Moves what is not used to the front, and doubles the buffer where that is all of it.
fn make_room(buffer: &mut Vec<u8>, used: usize, filled: &mut usize) {
    buffer.copy_within(used..*filled, 0);
    *filled -= used;
    if *filled == buffer.len() {
        buffer.resize((2 * buffer.len()).min(MAX_COMMAND), 0);
    } else if *filled == 0 && buffer.len() > KEPT {
        buffer.truncate(BUFFER);
        buffer.shrink_to_fit();
    }
}

async fn send(stream: &mut TcpStream, out: &mut Vec<u8>) -> std::io::Result<()> {
    let sent = stream.write_all(out).await;
    out.clear();
    out.shrink_to(2 * FLUSH);
    sent
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use workloads::rt::net::TcpListener;
    use workloads::rt::runtime::Runtime;

    use super::*;

    /// Sends each part by itself to a fresh server, and returns all that it says until it ends the conversation.
    fn say(parts: &[&[u8]]) -> String {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            workloads::rt::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                converse(stream, Arc::new(Database::new(64 << 20)), None).await;
            });
            let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
            let answers = workloads::rt::spawn(async move {
                let mut said = Vec::new();
                // A server that closes with unread bytes resets the connection; what it said before is here.
                let _ = read.read_to_end(&mut said).await;
                String::from_utf8(said).unwrap()
            });
            for part in parts {
                if write.write_all(part).await.is_err() {
                    break;
                }
                workloads::rt::task::yield_now().await;
            }
            answers.await.unwrap()
        })
    }

    #[test]
    fn pipelined_split_and_inline_commands_are_answered_in_order() {
        let whole: &[u8] =
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nv1\r\nGET k\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nx\r\nQUIT\r\n";
        let expected = "+OK\r\n$2\r\nv1\r\n$-1\r\n+OK\r\n";
        assert_eq!(say(&[whole]), expected);
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(say(&bytes), expected);
    }

    #[test]
    fn large_values_and_long_pipelines_fit() {
        let mut sent = Vec::new();
        sent.array(3);
        sent.bulk(b"SET");
        sent.bulk(b"k");
        sent.bulk(&vec![b'x'; resp::MAX_BULK]);
        let gets = b"GET k\r\n".repeat(20);
        let said = say(&[&sent, &gets, b"QUIT\r\n"]);
        let reply = format!("${}\r\n{}\r\n", resp::MAX_BULK, "x".repeat(resp::MAX_BULK));
        assert_eq!(said.len(), "+OK\r\n".len() * 2 + 20 * reply.len());
        assert!(said.starts_with("+OK\r\n$1048576\r\nxx") && said.ends_with("xx\r\n+OK\r\n"));
    }

    #[test]
    fn a_malformed_command_is_told_and_ends_the_conversation() {
        assert_eq!(say(&[b"PING\r\n*1\r\n!"]), "+PONG\r\n-ERR Protocol error: expected '$'\r\n");
    }

    #[test]
    fn the_buffer_grows_for_a_long_command_and_shrinks_again() {
        let mut buffer = vec![1; BUFFER];
        let mut filled = BUFFER;
        make_room(&mut buffer, 0, &mut filled);
        assert_eq!((buffer.len(), filled), (2 * BUFFER, BUFFER));
        make_room(&mut buffer, BUFFER, &mut filled);
        assert_eq!((buffer.len(), filled), (2 * BUFFER, 0));
        let mut buffer = vec![1; 2 * KEPT];
        let mut filled = 2 * KEPT;
        make_room(&mut buffer, 2 * KEPT, &mut filled);
        assert_eq!((buffer.len(), filled), (BUFFER, 0));
    }
}
