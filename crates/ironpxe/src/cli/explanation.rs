//! Formats an explanation for a terminal: topics on the left, wrapped texts on the right.

use crate::app::BootPreview;

/// The minimum width of most terminals, less the last column, after which some wrap.
const COLUMNS: usize = 79;
const INDENT: usize = 2;
/// The width of the longest topic and a blank.
const TOPIC: usize = 11;

/// The whole text.
pub(super) fn text(preview: &BootPreview) -> String {
    let head = format!(
        "node {} in state \"{}\"",
        preview.node_uuid, preview.provision_state
    );
    let plan = match &preview.left_to_ironic {
        None => format!("boots: {}", preview.plan),
        Some(_) => format!(
            "boots: Ironic's own script (if ironpxe booted it: {})",
            preview.plan
        ),
    };
    let mut text = [printable(&head), printable(&plan), String::new()].join("\n");
    for (topic, words) in &preview.reasons {
        let mut left = format!("{:INDENT$}{:TOPIC$}", "", printable(topic));
        for line in wrapped(&printable(words), COLUMNS - INDENT - TOPIC) {
            text.push_str(&left);
            text.push_str(line.trim_end());
            text.push('\n');
            left = " ".repeat(INDENT + TOPIC);
        }
    }
    text
}

/// Replaces control characters, which a terminal would interpret.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Wraps text between words. A word longer than a line gets a line, so that it can be copied.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let more = word.chars().count();
        if length > 0 && length + 1 + more > columns {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += more;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_between_words_without_loss() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 6), ["one", "two", "three"]);
        assert_eq!(wrapped("a-long-word x y", 3), ["a-long-word", "x y"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("üüü äää", 7), ["üüü äää"]);
    }

    #[test]
    fn every_line_of_a_reason_is_indented_beside_its_topic() {
        let preview = BootPreview {
            node_uuid: "ee490fb7-d420-4b2f-8153-8a674b930740".parse().unwrap(),
            provision_state: "active".into(),
            plan: "local disk".into(),
            script: String::new(),
            left_to_ironic: None,
            reasons: vec![
                ("plan".into(), "word ".repeat(20)),
                ("disk".into(), "a \u{1b}[2J b".into()),
            ],
        };
        let line = "word ".repeat(13);
        let expected = format!(
            "node ee490fb7-d420-4b2f-8153-8a674b930740 in state \"active\"\n\
             boots: local disk\n  plan       {}\n             {}\n  disk       a ?[2J b\n",
            line.trim_end(),
            "word ".repeat(7).trim_end(),
        );
        assert_eq!(text(&preview), expected);
    }
}
