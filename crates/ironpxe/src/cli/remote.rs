//! Queries a running service: one GET of its `boot_script` resource.
//!
//! The service and the credentials come from the variables of the `baremetal` client
//! (`OS_ENDPOINT`, `OS_AUTH_TYPE`, `OS_USERNAME`, `OS_PASSWORD`). No proxy is used, and redirects are
//! not followed.

mod answer;

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use ironpxe_core::boot::Overrides;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{StatusCode, Url};

pub(super) use self::answer::Answer;
use crate::config::Environment;
use crate::tls::{self, TlsError};

/// The timeout for the whole response.
const DEADLINE: Duration = Duration::from_secs(10);
/// The maximum size of a response; a script has some kilobytes.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// RFC 3986's unreserved characters stand for themselves.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A service, and the credentials for it.
#[derive(Debug)]
pub(super) struct Service {
    /// Without `/v1` and trailing slashes.
    base: Url,
    login: Option<Login>,
}

/// Credentials, hidden in `Debug` output.
struct Login {
    user: String,
    password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:******", self.user)
    }
}

/// Why a service returned no preview.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    /// The URL is invalid.
    #[error("{from} {url:?}: {problem}")]
    Address {
        from: &'static str,
        url: String,
        problem: String,
    },
    /// The credentials are incomplete.
    #[error("{0}")]
    Login(String),
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot reach {service}: {problem}")]
    Unreachable { service: String, problem: String },
    #[error("{service} did not respond within {} s", DEADLINE.as_secs())]
    TooLate { service: String },
    #[error("{service} {0}", if *.anonymous {
        "requires authentication (401): set OS_AUTH_TYPE=http_basic, OS_USERNAME and OS_PASSWORD"
    } else {
        "rejected the credentials (401): check OS_USERNAME and OS_PASSWORD"
    })]
    Unauthorized { service: String, anonymous: bool },
    /// The request is invalid.
    #[error("{service} rejected the request: {fault}")]
    InvalidRequest { service: String, fault: String },
    #[error("{service} refused ({status}): {fault}")]
    Refused {
        service: String,
        status: u16,
        fault: String,
    },
    #[error("the response of {service} is not ironpxe's: {problem}")]
    NotIronpxe { service: String, problem: String },
}

impl RemoteError {
    /// Whether the command line or the environment is wrong, rather than the service.
    pub(super) fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Address { .. } | Self::Login(_) | Self::InvalidRequest { .. }
        )
    }
}

