//! Paging of lists.

use axum::Json;
use ironpxe_core::error::Fault;
use serde_json::{Map, Value};

use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::settings::Settings;
use crate::db::{Page, SortDirection};

/// The paging arguments of every list.
pub(crate) const ARGUMENTS: [&str; 4] = ["limit", "marker", "sort_dir", "sort_key"];

/// The minor version that introduced the argument `fields`.
const FIELDS_SINCE: u16 = 8;

/// The requested page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paging {
    /// The maximum number of resources.
    pub(crate) limit: u32,
    /// The column to sort by; `None` is the order of creation.
    pub(crate) sort_key: Option<&'static str>,
    /// The direction.
    pub(crate) sort_dir: SortDirection,
}

impl Paging {
    /// Parses all arguments except the marker, whose type depends on the list.
    pub(crate) fn read(
        args: &Args,
        settings: &Settings,
        sortable: &[&'static str],
    ) -> Result<Self> {
        let limit = match args.integer("limit")? {
            None => settings.max_limit,
            Some(limit) if limit <= 0 => return Err(ApiError::invalid("Limit must be positive")),
            Some(limit) => u32::try_from(limit)
                .unwrap_or(u32::MAX)
                .min(settings.max_limit),
        };
        let sort_dir = match args.text("sort_dir")?.as_deref() {
            None | Some("asc") => SortDirection::Ascending,
            Some("desc") => SortDirection::Descending,
            Some(other) => {
                return Err(ApiError::invalid(format!(
                    "Invalid sort direction: {other}. Acceptable values are 'asc' or 'desc'"
                )));
            }
        };
        let sort_key = match args.text("sort_key")? {
            None => None,
            Some(key) if key == "id" => None,
            Some(key) => match sortable.iter().find(|column| **column == key) {
                Some(column) => Some(*column),
                None => {
                    return Err(Fault::InvalidParameterValue(format!(
                        "The sort_key value \"{key}\" is an invalid field for sorting"
                    ))
                    .into());
                }
            },
        };
        Ok(Self {
            limit,
            sort_key,
            sort_dir,
        })
    }

    /// The page for the database, after `marker`.
    pub(crate) fn page<Marker>(&self, marker: Option<Marker>) -> Page<Marker> {
        Page {
            limit: Some(self.limit),
            marker,
            sort_key: self.sort_key,
            sort_dir: self.sort_dir,
        }
    }

    /// The link to the next page after `shown` resources; `marker` is the last of them.
    ///
    /// `args` are those of this request: unlike Ironic's, the link keeps every filter, and has no
    /// `fields` for clients that do not support them.
    pub(crate) fn next(
        &self,
        call: &Call,
        path: &str,
        fields: Option<&[&str]>,
        args: &Args,
        (shown, marker): (usize, Option<String>),
    ) -> Option<String> {
        let marker = marker?;
        if shown == 0 || u32::try_from(shown) != Ok(self.limit) {
            return None;
        }
        let sort_dir = match self.sort_dir {
            SortDirection::Ascending => "asc",
            SortDirection::Descending => "desc",
        };
        let mut query = format!(
            "sort_key={}&sort_dir={sort_dir}&",
            self.sort_key.unwrap_or("id")
        );
        for (name, value) in &args.0 {
            let text = value
                .as_str()
                .filter(|_| !ARGUMENTS.contains(&name.as_str()));
            if let Some(text) = text.filter(|_| name != "fields") {
                let text = percent_encoding::utf8_percent_encode(text, QUERY);
                query.extend([name.as_str(), "="].into_iter().chain(text).chain(["&"]));
            }
        }
        if let Some(fields) = fields.filter(|_| call.has(FIELDS_SINCE)) {
            query.extend(["fields=", fields.join(",").as_str(), "&"]);
        }
        Some(call.links.v1(&format!(
            "{path}?{query}limit={}&marker={marker}",
            self.limit
        )))
    }
}

/// The response: the resources under the name of the list, and the link to the next page.
pub(crate) fn body(name: &str, shown: Vec<Value>, next: Option<String>) -> Json<Value> {
    let mut body = Map::from_iter([(name.to_owned(), Value::Array(shown))]);
    body.extend(next.map(|next| ("next".to_owned(), Value::String(next))));
    Json(Value::Object(body))
}

/// The characters to encode in a query.
const QUERY: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':');

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(value: serde_json::Value) -> Args {
        Args::default().with_body(Some(value)).unwrap()
    }

    fn read(value: serde_json::Value) -> Result<Paging> {
        Paging::read(&args(value), &Settings::default(), &["name"])
    }

    #[test]
    fn page_size_is_limited() {
        assert_eq!(read(json!({})).unwrap().limit, 1000);
        assert_eq!(read(json!({"limit": "99999999999"})).unwrap().limit, 1000);
        assert_eq!(
            read(json!({"limit": "0"})),
            Err(ApiError::invalid("Limit must be positive"))
        );
        assert!(read(json!({"limit": "-5"})).is_err());
        assert!(read(json!({"sort_dir": "up"})).is_err());
        assert_eq!(
            read(json!({"sort_key": "zzz"})),
            Err(ApiError::invalid(
                "The sort_key value \"zzz\" is an invalid field for sorting"
            ))
        );
    }

    #[test]
    fn next_link_repeats_the_arguments_of_the_request() {
        let call = Call::of_version;
        let given = args(json!({"limit": "1", "owner": "a b", "sort_key": "name"}));
        let paging = Paging::read(&given, &Settings::default(), &["name"]).unwrap();
        let last = || (1, Some("u".to_owned()));
        let fields: Option<&[&str]> = Some(&["uuid", "name"]);
        assert_eq!(
            paging
                .next(&call(8), "nodes", fields, &given, last())
                .unwrap(),
            "http://h/v1/nodes?sort_key=name&sort_dir=asc&owner=a%20b&fields=uuid,name&limit=1&marker=u"
        );
        assert_eq!(
            paging
                .next(&call(7), "nodes", fields, &given, last())
                .unwrap(),
            "http://h/v1/nodes?sort_key=name&sort_dir=asc&owner=a%20b&limit=1&marker=u"
        );
        assert_eq!(
            paging.next(&call(8), "nodes", None, &given, (0, None)),
            None
        );
    }
}
