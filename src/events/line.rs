//! One event as a line: for people, and for programs.
//!
//! Next file to read: `../report/mod.rs`.
#![forbid(unsafe_code)]

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use workloads::wire::{Event, EventLevel};

use crate::report::units;

/// `12.345  WARN echo runtime::stuck_poll: a poll runs for too long worker=0`: seconds since this program began, how
/// much it matters, the process, where it comes from.
pub(super) fn text(process: &str, event: &Event, began_us: u64, color: bool) -> String {
    let seconds = event.unix_us.saturating_sub(began_us) as f64 / 1e6;
    let (level, code) = match event.level {
        EventLevel::Error => ("ERROR", "31;1"),
        EventLevel::Warn => ("WARN", "33;1"),
        EventLevel::Info => ("INFO", "32"),
        EventLevel::Debug => ("DEBUG", "34"),
        EventLevel::Trace => ("TRACE", "2"),
    };
    let mut rest = format!("{process} {}: ", event.target);
    for span in &event.spans {
        rest.push_str(&span.name);
        if !span.fields.is_empty() {
            let _ = write!(rest, "{{{}}}", fields(&span.fields).trim_start());
        }
        rest.push_str(": ");
    }
    rest.push_str(&event.message);
    rest.push_str(&fields(&event.fields));
    // One line for one event.
    let rest = units::printable(&rest).replace('\n', " | ");
    match color {
        true => format!("{seconds:9.3} \x1b[{code}m{level:>5}\x1b[0m {rest}"),
        false => format!("{seconds:9.3} {level:>5} {rest}"),
    }
}

fn fields(of: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, value) in of.iter().filter(|(_, value)| value.as_str() != Some("")) {
        let plain = value.as_str().filter(|text| !text.contains([' ', '"', '\n']));
        let _ = match plain {
            Some(plain) => write!(text, " {name}={plain}"),
            None => write!(text, " {name}={value}"),
        };
    }
    text
}

/// A JSON object on one line, with its end.
pub(super) fn json(process: &str, event: &Event) -> String {
    let time = i64::try_from(event.unix_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    let time = time.unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let mut object = json!({
        "time": time,
        "level": event.level,
        "process": process,
        "target": event.target,
        "message": event.message,
    });
    if let Value::Object(keys) = &mut object {
        if !event.fields.is_empty() {
            keys.insert("fields".to_owned(), Value::Object(event.fields.clone()));
        }
        if !event.spans.is_empty() {
            keys.insert("spans".to_owned(), json!(event.spans));
        }
    }
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use workloads::wire::EventSpan;

    use super::*;

    fn event() -> Event {
        let map = |value: Value| value.as_object().unwrap().clone();
        Event {
            unix_us: 1_795_247_100_500_000,
            level: EventLevel::Warn,
            target: "runtime::stuck_poll".to_owned(),
            message: "a poll\nruns".to_owned(),
            fields: map(json!({ "worker": 0, "name": "", "at": "src/a.rs", "for": "1 s" })),
            spans: vec![EventSpan { name: "outer".to_owned(), fields: map(json!({ "of": 7 })) }],
        }
    }

    #[test]
    fn a_line_for_people_says_when_how_much_where_and_what() {
        let text = text("echo", &event(), 1_795_247_099_000_000, false);
        let rest = "echo runtime::stuck_poll: outer{of=7}: a poll | runs worker=0 at=src/a.rs for=\"1 s\"";
        assert_eq!(text, format!("    1.500  WARN {rest}"));
        let painted = super::text("echo", &event(), 1_795_247_099_000_000, true);
        assert_eq!(painted, format!("    1.500 \x1b[33;1m WARN\x1b[0m {rest}"));
    }

    #[test]
    fn a_line_for_programs_is_one_json_object() {
        let line = json("echo", &event());
        assert_eq!(line.matches('\n').count(), 1);
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["time"], "2026-11-21T07:45:00.500000Z");
        assert_eq!((&object["level"], &object["process"]), (&json!("warn"), &json!("echo")));
        assert_eq!(object["fields"]["worker"], 0);
        assert_eq!(object["spans"][0]["fields"]["of"], 7);
    }
}