impl Service {
    /// The service at `url`, which comes from `from`.
    pub(super) fn new(
        from: &'static str,
        url: &str,
        environment: &Environment,
    ) -> Result<Self, RemoteError> {
        let bad = |problem: &str| RemoteError::Address {
            from,
            // Never print a password in it.
            url: match url.rsplit_once('@') {
                Some((_, host)) => format!("...@{host}"),
                None => url.to_owned(),
            },
            problem: problem.to_owned(),
        };
        let mut base = Url::parse(url)
            .map_err(|_| bad("expected a URL such as http://ironic.example:6385"))?;
        match base.scheme() {
            "http" => {}
            "https" => {
                return Err(bad(
                    "ironpxe script does not speak https; give the address that the service \
                     itself listens on, or read its database with --config or --state-dir",
                ));
            }
            _ => return Err(bad("expected a URL such as http://ironic.example:6385")),
        }
        if base.host_str().is_none_or(str::is_empty) {
            return Err(bad("there is no host in it"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad(
                "the user and the password go into OS_USERNAME and OS_PASSWORD",
            ));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(bad("it must end with the path"));
        }
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path);
        let path = path.trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self {
            base,
            login: login(environment)?,
        })
    }

    /// What `machine` would boot, with `overrides`.
    pub(super) async fn preview(
        &self,
        machine: &str,
        overrides: &Overrides,
    ) -> Result<Answer, RemoteError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DEADLINE)
            .tls_backend_preconfigured(tls::no_client()?)
            .build()
            .map_err(RemoteError::Client)?;
        let mut request = client
            .get(self.resource(machine, overrides))
            .header("Accept", "application/json")
            // Names are supported since 1.5.
            .header("X-OpenStack-Ironic-API-Version", "latest");
        if let Some(Login { user, password }) = &self.login {
            request = request.basic_auth(user, Some(password));
        }
        let mut response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failed(&error))?
        {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.not_ironpxe("it is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        self.read(status, &body)
    }

    fn resource(&self, machine: &str, overrides: &Overrides) -> String {
        let machine = utf8_percent_encode(machine, ENCODED);
        let mut url = format!("{}/v1/nodes/{machine}/boot_script", self.name());
        let given = [
            ("state", overrides.state.map(|it| it.name().to_owned())),
            ("arch", overrides.arch.as_ref().map(ToString::to_string)),
            (
                "firmware",
                overrides.firmware.map(|it| it.name().to_owned()),
            ),
        ];
        let mut separator = '?';
        for (name, value) in given {
            if let Some(value) = value {
                let _ = write!(
                    url,
                    "{separator}{name}={}",
                    utf8_percent_encode(&value, ENCODED)
                );
                separator = '&';
            }
        }
        url
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Answer, RemoteError> {
        let service = self.name();
        match status {
            StatusCode::OK => Answer::read(body)
                .map_err(|error| self.not_ironpxe(&format!("it is not a preview: {error}"))),
            StatusCode::UNAUTHORIZED => Err(RemoteError::Unauthorized {
                service,
                anonymous: self.login.is_none(),
            }),
            _ => {
                let Some(fault) = answer::fault(body) else {
                    return Err(self.not_ironpxe(&format!("it is {status} without a reason")));
                };
                let status = status.as_u16();
                Err(match status {
                    400 | 406 => RemoteError::InvalidRequest { service, fault },
                    _ => RemoteError::Refused {
                        service,
                        status,
                        fault,
                    },
                })
            }
        }
    }

    fn failed(&self, error: &reqwest::Error) -> RemoteError {
        let service = self.name();
        if error.is_timeout() {
            return RemoteError::TooLate { service };
        }
        // Only the last cause has information.
        let mut cause: &dyn Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let problem = cause.to_string();
        if error.is_connect() {
            RemoteError::Unreachable { service, problem }
        } else {
            RemoteError::NotIronpxe { service, problem }
        }
    }

    fn not_ironpxe(&self, problem: &str) -> RemoteError {
        RemoteError::NotIronpxe {
            service: self.name(),
            problem: problem.to_owned(),
        }
    }

    fn name(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }
}

/// The credentials in the variables of the `baremetal` client.
fn login(environment: &Environment) -> Result<Option<Login>, RemoteError> {
    let text = |name: &str| -> Result<Option<String>, RemoteError> {
        let Some(value) = environment.variable(name) else {
            return Ok(None);
        };
        let not_utf8 = || RemoteError::Login(format!("{name} is not UTF-8"));
        value
            .to_str()
            .map(|text| Some(text.to_owned()))
            .ok_or_else(not_utf8)
    };
    match text("OS_AUTH_TYPE")?.as_deref() {
        None | Some("none") => Ok(None),
        Some("http_basic") => match (text("OS_USERNAME")?, text("OS_PASSWORD")?) {
            (Some(user), Some(password)) => Ok(Some(Login { user, password })),
            _ => Err(RemoteError::Login(
                "OS_AUTH_TYPE is http_basic, which needs OS_USERNAME and OS_PASSWORD".to_owned(),
            )),
        },
        Some(other) => Err(RemoteError::Login(format!(
            "OS_AUTH_TYPE is {other:?}, and ironpxe script knows none and http_basic"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment {
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            ..Environment::default()
        }
    }

    fn service(url: &str) -> Result<Service, RemoteError> {
        Service::new("--api", url, &Environment::default())
    }

    #[test]
    fn resource_path_is_appended_to_the_service_url() {
        let overrides = Overrides {
            state: Some(ironpxe_core::provision_state::ProvisionState::DeployWait),
            arch: Some(ironpxe_core::boot::CpuArch::parse("x86_64").unwrap()),
            firmware: Some(ironpxe_core::boot::Firmware::Efi),
        };
        for (url, base) in [
            ("http://h:6385", "http://h:6385"),
            ("http://h:6385/", "http://h:6385"),
            ("http://h/baremetal/v1/", "http://h/baremetal"),
            ("http://[fd00::1]:1/v1", "http://[fd00::1]:1"),
        ] {
            let service = service(url).unwrap();
            assert_eq!(
                service.resource("a:b/../c?", &overrides),
                format!(
                    "{base}/v1/nodes/a%3Ab%2F..%2Fc%3F/boot_script?state=wait%20call-back\
                     &arch=x86_64&firmware=efi"
                )
            );
            assert_eq!(
                service.resource("rack-1", &Overrides::default()),
                format!("{base}/v1/nodes/rack-1/boot_script")
            );
        }
    }

    #[test]
    fn invalid_url_is_named_without_its_password() {
        for (url, words) in [
            ("rack-1", "--api \"rack-1\": expected a URL such as"),
            ("127.0.0.1:6385", "expected a URL such as"),
            ("localhost:6385", "expected a URL such as"),
            ("ftp://h", "expected a URL such as"),
            ("https://h", "does not speak https"),
            (
                "http://me:hush@h",
                "\"...@h\": the user and the password go into OS_USERNAME",
            ),
            ("https://me:hush@h", "does not speak https"),
            ("http://h/?x=1", "it must end with the path"),
        ] {
            let error = service(url).unwrap_err();
            assert!(error.is_usage(), "{url}");
            let error = error.to_string();
            assert!(error.contains(words) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn credentials_are_read_from_the_os_variables() {
        let of = |variables: &[(&str, &str)]| login(&environment(variables));
        assert!(of(&[]).unwrap().is_none());
        let none = [
            ("OS_AUTH_TYPE", "none"),
            ("OS_USERNAME", "me"),
            ("OS_PASSWORD", "hush"),
        ];
        assert!(of(&none).unwrap().is_none());
        let basic = [
            ("OS_AUTH_TYPE", "http_basic"),
            ("OS_USERNAME", "me"),
            ("OS_PASSWORD", "hush"),
        ];
        let login = of(&basic).unwrap().unwrap();
        assert_eq!(format!("{login:?}"), "me:******");
        assert_eq!(login.password, "hush");
        let error = of(&basic[..2]).unwrap_err().to_string();
        assert!(error.contains("OS_PASSWORD"), "{error}");
        let error = of(&[("OS_AUTH_TYPE", "v3password")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"v3password\""), "{error}");
    }
}
