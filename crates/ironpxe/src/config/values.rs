//! Types of values, validated when they are parsed.

use ironpxe_core::boot::{ImageKind, ImageRef, KernelArgs};
use ironpxe_core::dhcp;
use ironpxe_core::mask::mask_text;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::path::{Component, PathBuf};

/// A list of names: a TOML list, or a comma-separated text as in Ironic's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NamesAsWritten", into = "Vec<String>")]
pub struct Names(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a list of names")]
enum NamesAsWritten {
    List(Vec<String>),
    Text(String),
}

impl TryFrom<NamesAsWritten> for Names {
    type Error = &'static str;

    fn try_from(written: NamesAsWritten) -> Result<Self, Self::Error> {
        let names: Vec<String> = match written {
            NamesAsWritten::List(names) => names,
            NamesAsWritten::Text(text) => text.split(',').map(|it| it.trim().to_owned()).collect(),
        };
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err("expected a list of at least one name, without empty names");
        }
        Ok(Self(names))
    }
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        names.0
    }
}

/// Absolute paths: a TOML list, or a comma-separated text as in Ironic's file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "NamesAsWritten", into = "Vec<PathBuf>")]
pub struct Paths(pub Vec<PathBuf>);

impl TryFrom<NamesAsWritten> for Paths {
    type Error = String;

    fn try_from(written: NamesAsWritten) -> Result<Self, Self::Error> {
        let Texts(paths) = written.into();
        let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
        let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
        for path in &paths {
            if !path.is_absolute() || !path.components().all(plain) {
                return Err(format!(
                    "{} is not an absolute path without ..",
                    path.display()
                ));
            }
        }
        Ok(Self(paths))
    }
}

impl From<Paths> for Vec<PathBuf> {
    fn from(paths: Paths) -> Self {
        paths.0
    }
}

/// Texts, perhaps none: a TOML list, or a comma-separated text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "NamesAsWritten", into = "Vec<String>")]
pub struct Texts(pub Vec<String>);

impl From<NamesAsWritten> for Texts {
    fn from(written: NamesAsWritten) -> Self {
        Self(match written {
            NamesAsWritten::List(texts) => texts,
            NamesAsWritten::Text(text) if text.trim().is_empty() => Vec::new(),
            NamesAsWritten::Text(text) => text.split(',').map(|it| it.trim().to_owned()).collect(),
        })
    }
}

impl From<Texts> for Vec<String> {
    fn from(texts: Texts) -> Self {
        texts.0
    }
}

/// A text that must not be empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Word(pub String);

impl TryFrom<String> for Word {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.chars().any(|it| it.is_whitespace() || it.is_control()) {
            return Err("expected a single word");
        }
        Ok(Self(text))
    }
}

/// A secret text, which is never shown, not even in errors about an invalid value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer) {
            Ok(toml::Value::String(text)) => Ok(Self(text)),
            Ok(_) | Err(_) => Err(serde::de::Error::custom(
                "expected a text in quotes, as in key = \"text\"; the value is not shown here, \
                 because it is a secret",
            )),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("******")
    }
}

/// Secret texts: a TOML list, or a comma-separated text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Secrets(pub Vec<Secret>);

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = match toml::Value::deserialize(deserializer) {
            Ok(toml::Value::String(text)) if text.trim().is_empty() => Some(Vec::new()),
            Ok(toml::Value::String(text)) => {
                let parts = text.split(',').map(|it| Secret(it.trim().to_owned()));
                Some(parts.collect())
            }
            Ok(toml::Value::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    toml::Value::String(text) => Some(Secret(text)),
                    _ => None,
                })
                .collect(),
            Ok(_) | Err(_) => None,
        };
        texts.map(Self).ok_or_else(|| {
            serde::de::Error::custom(
                "expected a list of texts in quotes, as in key = [\"text\"]; the value is not shown \
                 here, because it is a secret",
            )
        })
    }
}

/// A kernel or ramdisk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Image(pub String);

impl TryFrom<String> for Image {
    type Error = String;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        let image = ImageRef::parse(&url)
            .map_err(|problem| format!("{:?} cannot be used: {problem}", mask_text(&url)))?;
        Ok(Self(image.as_str().to_owned()))
    }
}

/// Ramdisks beside another: a TOML list, or a comma-separated text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "NamesAsWritten", into = "Vec<Image>")]
pub(crate) struct ExtraRamdisks(pub Vec<Image>);

impl TryFrom<NamesAsWritten> for ExtraRamdisks {
    type Error = String;

    fn try_from(written: NamesAsWritten) -> Result<Self, Self::Error> {
        const MOST: usize = ImageKind::EXTRA_RAMDISKS.len();
        let Texts(urls) = written.into();
        if urls.len() > MOST {
            return Err(format!(
                "{} ramdisks, of at most {MOST}: join some, cpio archives can be concatenated",
                urls.len()
            ));
        }
        let images: Result<_, String> = urls.into_iter().map(Image::try_from).collect();
        images.map(Self)
    }
}

impl From<ExtraRamdisks> for Vec<Image> {
    fn from(ramdisks: ExtraRamdisks) -> Self {
        ramdisks.0
    }
}

/// Parameters for a kernel's command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct KernelParams(pub String);

impl TryFrom<String> for KernelParams {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut args = KernelArgs::new();
        args.extend(&text)
            .and_then(|()| args.check(0))
            .map_err(|problem| problem.to_string())?;
        Ok(Self(text.trim_ascii().to_owned()))
    }
}

/// The name of a file that a DHCP server hands out to firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct BootFile(pub String);

impl TryFrom<String> for BootFile {
    type Error = String;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        let name = written.trim_ascii();
        match dhcp::file_name_problem(name) {
            Some(problem) => Err(format!("{name:?} cannot be used: {problem}")),
            None => Ok(Self(name.to_owned())),
        }
    }
}
