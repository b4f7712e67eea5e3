//! The settings of boot decisions.

use std::collections::BTreeMap;

use ironpxe_core::boot::{self, ApiUrlSource, BootSettings, Downloads, RamdiskImages};

use super::Config;
use super::deploy::BootOption;
use super::pxe::{GiveUpAction, LocalBoot};
use super::values::Image;

impl Config {
    /// The settings of boot decisions, with the API's URL `api_url`.
    pub(crate) fn boot_settings(&self, api_url: String) -> BootSettings {
        let Self {
            general,
            conductor,
            pxe,
            inspector,
            deploy,
            ..
        } = self;
        BootSettings {
            api_url,
            api_url_source: match &self.api.public_endpoint {
                Some(_) => ApiUrlSource::PublicEndpoint,
                None => ApiUrlSource::ListenAddress,
            },
            debug: general.debug,
            kernel_append_params: pxe.kernel_append_params.0.clone(),
            inspection_kernel_params: inspector.extra_kernel_params.0.clone(),
            fast_track: deploy.fast_track,
            deploy: RamdiskImages {
                kernel: url(conductor.deploy_kernel.as_ref()),
                ramdisk: url(conductor.deploy_ramdisk.as_ref()),
                kernel_by_arch: urls(&conductor.deploy_kernel_by_arch),
                ramdisk_by_arch: urls(&conductor.deploy_ramdisk_by_arch),
            },
            rescue: RamdiskImages {
                kernel: url(conductor.rescue_kernel.as_ref()),
                ramdisk: url(conductor.rescue_ramdisk.as_ref()),
                kernel_by_arch: urls(&conductor.rescue_kernel_by_arch),
                ramdisk_by_arch: urls(&conductor.rescue_ramdisk_by_arch),
            },
            default_boot_option: match deploy.default_boot_option {
                BootOption::Local => boot::BootOption::Local,
                BootOption::Netboot => boot::BootOption::Netboot,
            },
            downloads: self.downloads(),
            local_boot: boot::LocalBoot {
                bios: local_boot(pxe.local_boot_bios),
                uefi: local_boot(pxe.local_boot_uefi),
            },
        }
    }

    /// The download settings of boot scripts.
    pub(crate) fn downloads(&self) -> Downloads {
        Downloads {
            timeout_seconds: self.pxe.ipxe_timeout,
            retries: self.pxe.ipxe_retries,
            give_up: match self.pxe.ipxe_give_up_action {
                GiveUpAction::Reboot => boot::GiveUpAction::Reboot,
                GiveUpAction::Poweroff => boot::GiveUpAction::Poweroff,
                GiveUpAction::Shell => boot::GiveUpAction::Shell,
                GiveUpAction::Exit => boot::GiveUpAction::Exit,
            },
        }
    }
}

fn url(image: Option<&Image>) -> Option<String> {
    image.map(|Image(url)| url.clone())
}

fn urls(images: &BTreeMap<String, Image>) -> BTreeMap<String, String> {
    images
        .iter()
        .map(|(arch, Image(url))| (arch.clone(), url.clone()))
        .collect()
}

fn local_boot(method: LocalBoot) -> boot::LocalBootMethod {
    match method {
        LocalBoot::Sanboot => boot::LocalBootMethod::Sanboot,
        LocalBoot::Exit => boot::LocalBootMethod::Exit,
        LocalBoot::Reboot => boot::LocalBootMethod::Reboot,
        LocalBoot::Poweroff => boot::LocalBootMethod::Poweroff,
    }
}
