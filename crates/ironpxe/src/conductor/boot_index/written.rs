//! A script in which the id of a request is still to be filled in.
//!
//! The id stands in a script wherever it is printed, and nothing else depends on it (but in
//! operators' templates, whose scripts are not kept). So a script is written with an id that occurs
//! nowhere else, and cut into pieces around it. All ids that fit are equally long and of the same
//! kind of letters, so that no line breaks elsewhere and no limit is passed.

use std::sync::LazyLock;

use super::Size;
use crate::ident;

/// A script without its ids.
#[derive(Debug)]
pub(crate) struct Written {
    text: Box<str>,
    /// Where ids go.
    places: Box<[usize]>,
}

/// The id to write a script with that is to be kept. No one outside of this process knows it.
pub(crate) fn placeholder() -> &'static str {
    static PLACEHOLDER: LazyLock<String> = LazyLock::new(ident::request_id);
    &PLACEHOLDER
}

impl Written {
    /// Whether an id can stand for the [`placeholder`]: `req-` and a UUID.
    pub(crate) fn takes(request_id: &str) -> bool {
        let letters = |text: &str| {
            text.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
        };
        request_id.len() == placeholder().len()
            && request_id.strip_prefix("req-").is_some_and(letters)
    }

    /// Of a script with the [`placeholder`] in it.
    pub(crate) fn new(script: &str) -> Self {
        let mut text = String::with_capacity(script.len());
        let mut places = Vec::new();
        for piece in script.split(placeholder()) {
            text.push_str(piece);
            places.push(text.len());
        }
        places.pop();
        Self {
            text: text.into(),
            places: places.into(),
        }
    }

    /// The script for one request.
    pub(crate) fn fill(&self, request_id: &str) -> String {
        let length = self.text.len() + self.places.len() * request_id.len();
        let mut script = String::with_capacity(length);
        let mut begin = 0;
        for place in &self.places {
            script.push_str(self.text.get(begin..*place).unwrap_or_default());
            script.push_str(request_id);
            begin = *place;
        }
        script.push_str(self.text.get(begin..).unwrap_or_default());
        script
    }
}

impl Size for Written {
    fn size(&self) -> usize {
        size_of::<Self>() + self.text.len() + size_of_val::<[usize]>(&self.places)
    }
}

#[cfg(test)]
mod tests {
    use ironpxe_core::boot::{Located, Occasion, Scripts, samples};

    use super::*;

    #[test]
    fn every_kind_of_script_is_the_same_written_at_once_and_filled_in() {
        let id = ident::request_id();
        for sample in samples() {
            let scripts = Scripts::new(sample.downloads).unwrap();
            let write = |request_id: &str| {
                let occasion = Occasion {
                    request_id,
                    ..sample.occasion()
                };
                let plan = Located::direct(sample.plan.clone());
                scripts.render(&plan, occasion).unwrap()
            };
            let kept = Written::new(&write(placeholder()));
            assert!(!kept.places.is_empty(), "{}", sample.name);
            assert_eq!(kept.fill(&id), write(&id), "{}", sample.name);
        }
    }

    #[test]
    fn ids_stand_at_any_place() {
        let mark = placeholder();
        for (script, filled) in [
            (String::new(), ""),
            ("a".to_owned(), "a"),
            (mark.to_owned(), "ID"),
            (format!("{mark}{mark}"), "IDID"),
            (format!("a{mark}b{mark}"), "aIDbID"),
            (format!("ä{mark}ö"), "äIDö"),
        ] {
            assert_eq!(Written::new(&script).fill("ID"), filled);
        }
    }

    #[test]
    fn only_ids_of_the_usual_form_are_filled_in() {
        assert!(Written::takes(&ident::request_id()));
        for id in [
            "",
            "req-7",
            "REQ-00000000-0000-4000-8000-000000000000",
            "req-00000000-0000-4000-8000-00000000000",
            "req-00000000-0000-4000-8000-0000000000000",
            "req-00000000-0000-4000-8000-00000000000G",
        ] {
            assert!(!Written::takes(id), "{id}");
        }
    }
}
