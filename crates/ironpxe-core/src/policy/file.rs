//! Reads a policy file: YAML or JSON, a mapping of names of rules to checks.

use std::collections::BTreeSet;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::check::Check;

/// The rules of a policy file, in its order.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    pub(super) path: String,
    pub(super) rules: Vec<FileRule>,
}

/// A rule of a policy file.
#[derive(Debug, Clone)]
pub(super) struct FileRule {
    pub(super) name: String,
    pub(super) check: Check,
    /// The line of its name, from 1.
    pub(super) line: usize,
}

/// What is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// The file.
    pub path: String,
    /// The line, from 1, if it is about one.
    pub line: Option<usize>,
    /// The rule, if it is about one.
    pub rule: Option<String>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl PolicyProblem {
    /// What is wrong, without file and line if there is a line.
    pub fn without_position(&self) -> String {
        let message = match &self.rule {
            Some(rule) => format!("rule {rule:?}: {}", self.message),
            None => self.message.clone(),
        };
        match self.line {
            Some(_) => message,
            None => format!("{}: {message}", self.path),
        }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "{}:{line}: ", self.path)?;
        }
        f.write_str(&self.without_position())
    }
}

const EXPECTED: &str = "expected a check in quotes, such as \"role:admin\" (\"@\" allows everybody, \
                        \"!\" nobody)";

impl PolicyFile {
    /// Reads the text of a file; `path` is for problems. An empty file has no rules.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<PolicyProblem>> {
        let mut reader = Reader {
            events: Parser::new_from_str(text),
            path,
            line: 1,
            problems: Vec::new(),
        };
        match reader.file() {
            Ok(rules) if reader.problems.is_empty() => Ok(Self {
                path: path.to_owned(),
                rules,
            }),
            Ok(_) => Err(reader.problems),
            // What follows cannot be read.
            Err(problem) => {
                reader.problems.push(problem);
                Err(reader.problems)
            }
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    path: &'a str,
    /// The line of the last event.
    line: usize,
    problems: Vec<PolicyProblem>,
}

impl<'a> Reader<'a> {
    fn problem(&self, line: usize, rule: Option<&str>, message: String) -> PolicyProblem {
        PolicyProblem {
            path: self.path.to_owned(),
            line: Some(line),
            rule: rule.map(str::to_owned),
            message,
        }
    }

    fn next(&mut self) -> Result<Event<'a>, PolicyProblem> {
        match self.events.next() {
            Some(Ok((event, Span { start, .. }))) => {
                self.line = start.line();
                Ok(event)
            }
            Some(Err(error)) => Err(self.unreadable(&error)),
            None => Ok(Event::StreamEnd),
        }
    }

    fn unreadable(&self, error: &ScanError) -> PolicyProblem {
        self.problem(
            error.marker().line(),
            None,
            format!("not YAML: {}", error.info()),
        )
    }

    fn file(&mut self) -> Result<Vec<FileRule>, PolicyProblem> {
        let mut rules = Vec::new();
        let mut documents = 0;
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(rules),
                Event::DocumentStart(_) => documents += 1,
                _ if documents > 1 => {
                    let message = "expected a single YAML document".to_owned();
                    return Err(self.problem(self.line, None, message));
                }
                Event::MappingStart(..) => rules = self.rules()?,
                Event::Scalar(text, ScalarStyle::Plain, _, None) if is_null(&text) => {}
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingEnd => {
                    let message = "expected lines such as \"baremetal:node:get\": \"role:admin\"";
                    return Err(self.problem(self.line, None, message.to_owned()));
                }
            }
        }
    }

    fn rules(&mut self) -> Result<Vec<FileRule>, PolicyProblem> {
        let mut rules = Vec::new();
        let mut names = BTreeSet::new();
        loop {
            let name = match self.next()? {
                Event::MappingEnd => return Ok(rules),
                Event::Scalar(name, _, _, None) => name.into_owned(),
                _ => {
                    let message = "expected the name of a rule".to_owned();
                    return Err(self.problem(self.line, None, message));
                }
            };
            let line = self.line;
            match self.check(&name)? {
                Ok(_) if !names.insert(name.clone()) => {
                    let message = "the file has this rule twice".to_owned();
                    self.problems.push(self.problem(line, Some(&name), message));
                }
                Ok(check) => rules.push(FileRule { name, check, line }),
                Err(message) => {
                    let problem = self.problem(self.line.max(line), Some(&name), message);
                    self.problems.push(problem);
                }
            }
        }
    }

    /// The check of a rule. The outer error is for what makes the rest of the file unreadable, too.
    fn check(&mut self, name: &str) -> Result<Result<Check, String>, PolicyProblem> {
        let event = self.next()?;
        if let Event::SequenceStart(_, None) = event {
            return self.lists(name);
        }
        let text = self.text(event, name)?;
        Ok(text.and_then(|text| text.parse().map_err(|error| format!("{error}"))))
    }

    /// A check as list of lists; its start was read.
    fn lists(&mut self, name: &str) -> Result<Result<Check, String>, PolicyProblem> {
        let mut lists = Vec::new();
        let mut wrong = None;
        loop {
            let mut inner = Vec::new();
            match self.next()? {
                Event::SequenceEnd => break,
                Event::SequenceStart(_, None) => loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => inner.push(self.text(event, name)?),
                    }
                },
                event => inner.push(self.text(event, name)?),
            }
            match inner.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(inner) => lists.push(inner),
                Err(message) => wrong = Some(message),
            }
        }
        if let Some(message) = wrong {
            return Ok(Err(message));
        }
        let lists = lists
            .iter()
            .map(|list| list.iter().map(String::as_str).collect());
        Ok(Check::from_lists(lists).map_err(|error| error.to_string()))
    }

    fn text(&self, event: Event<'_>, name: &str) -> Result<Result<String, String>, PolicyProblem> {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, _, None) if is_null(&text) => {
                Ok(Err(format!("no check; {EXPECTED}")))
            }
            Event::Scalar(text, _, _, None) => Ok(Ok(text.into_owned())),
            // An exclamation mark without quotes is a tag to YAML.
            Event::Scalar(_, _, _, Some(_)) => {
                Ok(Err(format!("a YAML tag instead of a check; {EXPECTED}")))
            }
            _ => Err(self.problem(self.line, Some(name), EXPECTED.to_owned())),
        }
    }
}

/// Whether YAML reads a text without quotes as null.
fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}
