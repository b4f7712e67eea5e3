//! What real oslo.config answered (`tests/oracle/oslo-config.json`, recorded by the script beside
//! it), and what it cannot tell: origins, messages, limits.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    files: Vec<Content>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    opts: Vec<Registered>,
    differs: Option<String>,
    #[serde(default)]
    answers: Vec<Answer>,
    refused: Option<Refused>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Deserialize)]
struct Registered {
    group: String,
    name: String,
    kind: String,
    default: Option<String>,
    #[serde(default)]
    deprecated: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Refused {
    file: Option<usize>,
    line: Option<usize>,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Error { error: String },
    Value { value: Json },
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../tests/oracle/oslo-config.json")).unwrap()
}

fn kind(name: &str) -> Kind {
    match name {
        "str" => Kind::Str,
        "bool" => Kind::Bool,
        "int" => Kind::Int,
        "list" => Kind::List,
        "dict" => Kind::Dict,
        "multi" => Kind::MultiStr,
        other => panic!("{other}"),
    }
}

/// The value as oslo.config has it, by the accessor of the option's type.
fn read(config: &OsloConfig<'_>, opt: &Opt<'_>) -> Result<Json, ValueError> {
    if opt.kind == Kind::MultiStr {
        let values = config.get_all(opt.group, opt.name)?;
        let texts: Vec<String> = values.into_iter().map(|it| it.text).collect();
        return Ok(json!(texts));
    }
    let Some(value) = config.get(opt.group, opt.name)? else {
        return Ok(Json::Null);
    };
    Ok(match opt.kind {
        Kind::Bool => json!(value.boolean()?),
        Kind::Int => json!(value.integer()?),
        Kind::List => json!(value.list()),
        Kind::Dict => json!(value.dict()?),
        Kind::Str | Kind::MultiStr => json!(value.text),
    })
}

/// What oslo.config says of the problem; any of these.
fn said(error: &ValueError, asked: &Opt<'_>) -> Vec<String> {
    let value_error = |words: &str| {
        let errors = ["ConfigFileValueError", "ConfigSourceValueError"];
        errors.map(|error| format!("{error}: {words}")).to_vec()
    };
    let nested = (&*error.group, &*error.option) != (asked.group, asked.name);
    match &error.problem {
        // It names what refers to the option with the unknown name.
        Problem::UnknownReference(_) if nested => [
            "NoSuchOptError: ",
            "NoSuchGroupError: ",
            "TemplateSubstitutionError: ",
        ]
        .map(str::to_owned)
        .to_vec(),
        Problem::UnknownReference(name) => {
            let group = name.split('.').next().unwrap();
            vec![
                format!("NoSuchOptError: no such option {name} in group [DEFAULT]"),
                format!("NoSuchGroupError: no such group [{group}]"),
                format!(
                    "TemplateSubstitutionError: template substitution error: substituting group \
                     {name} not supported"
                ),
            ]
        }
        Problem::ReferenceLoop(_) => vec!["RecursionError".to_owned()],
        Problem::ReferenceToList(_) | Problem::TooLong(_) => vec![],
        Problem::Boolean(_) => value_error("Unexpected boolean value "),
        Problem::Integer(_) => value_error("invalid literal for int() with base 10: "),
        Problem::NoPair(_) => value_error("Value should be NAME:VALUE pairs separated by \",\""),
        Problem::NoKey(_) => value_error("Key name should not be empty"),
        Problem::DuplicateKey(key) => value_error(&format!("Duplicate key {key}")),
    }
}

fn reason(problem: Syntax) -> &'static str {
    match problem {
        Syntax::Encoding => "'utf-8' codec can't decode byte",
        // It is a part of the first line, whatever that would be without it.
        Syntax::ByteOrderMark => "",
        Syntax::NoAssignment => "No ':' or '=' found in assignment",
        Syntax::NoName => "Key cannot be empty",
        Syntax::Continuation => "Unexpected continuation line",
        Syntax::SectionEnd => "Invalid section (must end with ])",
        Syntax::SectionName => "Empty section name",
        Syntax::NoSection => "Section must be started before assignment",
    }
}

