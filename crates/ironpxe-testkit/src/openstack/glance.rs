//! A real Glance, which keeps its images in Swift.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::blocking::Client;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::keystone::{Keystone, SERVICE_PASSWORD, text};
use super::program::{Program, listen, run};
use super::swift::Swift;
use crate::http;

/// Who Glance is for Swift: the images are in this user's project.
const USER: &str = "glance";

/// A running Glance. Dropping it ends it and removes what it kept.
#[derive(Debug)]
pub struct Glance {
    /// Without a version.
    pub url: String,
    client: Client,
    _program: Program,
    _folder: TempDir,
}

impl Glance {
    /// Starts one with an empty database, and adds it to the catalog. Its images are in the
    /// container `glance` of the project `service`.
    pub fn start(venv: &Path, keystone: &Keystone, swift: &Swift) -> Result<Self> {
        keystone.add_service_user(USER)?;
        let folder = TempDir::with_prefix("ironpxe-glance-")?;
        let at = folder.path();
        let (listener, port) = listen()?;
        let url = format!("http://127.0.0.1:{port}");
        let here = at.display();
        for name in ["images", "staging", "tasks", "cache", "lock"] {
            fs::create_dir(at.join(name)).context("cannot create a folder")?;
        }
        let paste = venv.join("etc/glance/glance-api-paste.ini");
        let keystone_url = &keystone.url;
        fs::write(
            at.join("swift-store.conf"),
            format!(
                "[ref1]\nauth_address = {keystone_url}\nuser = service:{USER}\n\
                 key = {SERVICE_PASSWORD}\nuser_domain_id = default\n\
                 project_domain_id = default\nauth_version = 3\n"
            ),
        )
        .context("cannot write a configuration")?;
        let config = at.join("glance-api.conf");
        let authtoken = keystone.authtoken();
        fs::write(
            &config,
            format!(
                "[DEFAULT]\nenabled_backends = file:file, swift:swift\n\
                 node_staging_uri = file://{here}/staging\nimage_cache_dir = {here}/cache\n\
                 use_stderr = true\nworker_self_reference_url = {url}\n\
                 [database]\nconnection = sqlite:///{here}/glance.db\n\
                 [glance_store]\ndefault_backend = swift\n\
                 [file]\nfilesystem_store_datadir = {here}/images\n\
                 [os_glance_staging_store]\nfilesystem_store_datadir = {here}/staging\n\
                 [os_glance_tasks_store]\nfilesystem_store_datadir = {here}/tasks\n\
                 [swift]\nswift_store_config_file = {here}/swift-store.conf\n\
                 default_swift_reference = ref1\nswift_store_container = glance\n\
                 swift_store_create_container_on_put = true\n\
                 swift_store_endpoint = {swift_url}/v1/AUTH_{project}\n\
                 [paste_deploy]\nconfig_file = {paste}\nflavor = keystone\n\
                 [oslo_concurrency]\nlock_path = {here}/lock\n\
                 [keystone_authtoken]\ntoken_cache_time = -1\n{authtoken}",
                swift_url = swift.url,
                project = keystone.project_id,
                paste = paste.display(),
            ),
        )
        .context("cannot write a configuration")?;
        run(
            &venv.join("bin/glance-manage"),
            at,
            &[
                "--config-file".as_ref(),
                config.as_ref(),
                "db_sync".as_ref(),
            ],
        )?;
        let environment = [("OS_GLANCE_CONFIG_DIR", at.as_os_str())];
        let mut program = Program::serve(venv, at, "glance.wsgi.api", listener, &environment)?;
        program.wait_for(&url)?;
        keystone.add_service("image", "glance", &url)?;
        Ok(Self {
            url,
            client: http::client().build()?,
            _program: program,
            _folder: folder,
        })
    }

    /// Adds an image of the project `service` with these properties and data, and gives its UUID.
    /// Without data it stays queued.
    pub fn add_image(
        &self,
        keystone: &Keystone,
        properties: &Map<String, Value>,
        data: Option<Vec<u8>>,
    ) -> Result<String> {
        let token = keystone.token(USER)?;
        let mut image = json!({
            "name": "for-a-test", "container_format": "bare", "disk_format": "raw",
            "visibility": "public",
        });
        if let Some(image) = image.as_object_mut() {
            image.extend(properties.clone());
        }
        let made = self
            .client
            .post(format!("{}/v2/images", self.url))
            .header("X-Auth-Token", &token)
            .json(&image)
            .send()
            .context("Glance does not answer")?;
        let status = made.status();
        let made: Value = made
            .json()
            .with_context(|| format!("Glance answers {status}, and no JSON"))?;
        let id = text(&made, "/id")?;
        if let Some(data) = data {
            let sent = self
                .client
                .put(format!("{}/v2/images/{id}/file", self.url))
                .header("X-Auth-Token", &token)
                .header("Content-Type", "application/octet-stream")
                .body(data)
                .send()
                .context("Glance does not answer")?;
            let status = sent.status();
            let said = sent.text().unwrap_or_default();
            ensure!(status.is_success(), "Glance takes no data: {status} {said}");
        }
        Ok(id)
    }

    /// Uploads an image of this format (`aki`, `ari`, …) as an operator does, with the `openstack`
    /// client, and gives its UUID.
    pub fn upload(
        &self,
        venv: &Path,
        keystone: &Keystone,
        format: &str,
        data: &[u8],
    ) -> Result<String> {
        let folder = TempDir::with_prefix("ironpxe-upload-")?;
        let file = folder.path().join("image");
        fs::write(&file, data).context("cannot write an image")?;
        let file = file.to_string_lossy();
        let options = [
            ["--os-auth-url", &keystone.url],
            ["--os-username", USER],
            ["--os-password", SERVICE_PASSWORD],
            ["--os-user-domain-name", "Default"],
            ["--os-project-name", "service"],
            ["--os-project-domain-name", "Default"],
            ["image", "create"],
            ["--disk-format", format],
            ["--container-format", format],
            ["--file", &file],
            ["-f", "value"],
            ["-c", "id"],
            ["--public", format],
        ];
        let args: Vec<&OsStr> = options.iter().flatten().map(OsStr::new).collect();
        let said = run(&venv.join("bin/openstack"), folder.path(), &args)?;
        let id = said.trim();
        ensure!(!id.is_empty(), "the client says nothing of the image");
        Ok(id.to_owned())
    }
}
