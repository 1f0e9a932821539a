//! Reads the recordings of the real peers in `crates/wse/tests/recordings`. They are data and must never be edited.

use serde_json::Value;
use std::{fs, path::Path};

/// One scenario: every frame and close, in the order seen.
#[derive(Debug)]
pub struct Recording {
    /// Its name.
    pub scenario: String,
    /// What it shows.
    pub note: String,
    /// The frames and closes.
    pub lines: Vec<Line>,
}

/// One line of a scenario.
#[derive(Clone, Debug)]
pub struct Line {
    /// The number of the connection.
    pub conn: u64,
    /// Who did it.
    pub by: By,
    /// What was done.
    pub what: What,
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The subprotocols offered.
    Offered(Vec<String>),
    /// The subprotocol selected; empty when there was none.
    Selected(String),
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// The code and reason of a close.
    Close(u16, String),
}

/// Every recording of npm wse 4.12, by name.
pub fn all() -> Vec<Recording> {
    all_of("wse")
}

/// Every recording in a folder, by name: `wse`, `wse5` (npm wse 5.1, where it is not as 4.12) or `ws-messaging`.
pub fn all_of(folder: &str) -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wse/tests/recordings").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the recordings are there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    paths.sort();
    paths.iter().map(|path| read(&fs::read_to_string(path).expect("a readable file"))).collect()
}

fn read(text: &str) -> Recording {
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let head = lines.next().expect("a head");
    let of_head = |field: &str| head[field].as_str().expect("a text").to_owned();
    Recording {
        scenario: of_head("scenario"),
        note: of_head("note"),
        lines: lines.map(|line| read_line(&line)).collect(),
    }
}

fn read_line(line: &Value) -> Line {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let by = match line["dir"].as_str() {
        Some("c>s") => By::Client,
        Some("s>c") => By::Server,
        _ => panic!("whose line is {line}?"),
    };
    let what = if let Some(offered) = line["open"]["offered"].as_array() {
        What::Offered(offered.iter().map(text).collect())
    } else if line["open"]["selected"].is_string() {
        What::Selected(text(&line["open"]["selected"]))
    } else if line["text"].is_string() {
        What::Text(text(&line["text"]))
    } else if let Some(hex) = line["binary"].as_str() {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        What::Binary((0..hex.len()).step_by(2).map(byte).collect())
    } else if let Some(code) = line["close"]["code"].as_u64() {
        What::Close(u16::try_from(code).expect("a close code"), text(&line["close"]["reason"]))
    } else {
        panic!("what is {line}?")
    };
    Line { conn: line["conn"].as_u64().expect("a connection"), by, what }
}

/// The stamp of an envelope; empty when it has none.
pub fn stamp(envelope: &str) -> String {
    let envelope: Value = serde_json::from_str(envelope).unwrap_or_default();
    envelope[2].as_str().unwrap_or_default().to_owned()
}

/// Whether an envelope is a call: it has a stamp, and is none of the protocol's own.
pub fn is_call(envelope: &str) -> bool {
    !stamp(envelope).is_empty() && !envelope.starts_with("[\"~wse:")
}

/// The same without the stack, the one part of an error that only JavaScript has.
pub fn without_stack(envelope: &str) -> String {
    const STACK: &str = ",\"stack\":\"";
    let Some((before, rest)) = envelope.split_once(STACK) else { return envelope.to_owned() };
    let (_, after) = rest.split_once('"').expect("the end of the stack");
    format!("{before}{after}")
}

/// Whether a frame is as recorded. The text of an error that a JavaScript engine has made may differ, and
/// the details of a failed call may name the procedure once more, for the other version of npm wse.
pub fn same(frame: &str, recorded: &str) -> bool {
    const MADE_BY_ENGINE: &str = "[\"SyntaxError: ";
    let frame = &without_other_name(frame, recorded);
    match (frame.split_once(MADE_BY_ENGINE), recorded.split_once(MADE_BY_ENGINE)) {
        (Some((before, text)), Some((recorded, _))) => before == recorded && text.ends_with("\"]}"),
        _ => frame == recorded,
    }
}

/// An answer without the name of the procedure that the recorded version does not have: 4.12 has `rpc` in the
/// details, 5.1 has `rp` in the same place, and for an unknown procedure 4.12 has no details at all.
fn without_other_name(frame: &str, recorded: &str) -> String {
    let (answer, of_recorded) = (error_answer(frame), error_answer(recorded));
    let (Some(answer), Some(of_recorded)) = (answer, of_recorded) else { return frame.to_owned() };
    let name = &answer["details"]["rp"];
    let (rp, rpc) = (format!("\"rp\":{name}"), format!("\"rpc\":{name}"));
    let known = &of_recorded["details"];
    match (known["rp"].is_null(), known["rpc"].is_null()) {
        (true, true) if known.is_null() => frame.replacen(&format!(",\"details\":{{{rp}}}"), "", 1),
        (true, false) => frame.replacen(&format!("{rp},{rpc}"), &rpc, 1),
        (false, true) => frame.replacen(&format!("{rp},{rpc}"), &rp, 1),
        _ => frame.to_owned(),
    }
}

/// The error object of an error answer.
fn error_answer(frame: &str) -> Option<Value> {
    let envelope: Value = serde_json::from_str(frame).ok()?;
    (envelope[0] == "~wse:response-err").then(|| envelope[1].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(details: &str) -> String {
        format!(r#"["~wse:response-err",{{"code":"c"{details}}},"s"]"#)
    }

    #[test]
    fn one_more_name_of_the_procedure_is_the_same_and_any_other_difference_is_not() {
        let both = failed(r#","details":{"a":1,"rp":"boom","rpc":"boom","payload":2}"#);
        for recorded in ["\"rp\":\"boom\"", "\"rpc\":\"boom\"", "\"rp\":\"boom\",\"rpc\":\"boom\""] {
            let recorded = failed(&format!(r#","details":{{"a":1,{recorded},"payload":2}}"#));
            assert!(same(&both, &recorded) && same(&recorded, &recorded), "{recorded}");
        }
        let unknown = failed(r#","details":{"rp":"boom"}"#);
        assert!(same(&unknown, &failed("")) && same(&unknown, &unknown) && same(&failed(""), &failed("")));
        for other in [
            failed(r#","details":{"a":1,"payload":2}"#),
            failed(r#","details":{"a":1,"rp":"bang","payload":2}"#),
            failed(r#","details":{"rp":"boom","a":1,"payload":2}"#),
            failed(r#","details":{"a":1,"rp":"boom","payload":3}"#),
            failed(""),
        ] {
            assert!(!same(&both, &other), "{other}");
        }
        let only_rp = failed(r#","details":{"a":1,"rp":"boom","payload":2}"#);
        let only_rpc = failed(r#","details":{"a":1,"rpc":"boom","payload":2}"#);
        assert!(!same(&only_rp, &only_rpc) && !same(&only_rpc, &only_rp) && !same(&failed(""), &unknown));
    }
}
