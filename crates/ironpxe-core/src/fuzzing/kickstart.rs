//! A kickstart has the lines of its template, whatever the instance's values, each of which is a
//! single word.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::boot::node;
use super::texts;
use crate::JsonMap;
use crate::boot::{ConfigDrive, InstallSource, Installation, Kickstarts};
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::provision_state::ProvisionState;

const API: &str = "http://192.0.2.1:6385";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Image, checksum, config drive (an object if it parses as one), node name, API URL and token;
/// missing parts get harmless values.
pub(super) fn kickstart(data: &[u8]) {
    let mut texts = texts(data);
    let mut node = installed(JsonMap::new());
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            node.instance_info.insert(key.to_owned(), value);
        }
    };
    set("image_source", texts.next().map(Value::from));
    set("image_checksum", texts.next().map(Value::from));
    let drive = texts.next().map(|text| {
        let object = serde_json::from_str(&text).ok().filter(Value::is_object);
        object.unwrap_or(Value::String(text))
    });
    set("configdrive", drive);
    node.name = texts.next();
    let api_url = texts.next().unwrap_or_else(|| API.to_owned());
    let token = texts.next().unwrap_or_else(|| TOKEN.to_owned());

    let Ok(written) = kickstarts().render(&node, &api_url, &token) else {
        return;
    };
    let installation = match Installation::of(&node) {
        Ok(installation) => installation,
        Err(refusal) => panic!("written, but {refusal}"),
    };
    assert!(
        written
            .bytes()
            .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)),
        "{written}"
    );
    let plain = installed(harmless(&installation));
    let plain = match kickstarts().render(&plain, API, TOKEN) {
        Ok(plain) => plain,
        Err(error) => panic!("{error}"),
    };
    let (ours, theirs): (Vec<String>, Vec<String>) = (shape(&written), shape(&plain));
    assert_eq!(ours, theirs, "{written}");
    // It contains the requested image.
    let url = format!("--url={}", installation.source.url().as_str());
    let mut lines = written.lines().map(words);
    assert!(lines.any(|words| words.contains(&url)), "{url}: {written}");
}

fn kickstarts() -> &'static Kickstarts {
    static KICKSTARTS: OnceLock<Kickstarts> = OnceLock::new();
    KICKSTARTS.get_or_init(|| match Kickstarts::built_in() {
        Ok(kickstarts) => kickstarts,
        Err(error) => panic!("{error}"),
    })
}

fn installed(instance_info: JsonMap) -> Node {
    let mut node = node(ProvisionState::DeployWait);
    node.interfaces.set(InterfaceKind::Deploy, "anaconda");
    node.instance_info = instance_info;
    node
}

/// An instance of the same kind with harmless values.
fn harmless(installation: &Installation) -> JsonMap {
    let mut info = JsonMap::new();
    let mut set = |key: &str, value: Value| info.insert(key.to_owned(), value);
    match &installation.source {
        InstallSource::Repository(_) => set("image_source", json!("http://h/x/")),
        InstallSource::LiveImage { sha256, .. } => {
            if sha256.is_some() {
                set("image_checksum", json!("0".repeat(64)));
            }
            set("image_source", json!("http://h/x"))
        }
    };
    let drive = installation.config_drive.as_ref().map(|drive| match drive {
        ConfigDrive::Files(files) => {
            let named = |name| files.iter().any(|(path, _)| path.contains(name));
            let parts = ["network_data", "user_data", "vendor_data"];
            let parts = parts.into_iter().filter(|part| named(*part));
            Value::Object(parts.map(|part| (part.to_owned(), json!("x"))).collect())
        }
        ConfigDrive::Image(_) => json!("QUJD"),
        ConfigDrive::ImageAt(_) => json!("http://h/x"),
    });
    if let Some(drive) = drive {
        set("configdrive", drive);
    }
    info
}

/// The lines of a kickstart, with a letter for each word that a shell reads literally.
fn shape(kickstart: &str) -> Vec<String> {
    kickstart.lines().map(shape_of_line).collect()
}

fn shape_of_line(line: &str) -> String {
    let mut shape = String::new();
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "@_+=:,./-".contains(letter);
        let word = match letter {
            '\'' => {
                let closed = letters.any(|letter| letter == '\'');
                if closed { 'w' } else { '?' }
            }
            '\\' if letters.next_if_eq(&'\'').is_some() => 'w',
            letter if plain(letter) => 'w',
            // Not at the beginning of a word, where it begins a section.
            '%' if shape.ends_with('w') => 'w',
            other => other,
        };
        if word != 'w' || !shape.ends_with('w') {
            shape.push(word);
        }
    }
    shape
}

/// The words of a line as a shell reads it.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let word = match letter {
            '\'' => {
                quoted = !quoted;
                continue;
            }
            ' ' if !quoted => {
                words.push(String::new());
                continue;
            }
            '\\' if !quoted => letters.next(),
            letter => Some(letter),
        };
        if let Some(last) = words.last_mut() {
            last.extend(word);
        }
    }
    words
}
