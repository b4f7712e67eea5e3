//! The settings of boot decisions.

use std::collections::BTreeMap;

use ironpxe_core::boot::{ApiUrlSource, BootSettings, Downloads, LocalBoot, RamdiskImages};

use super::Config;
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
            api_url_source: match (&self.beside_source, &self.api.public_endpoint) {
                (Some(_), _) => ApiUrlSource::Beside,
                (None, Some(_)) => ApiUrlSource::PublicEndpoint,
                (None, None) => ApiUrlSource::ListenAddress,
            },
            boot_tokens: pxe.boot_token_lifetime > 0,
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
            extra_ramdisks: conductor
                .extra_ramdisks
                .0
                .iter()
                .map(|Image(url)| url.clone())
                .collect(),
            default_boot_option: deploy.default_boot_option,
            downloads: self.downloads(),
            local_boot: self.local_boot(),
            origins: self.origins_of_settings(),
        }
    }

    /// How machines boot from their disks.
    pub(super) fn local_boot(&self) -> LocalBoot {
        LocalBoot {
            bios: self.pxe.local_boot_bios,
            uefi: self.pxe.local_boot_uefi,
        }
    }

    /// The download settings of boot scripts.
    pub(crate) fn downloads(&self) -> Downloads {
        Downloads {
            timeout_seconds: self.pxe.ipxe_timeout,
            retries: self.pxe.ipxe_retries,
            give_up: self.pxe.ipxe_give_up_action,
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
