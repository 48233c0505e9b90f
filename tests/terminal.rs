//! What the program writes to a real terminal: a bar where escapes are obeyed, plain lines where they are not.
#![forbid(unsafe_code)]

mod support;

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use support::{SHORT, says_too_short, with_a_window};
use tempfile::TempDir;

/// Runs the server's profile with both outputs on a terminal of 80 columns, and gives what came there.
fn on_a_terminal(environment: &[(&str, &str)], args: &[&str]) -> String {
    with_a_window(SHORT, |window| {
        let (code, text) = on_a_terminal_for(window, environment, args);
        (!says_too_short(&text)).then(|| {
            assert_eq!(code, Some(0), "{text:?}");
            text
        })
    })
}

/// The same with a window of this length: the exit code, and what came to the terminal.
fn on_a_terminal_for(window: &str, environment: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let keeper = openpt(flags).unwrap();
    grantpt(&keeper).unwrap();
    unlockpt(&keeper).unwrap();
    let terminal = File::from(ioctl_tiocgptpeer(&keeper, flags).unwrap());
    tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let dir = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtbench"));
    command.current_dir(dir.path()).stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("RUST_LOG");
    command.args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/configs/server.toml")]);
    command.args(["--warmup", "0s", "--duration", window]).args(args).envs(environment.iter().copied());
    command.stdout(terminal.try_clone().unwrap()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    // The last holders of the terminal's end are the command and the child then.
    drop(command);
    let mut keeper = File::from(keeper);
    let reader = thread::spawn(move || {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        // A terminal that nobody holds any more ends with an error.
        while let Ok(read @ 1..) = keeper.read(&mut buffer) {
            all.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    (child.wait().unwrap().code(), reader.join().unwrap())
}

/// The codes of colours and weights.
fn colors(text: &str) -> Vec<&str> {
    let sequences = text.split("\x1b[").skip(1);
    let codes = sequences.filter_map(|rest| rest.split_once('m').map(|(code, _)| code));
    codes.filter(|code| code.chars().all(|c| c.is_ascii_digit() || c == ';')).collect()
}

#[test]
fn a_terminal_gets_a_bar_and_colours() {
    let text = on_a_terminal(&[("TERM", "xterm-256color")], &[]);
    assert!(text.contains('\x1b') && !colors(&text).is_empty(), "{text:?}");
    assert!(!text.contains("\necho: measuring"), "a bar instead of lines: {text:?}");
}

#[test]
fn a_dumb_terminal_gets_lines_and_no_escapes() {
    let text = on_a_terminal(&[("TERM", "dumb")], &["-v"]);
    assert!(!text.contains('\x1b'), "{text:?}");
    assert!(text.contains("echo: measuring ") && text.contains("report: "), "{text:?}");
}

#[test]
fn no_color_leaves_the_bar_and_takes_the_colours() {
    let text = on_a_terminal(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], &["-v"]);
    assert_eq!(colors(&text), Vec::<&str>::new(), "{text:?}");
    assert!(text.contains('\x1b'), "the bar moves the cursor: {text:?}");
}

#[test]
fn events_stand_above_the_bar_on_lines_of_their_own() {
    let text = on_a_terminal(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], &["-v"]);
    let lines: Vec<_> = text.lines().filter(|line| line.contains(" INFO rtbench")).collect();
    assert!(lines.len() >= 4, "{text:?}");
    for line in lines {
        // What stands before it on its line is the clearing of the bar.
        let before = line.split(" INFO rtbench").next().unwrap();
        let shown = before.rsplit(['\r', 'K', 'G', 'A']).next().unwrap();
        assert!(shown.trim().parse::<f64>().is_ok(), "{line:?}");
    }
}
