//! What an iPXE script boots.

/// The images, kernel arguments and volumes of a script. It may hold passwords, so it is not
/// `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ScriptBoot {
    /// The URL of the kernel.
    pub kernel: Option<String>,
    /// The kernel's arguments.
    pub args: Vec<String>,
    /// The URLs of the ramdisks.
    pub ramdisks: Vec<String>,
    /// The URL of an image that is booted as a disk or CD-ROM.
    pub iso: Option<String>,
    /// Remote volumes, in the order in which they are attached.
    pub volumes: Vec<Volume>,
}

/// A remote volume.
#[derive(Clone, PartialEq, Eq)]
pub struct Volume {
    /// The BIOS drive number: `0x80`.
    pub drive: String,
    /// Its iSCSI URI.
    pub uri: String,
    /// The initiator.
    pub initiator: Option<String>,
    /// The CHAP user and password.
    pub chap: Option<(String, String)>,
}

/// The variables that volumes depend on.
#[derive(Default)]
struct Variables {
    username: Option<String>,
    password: Option<String>,
    initiator: Option<String>,
}

impl ScriptBoot {
    /// Of a script of this service.
    pub fn of_script(script: &str) -> Self {
        Self::of_lines(script.lines().map(str::trim))
    }

    pub(super) fn of_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut boot = Self::default();
        let mut variables = Variables::default();
        for line in lines {
            let command = line.split(" ||").next().unwrap_or_default();
            let mut words = command.split_whitespace();
            match words.next() {
                Some("kernel") => {
                    let (url, args) = image(words);
                    boot.kernel = url;
                    boot.args = args;
                }
                Some("initrd") => boot.ramdisks.extend(image(words).0),
                Some("set") => variables.set(words.next(), words.next()),
                Some("clear") => variables.set(words.next(), None),
                Some("sanhook") => {
                    let (drive, uri) = san(words);
                    boot.volumes
                        .extend(uri.map(|uri| variables.volume(drive, uri)));
                }
                Some("sanboot") => boot.iso = san(words).1.or(boot.iso),
                _ => {}
            }
        }
        boot
    }
}

impl Variables {
    fn set(&mut self, name: Option<&str>, value: Option<&str>) {
        let Some(name) = name else { return };
        let (name, kind) = name.split_once(':').unwrap_or((name, ""));
        let variable = match name {
            "username" => &mut self.username,
            "password" => &mut self.password,
            "initiator-iqn" => &mut self.initiator,
            _ => return,
        };
        *variable = value.map(|value| match kind {
            "hexraw" => unhex(value),
            _ => value.to_owned(),
        });
    }

    fn volume(&self, drive: String, uri: String) -> Volume {
        Volume {
            drive,
            uri,
            initiator: self.initiator.clone(),
            chap: self.username.clone().zip(self.password.clone()),
        }
    }
}

/// The URL, and the words after it. iPXE's options are before it.
fn image<'a>(mut words: impl Iterator<Item = &'a str>) -> (Option<String>, Vec<String>) {
    while let Some(word) = words.next() {
        match word {
            "--timeout" | "-t" | "--name" | "-n" => {
                words.next();
            }
            option if option.starts_with('-') => {}
            url => return (Some(url.to_owned()), words.map(str::to_owned).collect()),
        }
    }
    (None, Vec::new())
}

/// The drive, and the URI if there is one.
fn san<'a>(mut words: impl Iterator<Item = &'a str>) -> (String, Option<String>) {
    let mut drive = String::new();
    while let Some(word) = words.next() {
        match word {
            "--drive" | "-d" => words.next().unwrap_or_default().clone_into(&mut drive),
            option if option.starts_with('-') => {}
            uri => return (drive, Some(uri.to_owned())),
        }
    }
    (drive, None)
}

/// The text with these bytes, in hexadecimal digits; the digits if it is none.
fn unhex(digits: &str) -> String {
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| digits.to_owned())
}
