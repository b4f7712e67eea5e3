//! `[pxe]`

use std::collections::BTreeMap;
use std::path::PathBuf;

use ironpxe_core::boot::{GiveUpAction, LocalBootMethod};

use super::endpoint::Host;
use super::networks::Network;
use super::section::section;
use super::unknown_machines::{UnknownMachines, UnknownScript};
use super::values::{BootFile, KernelParams, Secrets};

section! {
    /// Boot scripts and loaders.
    ["pxe"] pub struct Pxe {
        /// Kernel parameters of ramdisks, unless the node sets `kernel_append_params` (where
        /// `%default%` expands to these).
        pub kernel_append_params: KernelParams = KernelParams("nofb vga=normal".to_owned());
        /// The file of a custom template for the boot script of every known machine, replacing the
        /// built-in `boot.ipxe`. See `ironpxe script template boot.ipxe` and `docs/templates.md`.
        /// It is reloaded on SIGHUP.
        pub ipxe_config_template: Option<PathBuf> = None;
        /// `ipxe_config_template` by architecture (the node's `properties.cpu_arch`), which takes
        /// precedence, for example `{ aarch64 = "/etc/ironpxe/boot-arm.ipxe" }`.
        pub ipxe_config_template_by_arch: BTreeMap<String, PathBuf> = BTreeMap::new();
        /// Let machines fetch Glance images from Swift, by temporary URLs that are generated on
        /// request; requires `[glance]swift_temp_url_key`. Otherwise this service relays them.
        pub ipxe_use_swift: bool = false;
        /// A download fails after this many seconds without progress; 0 disables the timeout.
        pub ipxe_timeout: u32 = 60, in 0..=86_400;
        /// How often a failed download is retried.
        pub ipxe_retries: u32 = 10, in 0..=1000;
        /// What a machine does when all attempts fail: `reboot`, `poweroff`, `shell` (an iPXE shell
        /// on the console) or `exit` (try the next boot device).
        pub ipxe_give_up_action: GiveUpAction = GiveUpAction::Reboot;
        /// How a BIOS machine boots from its disk: `sanboot` (iPXE boots the first disk), `exit`
        /// (try the next boot device), `reboot` or `poweroff`.
        pub local_boot_bios: LocalBootMethod = LocalBootMethod::Sanboot;
        /// How a UEFI machine boots from its disk; as `local_boot_bios`.
        pub local_boot_uefi: LocalBootMethod = LocalBootMethod::Exit;
        /// What firmware gets for a machine whose address belongs to no port: `refuse` (a script that
        /// says so, and exits), `local` (a script that boots from the disk, as `local_boot_bios` and
        /// `local_boot_uefi`), `404` (no script, for a boot script that then uses another one), or the
        /// URL of a script to continue with, for example one that inspects unknown machines.
        /// `/boot.ipxe` does this when none of a machine's addresses is known (as `refuse` for
        /// `404`). Not set: `refuse`, or `404` with `[beside]source`.
        pub unknown_machines: Option<UnknownMachines> = None;
        /// `unknown_machines` by the network of the client's address, which takes precedence; the
        /// longest prefix counts. For example `{ "10.1.0.0/16" = "local" }`. Behind a proxy the
        /// client is the proxy.
        pub unknown_machines_by_network: BTreeMap<Network, UnknownMachines> = BTreeMap::new();
        /// `unknown_machines` by architecture, which takes precedence, but not over
        /// `unknown_machines_by_network`: `x86_64` or `aarch64`. The script asks iPXE for it, so
        /// `404` is not possible, neither here nor as `unknown_machines` beside this.
        pub unknown_machines_by_arch: BTreeMap<String, UnknownScript> = BTreeMap::new();
        /// How long a boot token is valid, in seconds; 0: there are none. With tokens, a machine's
        /// script and kickstart are only available by URLs with a token, which the machine gets in
        /// its DHCP options, so `[dhcp]dhcp_provider` must not be `none`. Longer than twice the
        /// longest outage of that provider or of the conductors; for example 86400. The same for
        /// all processes. See `docs/boot-tokens.md`.
        pub boot_token_lifetime: u32 = 0, in 0..=31_536_000;
        /// The keys of boot tokens, each with at least 32 characters, the same for all replicas. The
        /// first one signs, all are accepted. Not set: a generated secret in the database.
        pub boot_token_key: Secrets = Secrets::default();
        /// The size of the boot cache of each process that serves machines, in MiB. A machine takes
        /// about 0.4 KiB, or 2 KiB if its script has nothing in common with others'.
        pub boot_cache_size: u32 = 512, in 1..=1_048_576;
        /// The address of the TFTP server with the loaders, without a port. Not set: the host of
        /// `[api]public_endpoint`.
        pub tftp_server: Option<Host> = None;
        /// The iPXE loader for BIOS machines: a file on the TFTP server.
        pub ipxe_bootfile_name: BootFile = BootFile("undionly.kpxe".to_owned());
        /// The iPXE loader for UEFI machines.
        pub uefi_ipxe_bootfile_name: BootFile = BootFile("snponly.efi".to_owned());
        /// The loader by architecture (the node's `properties.cpu_arch`), or by architecture and
        /// boot mode, which takes precedence: `{ aarch64 = "snponly-arm64.efi", x86_64-bios =
        /// "ipxe.pxe" }`.
        pub ipxe_bootfile_name_by_arch: BTreeMap<String, BootFile> = BTreeMap::new();
    }
}
