//! A real Keystone, with a project `service` for the other services.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::program::{Program, listen, run};
use crate::http;

/// The password of every user that [`Keystone::add_service_user`] adds.
pub const SERVICE_PASSWORD: &str = "service-test-password";
const ADMIN_PASSWORD: &str = "admin-test-password";
/// The default lifetime of tokens, in seconds.
const TOKEN_LIFE: u32 = 3600;

/// A running Keystone. Dropping it ends it and removes what it kept.
#[derive(Debug)]
pub struct Keystone {
    /// With `/v3`.
    pub url: String,
    /// The id of the project `service`.
    pub project_id: String,
    client: Client,
    _program: Program,
    _folder: TempDir,
}

impl Keystone {
    /// Starts one, with an empty database.
    pub fn start(venv: &Path) -> Result<Self> {
        Self::start_with(venv, TOKEN_LIFE)
    }

    /// As above, with tokens of this lifetime in seconds.
    pub fn start_with(venv: &Path, token_life: u32) -> Result<Self> {
        let folder = TempDir::with_prefix("ironpxe-keystone-")?;
        let at = folder.path();
        let (listener, port) = listen()?;
        let url = format!("http://127.0.0.1:{port}/v3");
        let here = at.display();
        let config = at.join("keystone.conf");
        // Without its cache a Keystone needs half a second for every token that it looks at.
        let settings = format!(
            "[DEFAULT]\nuse_stderr = true\n\
             [database]\nconnection = sqlite:///{here}/keystone.db\n\
             [token]\nprovider = fernet\nexpiration = {token_life}\n\
             [fernet_tokens]\nkey_repository = {here}/fernet\n\
             [fernet_receipts]\nkey_repository = {here}/fernet\n\
             [credential]\nkey_repository = {here}/credential\n\
             [cache]\nenabled = true\nbackend = dogpile.cache.memory\n\
             [identity]\npassword_hash_rounds = 4\n"
        );
        fs::write(&config, settings).context("cannot write a configuration")?;
        for keys in ["fernet", "credential"] {
            fs::create_dir(at.join(keys)).context("cannot create a folder")?;
        }
        let manage = |args: &[&str]| {
            let given = [OsStr::new("--config-file"), config.as_ref()];
            let args: Vec<&OsStr> = given
                .into_iter()
                .chain(args.iter().map(OsStr::new))
                .collect();
            run(&venv.join("bin/keystone-manage"), at, &args)
        };
        let (user, group) = (
            nix::unistd::User::from_uid(nix::unistd::geteuid())?.map(|it| it.name),
            nix::unistd::Group::from_gid(nix::unistd::getegid())?.map(|it| it.name),
        );
        let user = user.context("we have no name")?;
        let group = group.context("our group has no name")?;
        manage(&["db_sync"])?;
        for keys in ["fernet_setup", "credential_setup"] {
            manage(&[keys, "--keystone-user", &user, "--keystone-group", &group])?;
        }
        manage(&[
            "bootstrap",
            "--bootstrap-password",
            ADMIN_PASSWORD,
            "--bootstrap-region-id",
            "RegionOne",
            "--bootstrap-public-url",
            &url,
            "--bootstrap-internal-url",
            &url,
        ])?;
        let environment = [("OS_KEYSTONE_CONFIG_FILES", config.as_ref())];
        let mut program = Program::serve(venv, at, "keystone.wsgi.api", listener, &environment)?;
        program.wait_for(&url)?;
        let mut keystone = Self {
            url,
            project_id: String::new(),
            client: http::client().build()?,
            _program: program,
            _folder: folder,
        };
        let project = json!({ "project": { "name": "service", "domain_id": "default" } });
        let project = keystone.ask(Method::POST, "/projects", &project)?;
        keystone.project_id = text(&project, "/project/id")?;
        Ok(keystone)
    }

    /// The lines of an OpenStack service's `[keystone_authtoken]`.
    pub(super) fn authtoken(&self) -> String {
        let url = &self.url;
        format!(
            "www_authenticate_uri = {url}\nauth_url = {url}\nauth_type = password\n\
             project_domain_id = default\nuser_domain_id = default\nproject_name = admin\n\
             username = admin\npassword = {ADMIN_PASSWORD}\n"
        )
    }

    /// What an Ironic that authenticates by it has in its `ironic.conf`.
    pub fn ironic_settings(&self) -> String {
        let authtoken = self.authtoken();
        format!("[DEFAULT]\nauth_strategy = keystone\n[keystone_authtoken]\n{authtoken}")
    }

    /// Adds a user with one role, in the whole deployment (`system`) or in the project `service`.
    pub fn add_user(&self, name: &str, role: &str, is_of_system: bool) -> Result<()> {
        let user = self.create_user(name)?;
        let role = self.role(role)?;
        let scope = if is_of_system {
            "/system".to_owned()
        } else {
            format!("/projects/{}", self.project_id)
        };
        let path = format!("{scope}/users/{user}/roles/{role}");
        self.ask(Method::PUT, &path, &Value::Null).map(drop)
    }