fn replay(case: &Case) {
    let name = &case.name;
    let contents = case.files.iter().map(|content| match content {
        Content::Text(text) => text.as_bytes(),
        Content::Bytes(bytes) => bytes,
    });
    let files = contents.enumerate().map(|(at, it)| (at.to_string(), it));
    let deprecated: Vec<Vec<(&str, &str)>> = (case.opts.iter())
        .map(|it| {
            it.deprecated
                .iter()
                .map(|(group, name)| (&**group, &**name))
                .collect()
        })
        .collect();
    let opts: Vec<Opt<'_>> = case
        .opts
        .iter()
        .zip(&deprecated)
        .map(|(it, deprecated)| Opt {
            group: &it.group,
            name: &it.name,
            kind: kind(&it.kind),
            deprecated,
            default: it.default.as_deref(),
        })
        .collect();
    let config = match OsloConfig::parse(files, case.env.clone(), &opts) {
        Ok(config) => config,
        Err(error) => {
            let Some(refused) = &case.refused else {
                panic!("{name}: {error}");
            };
            let expected = reason(error.problem);
            assert!(refused.reason.starts_with(expected), "{name}: {error}");
            if let Some(file) = refused.file {
                assert_eq!(error.path, file.to_string(), "{name}");
            }
            // oslo.config sees an option without section when it has read the line after it.
            if !matches!(error.problem, Syntax::NoSection | Syntax::ByteOrderMark) {
                assert_eq!(
                    Some(error.line),
                    refused.line.or(Some(error.line)),
                    "{name}"
                );
            }
            return;
        }
    };
    assert!(case.refused.is_none(), "{name}: it was read");
    assert!(!case.answers.is_empty(), "{name}");
    let mut equal = true;
    for (opt, answer) in opts.iter().zip(&case.answers) {
        let ours = read(&config, opt);
        let same = match (&ours, answer) {
            (Ok(ours), Answer::Value { value }) => {
                let unset = opt.kind == Kind::MultiStr && value.is_null();
                ours == value || (unset && *ours == json!([]))
            }
            (Err(ours), Answer::Error { error }) => {
                said(ours, opt).iter().any(|it| error.starts_with(it))
            }
            _ => false,
        };
        equal &= same;
        assert!(
            same || case.differs.is_some(),
            "{name}: {opt:?} is {ours:?}, not {answer:?}"
        );
    }
    assert!(!equal || case.differs.is_none(), "{name} does not differ");
}

#[test]
fn every_recorded_case() {
    let cases = cases();
    assert!(cases.len() >= 350, "{}", cases.len());
    cases.iter().for_each(replay);
}

const PXE: &str = "[DEFAULT]\nmy_ip = 192.0.2.7\n\n[pxe]\n# a comment\ntftp_server = $my_ip\n\
                   pxe_append_params = nofb\n  quiet\nipxe_timeout = sixty\nroot = $5$salt\n\
                   outer = x $root\n";

const DECLARED: [Opt<'static>; 2] = [
    Opt {
        group: "pxe",
        name: "kernel_append_params",
        kind: Kind::Str,
        deprecated: &[("pxe", "pxe_append_params")],
        default: Some("nofb nomodeset"),
    },
    Opt {
        group: "pxe",
        name: "http_url",
        kind: Kind::Str,
        deprecated: &[],
        default: Some("http://$my_ip:8080"),
    },
];

fn config(files: &[(&str, &str)], env: &[(&str, &str)]) -> OsloConfig<'static> {
    let env = env
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    OsloConfig::parse(files.iter().copied(), env, &DECLARED).unwrap()
}

