//! What is wrong with a file or a value, where, and what to do.

use super::interpolate::{MAX_DEPTH, MAX_EXPANSION};
use super::{Origin, Value};

/// A file that is not in the syntax. The message leaves out what the line says, which can be a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {problem}")]
pub struct ParseError {
    /// The file's name as given.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: Syntax,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Syntax {
    /// It is not in the file's encoding.
    #[error("not UTF-8: save the file in this encoding")]
    Encoding,
    /// The file starts with U+FEFF, which oslo.config takes for a part of the first line.
    #[error("the file starts with a byte order mark: save it without")]
    ByteOrderMark,
    /// Neither a section nor a comment, and without `=` and `:`.
    #[error("no '=' or ':' found: expected [group], name = value, or # and a comment")]
    NoAssignment,
    /// Nothing before `=` or `:`.
    #[error("no option name before '=' or ':'")]
    NoName,
    /// Indented, but not after a value.
    #[error("indented, but the line before has no value to continue: remove the spaces")]
    Continuation,
    /// `[` without `]` at the end.
    #[error("a section must end with ']', and nothing may follow it")]
    SectionEnd,
    /// `[]`.
    #[error("empty section name")]
    SectionName,
    /// An option before any section.
    #[error("an option before any section: write [DEFAULT] above it if it belongs there")]
    NoSection,
}

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: [{group}]{option}: {problem}")]
pub struct ValueError {
    /// The group in which the faulty value is written. It is not the one asked for if that refers
    /// to it.
    pub group: String,
    /// The name under which it is written.
    pub option: String,
    /// Where it is written.
    pub origin: Origin,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A reference to what is no option.
    #[error(
        "${0} refers to an option that is neither set nor known: set it, or write $$ for a dollar \
         sign; ${{name}} is an option of the same group or [DEFAULT], ${{group.name}} of another"
    )]
    UnknownReference(String),
    /// A reference to an option whose values are no text.
    #[error("${0} refers to an option that is a list or dict: write its values here")]
    ReferenceToList(String),
    /// The value needs itself, or the limit on nested references is reached.
    #[error("refers to itself, or over more than {MAX_DEPTH} other options: {}", .0.join(" -> "))]
    ReferenceLoop(Vec<String>),
    /// The limit on the length of what references stand for is reached.
    #[error("${0} and the references before it come to more than {MAX_EXPANSION} bytes")]
    TooLong(String),
    /// No boolean.
    #[error("{0:?} is no boolean: expected true, 1, on, yes, false, 0, off or no")]
    Boolean(String),
    /// No integer.
    #[error("{0:?} is no integer of 64 bits: expected digits, after a sign if any")]
    Integer(String),
    /// A part of a dict without a colon.
    #[error(
        "{0:?} has no ':': expected key:value pairs, separated by commas; a value cannot have a \
         comma, even in quotation marks"
    )]
    NoPair(String),
    /// A colon without a key.
    #[error("{0:?} has no key before ':': expected key:value pairs, separated by commas")]
    NoKey(String),
    /// Two values of a key.
    #[error("the key {0:?} is there twice: leave one")]
    DuplicateKey(String),
}

impl Value {
    pub(super) fn error(&self, problem: Problem) -> ValueError {
        ValueError {
            group: self.group.clone(),
            option: self.option.clone(),
            origin: self.origin.clone(),
            problem,
        }
    }
}