    fn create_user(&self, name: &str) -> Result<String> {
        let user = json!({ "user": {
            "name": name, "domain_id": "default", "password": SERVICE_PASSWORD,
        } });
        text(&self.ask(Method::POST, "/users", &user)?, "/user/id")
    }

    fn role(&self, name: &str) -> Result<String> {
        let found = self.ask(Method::GET, &format!("/roles?name={name}"), &Value::Null)?;
        text(&found, "/roles/0/id")
    }

    /// Adds a user, who may do in the project `service` what the users of services may.
    pub fn add_service_user(&self, name: &str) -> Result<()> {
        let user = self.create_user(name)?;
        for role in ["admin", "service", "member"] {
            let role = self.role(role)?;
            let path = format!("/projects/{}/users/{user}/roles/{role}", self.project_id);
            self.ask(Method::PUT, &path, &Value::Null)?;
        }
        Ok(())
    }

    /// Refuses the tokens that a user was given so far: they are locked out, and let in again.
    pub fn revoke_tokens_of(&self, name: &str) -> Result<()> {
        let found = self.ask(Method::GET, &format!("/users?name={name}"), &Value::Null)?;
        let path = format!("/users/{}", text(&found, "/users/0/id")?);
        for enabled in [false, true] {
            let change = json!({ "user": { "enabled": enabled } });
            self.ask(Method::PATCH, &path, &change)?;
        }
        Ok(())
    }

    /// Adds a service to the catalog.
    pub fn add_service(&self, kind: &str, name: &str, url: &str) -> Result<()> {
        let service = json!({ "service": { "type": kind, "name": name } });
        let service = self.ask(Method::POST, "/services", &service)?;
        let service = text(&service, "/service/id")?;
        for interface in ["public", "internal"] {
            let endpoint = json!({ "endpoint": {
                "service_id": service, "interface": interface,
                "region_id": "RegionOne", "url": url,
            } });
            self.ask(Method::POST, "/endpoints", &endpoint)?;
        }
        Ok(())
    }

    /// A token of a user that was added, for the project `service`.
    pub fn token(&self, user: &str) -> Result<String> {
        self.token_of(user, SERVICE_PASSWORD, "service")
    }

    /// A token of the administrator, for the whole deployment.
    pub fn system_token(&self) -> Result<String> {
        self.token_for(
            "admin",
            ADMIN_PASSWORD,
            &json!({ "system": { "all": true } }),
        )
    }

    /// An application credential of a user that was added: its id and its secret.
    pub fn application_credential(&self, user: &str) -> Result<(String, String)> {
        let token = self.token(user)?;
        let found = self.ask(Method::GET, &format!("/users?name={user}"), &Value::Null)?;
        let id = text(&found, "/users/0/id")?;
        let path = format!("/users/{id}/application_credentials");
        let wanted = json!({ "application_credential": { "name": "for-a-test" } });
        let answer = self.send(Method::POST, &path, Some(&token), &wanted)?;
        let made = answer.json().context("Keystone does not answer JSON")?;
        Ok((
            text(&made, "/application_credential/id")?,
            text(&made, "/application_credential/secret")?,
        ))
    }

    fn token_of(&self, user: &str, password: &str, project: &str) -> Result<String> {
        let scope = json!({ "project": { "name": project, "domain": { "id": "default" } } });
        self.token_for(user, password, &scope)
    }

    fn token_for(&self, user: &str, password: &str, scope: &Value) -> Result<String> {
        let wanted = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": user, "password": password, "domain": { "id": "default" },
            } } },
            "scope": scope,
        } });
        let answer = self.send(Method::POST, "/auth/tokens", None, &wanted)?;
        let token = answer.headers().get("X-Subject-Token");
        let token = token.context("Keystone gave no token")?;
        Ok(token.to_str().context("a token is no text")?.to_owned())
    }

    /// Asks as the administrator.
    fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let token = self.token_of("admin", ADMIN_PASSWORD, "admin")?;
        let answer = self.send(method, path, Some(&token), body)?;
        let answer = answer.text().context("Keystone's answer does not end")?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer).context("Keystone does not answer JSON")
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<Response> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().context("Keystone does not answer")?;
        let status = answer.status();
        if !status.is_success() {
            let said = answer.text().unwrap_or_default();
            bail!("Keystone answered {status} to {path}: {said}");
        }
        Ok(answer)
    }
}

/// The text at a place of an answer.
pub(super) fn text(answer: &Value, place: &str) -> Result<String> {
    let found = answer.pointer(place).and_then(Value::as_str);
    let found = found.with_context(|| format!("no {place} in {answer}"))?;
    Ok(found.to_owned())
}