fn found(config: &OsloConfig<'_>, name: &str) -> String {
    match config.get("pxe", name) {
        Ok(Some(it)) => format!("{}: [{}]{} = {:?}", it.origin, it.group, it.option, it.text),
        Ok(None) => "unset".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_value_has_its_origin() {
    let files = [
        ("/etc/ironic/ironic.conf", PXE),
        (
            "/etc/ironic/ironic.conf.d/10.conf",
            "\n[Pxe]\r\nlater: 1\nlater: 2\n",
        ),
    ];
    let config = config(&files, &[("OS_PXE__ROOT", "toor"), ("HOME", "/root")]);
    insta::assert_snapshot!(
        [
            "tftp_server",
            "kernel_append_params",
            "http_url",
            "later",
            "root",
            "outer",
            "nothing"
        ]
        .map(|name| found(&config, name))
        .join("\n")
    );
}

#[test]
fn everything_written_is_listed_with_the_place_that_counts() {
    let files = [
        ("a.conf", "[DEFAULT]\nx = 1\n[Pxe]\ny = $nothing\n"),
        ("b.conf", "[pxe]\ny = 2\n"),
    ];
    let env = [
        ("OS_PXE__Z", "3"),
        ("OS_DEFAULT__X", "4"),
        ("OS_PXE__lower", "5"),
        ("OS_CLOUD", "6"),
    ];
    let listed: Vec<String> = config(&files, &env)
        .written_options()
        .into_iter()
        .map(|((group, name), origin)| format!("[{group}]{name} {origin}"))
        .collect();
    let expected = [
        "[DEFAULT]x OS_DEFAULT__X",
        "[pxe]y b.conf:2",
        "[pxe]z OS_PXE__Z",
    ];
    assert_eq!(listed, expected);
}

#[test]
fn messages_say_where_and_what_to_do() {
    let read = |text: &str| OsloConfig::parse([("a.conf", text)], [], &[]).map(|_| ());
    let bytes = OsloConfig::parse([("a.conf", b"[a]\r\nb = \xff")], [], &[]).map(|_| ());
    let mut messages: Vec<String> = [
        "\u{feff}[a]",
        "[a]\nsecret",
        "[a]\n= b",
        "[a]\n\n b",
        "[a",
        "[]",
        "\na = b\n\n",
    ]
    .map(|text| read(text).unwrap_err().to_string())
    .into();
    messages.push(bytes.unwrap_err().to_string());
    let config = config(
        &[("b.conf", PXE)],
        &[
            ("OS_PXE__LOOP", "$other"),
            ("OS_PXE__OTHER", "a ${pxe.loop}"),
            ("OS_PXE__DICT", "k:v,k:w"),
            ("OS_PXE__PAIR", "k:v,w"),
            ("OS_PXE__KEY", ":w"),
        ],
    );
    messages.extend(["root", "outer", "loop"].map(|name| found(&config, name)));
    let value = |name| config.get("pxe", name).unwrap().unwrap();
    messages.push(value("ipxe_timeout").integer().unwrap_err().to_string());
    messages.push(value("ipxe_timeout").boolean().unwrap_err().to_string());
    messages.extend(["dict", "pair", "key"].map(|it| value(it).dict().unwrap_err().to_string()));
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_chain_of_references_has_a_limit() {
    let chain = |length: usize| {
        let each = (0..length).map(|at| format!("a{at} = ${{a{}}}\n", at + 1));
        let each: String = each.collect();
        format!("[pxe]\n{each}a{length} = end\n")
    };
    let read = |length| found(&config(&[("a.conf", &chain(length))], &[]), "a0");
    assert_eq!(read(64), "a.conf:2: [pxe]a0 = \"end\"");
    let error = read(65);
    assert!(
        error.contains("refers to itself, or over more than 64 other options"),
        "{error}"
    );
    assert_eq!(
        read(100_000).matches(" -> ").count(),
        error.matches(" -> ").count()
    );
}

#[test]
fn references_that_double_have_a_limit() {
    for end in ["x", ""] {
        let each = (1..=40).map(|next| format!("a{} = $a{next}$a{next}\n", next - 1));
        let each: String = each.collect();
        let text = format!("[pxe]\n{each}a40 = {end}\n");
        let error = found(&config(&[("a.conf", &text)], &[]), "a0");
        assert!(error.contains("come to more than 65536 bytes"), "{error}");
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let names = [
        "2.conf",
        "x.conf.bak",
        ".h.conf",
        "b.conf",
        "10.conf",
        "B.conf",
        ".conf",
        "c",
    ];
    assert_eq!(
        config_dir_files(names),
        ["10.conf", "2.conf", "B.conf", "b.conf"]
    );
}

/// Text that is likely to be a configuration, and some that is not.
fn text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[pxe]\n",
        "[DEFAULT]\n",
        "a",
        "b",
        "$a",
        "${b}",
        "${pxe.a}",
        "$$",
        "\\$",
        "$",
        "{",
        "}",
        ".",
        ",",
        ":",
        "=",
        " = ",
        "\"",
        "'",
        " ",
        "\t",
        "\n",
        "\n",
        "\r\n",
        "\r",
        "\u{feff}",
        "#",
        ";",
        "[",
        "]",
        "true",
        "7",
        "_",
        "-",
        "\u{a0}",
        "\u{1c}",
        "\u{130}",
        "\u{10ffff}",
        "\0",
    ]);
    let likely = prop::collection::vec(words, 0..40).prop_map(|words| words.concat());
    prop_oneof![3 => likely, 1 => any::<String>()]
}

proptest! {
    #[test]
    fn nothing_panics(
        files in prop::collection::vec(text(), 0..3),
        bytes in any::<Vec<u8>>(),
        env in text(),
    ) {
        let _ = OsloConfig::parse([("bytes", bytes)], [], &[]);
        let kinds = ["str", "bool", "int", "list", "dict", "multi"];
        let names = ["a", "b"].into_iter().flat_map(|name| {
            ["pxe", "DEFAULT"].map(|group| (group, name))
        });
        for (index, name) in kinds.into_iter().enumerate() {
            let opts: Vec<Opt<'_>> = names.clone().map(|(group, name)| Opt {
                group, name, kind: kind(kinds[index]), deprecated: &[("pxe", "true")],
                default: Some(&env),
            }).collect();
            let env = [("OS_PXE__A".to_owned(), env.clone())];
            let files = files.iter().map(|text| (name, text));
            if let Ok(config) = OsloConfig::parse(files, env, &opts) {
                for opt in &opts {
                    let _ = read(&config, opt).map_err(|error| error.to_string());
                }
            }
        }
    }

    /// A value without anything special is read back as it is, in either form of assignment.
    #[test]
    fn plain_text_stays(text in "[a-zA-Z0-9/.,:=#;%_-]([a-zA-Z0-9/.,:=#;%\"' _-]*[a-z])?", colon: bool) {
        let mark = if colon { ':' } else { '=' };
        let config = config(&[("a.conf", &format!("[pxe]\nx{mark} {text}\n"))], &[]);
        let value = config.get("pxe", "x").unwrap().unwrap();
        prop_assert_eq!(value.text, text);
        let origin = Origin::File { path: "a.conf".to_owned(), line: 2 };
        prop_assert_eq!(value.origin, origin);
    }
}
