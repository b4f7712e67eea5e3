//! The services that all roles need.

use ironpxe_core::boot::Kickstarts;

use super::AppError;
use super::openstack::Clients;
use super::settings::{boot_settings, images, seconds};
use crate::boot::{BootFacts, BootService, BootTokens, HardwareTypes, Templates};
use crate::config::{Config, Secret, Secrets};
use crate::db::Db;
use crate::ident;
use crate::images::Images;
use crate::lifecycle::Tasks;
use crate::url_key::UrlKey;

/// Its input.
pub(super) struct Inputs {
    pub(super) config: Config,
    pub(super) db: Db,
    pub(super) clients: Clients,
    pub(super) templates: Templates,
    pub(super) kickstarts: Kickstarts,
    pub(super) hardware_types: HardwareTypes,
    /// The API's URL for machines.
    pub(super) api_url: String,
    /// The ports of this service on this host.
    pub(super) own_ports: Vec<u16>,
    /// The maximum number of concurrently relayed images.
    pub(super) downloads: usize,
}

/// The database, the boot service and their dependencies.
pub(super) struct Common {
    pub(super) config: Config,
    pub(super) db: Db,
    pub(super) clients: Clients,
    pub(super) api_url: String,
    pub(super) images: Images,
    pub(super) boot: BootService,
    pub(super) tokens: Option<BootTokens>,
    pub(super) tasks: Tasks,
}

impl Common {
    /// Starts the boot service.
    pub(super) async fn start(inputs: Inputs) -> Result<Self, AppError> {
        let Inputs {
            config,
            db,
            clients,
            templates,
            kickstarts,
            hardware_types,
            api_url,
            own_ports,
            downloads,
        } = inputs;
        let key = match &config.images.url_key {
            Some(Secret(key)) => key.clone(),
            None => db.secret("image_urls", &ident::secret()).await?,
        };
        let base = api_url.clone();
        let images = images(&config, &clients, &key, base, own_ports, downloads)?;
        let tokens = boot_tokens(&config, &db).await?;
        let settings = boot_settings(
            &config,
            api_url.clone(),
            templates,
            images.clone(),
            kickstarts,
            hardware_types,
            tokens.clone(),
        );
        let tasks = Tasks::new();
        let boot = BootService::new(BootFacts::new(&db), settings, &tasks);
        Ok(Self {
            config,
            db,
            clients,
            api_url,
            images,
            boot,
            tokens,
            tasks,
        })
    }
}

/// Boot tokens, if they are configured.
async fn boot_tokens(config: &Config, db: &Db) -> Result<Option<BootTokens>, AppError> {
    let lifetime = config.pxe.boot_token_lifetime;
    if lifetime == 0 {
        return Ok(None);
    }
    let Secrets(keys) = &config.pxe.boot_token_key;
    let mut keys = keys.iter().map(|Secret(key)| UrlKey::new(key));
    let current = match keys.next() {
        Some(key) => key,
        None => UrlKey::new(&db.secret("boot_tokens", &ident::secret()).await?),
    };
    Ok(Some(BootTokens::new(
        current,
        keys.collect(),
        seconds(lifetime),
    )))
}
