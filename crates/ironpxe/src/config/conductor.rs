//! `[conductor]`

use std::collections::BTreeMap;

use super::section::section;
use super::values::{Folders, Image};

section! {
    /// Work on nodes, and the ramdisks it needs.
    ["conductor"] pub struct Conductor {
        /// Clean a node whenever it becomes available. A node's `automated_clean` overrides it.
        /// Ironic's default is true. Here nothing can clean a node yet: with an agent's deploy
        /// interface it would wait for `clean_callback_timeout`, and then be `clean failed`.
        pub automated_clean: bool = false;
        /// The kernel that deploys, cleans and inspects, for nodes that do not name their own:
        /// an `http://` or `https://` URL, an image of Glance (its UUID), or a `file://` URL. Goes
        /// with `deploy_ramdisk`.
        pub deploy_kernel: Option<Image> = None;
        /// The ramdisk that deploys, cleans and inspects. Goes with `deploy_kernel`.
        pub deploy_ramdisk: Option<Image> = None;
        /// `deploy_kernel` by architecture, which goes first, for example
        /// `{ aarch64 = "http://images.example/arm/kernel" }`.
        pub deploy_kernel_by_arch: BTreeMap<String, Image> = BTreeMap::new();
        /// `deploy_ramdisk` by architecture, which goes first.
        pub deploy_ramdisk_by_arch: BTreeMap<String, Image> = BTreeMap::new();
        /// The kernel that rescues, as `deploy_kernel`. Goes with `rescue_ramdisk`.
        pub rescue_kernel: Option<Image> = None;
        /// The ramdisk that rescues. Goes with `rescue_kernel`.
        pub rescue_ramdisk: Option<Image> = None;
        /// `rescue_kernel` by architecture, which goes first.
        pub rescue_kernel_by_arch: BTreeMap<String, Image> = BTreeMap::new();
        /// `rescue_ramdisk` by architecture, which goes first.
        pub rescue_ramdisk_by_arch: BTreeMap<String, Image> = BTreeMap::new();
        /// The folders below which `file://` images may be: absolute paths. Nothing else of this
        /// host is ever sent to a machine, and nothing below them that is reached through a symbolic
        /// link. Every conductor and every API needs the same files.
        pub file_url_allowed_paths: Folders = Folders::default();
        /// How much memory each process that answers machines may keep in what they booted by, so that the
        /// next request is answered without reading the node again, in MiB. A machine takes about 0.4 KiB once it
        /// has booted, or 2 KiB if nothing in its script is like in others'.
        pub boot_index_size: u32 = 512, in 1..=1_048_576;
        /// How often this conductor tells the others that it lives, in seconds.
        pub heartbeat_interval: u32 = 10, in 1..=3600;
        /// A conductor that was not heard of for so many seconds is not alive.
        pub heartbeat_timeout: u32 = 60, in 2..=86_400;
        /// How often to look for nodes whose conductor is no longer alive, and for nodes that have
        /// waited too long for their ramdisk, in seconds.
        pub check_provision_state_interval: u32 = 10, in 1..=86_400;
        /// How long a node waits in `wait call-back` for the ramdisk or the installer that deploys
        /// it, in seconds; then it is `deploy failed`. 0 is for ever. As with the four following
        /// ones, a node in maintenance is left alone.
        pub deploy_callback_timeout: u32 = 1800;
        /// How long a node waits in `clean wait` for the ramdisk that cleans it, in seconds; then it
        /// is `clean failed`. 0 is for ever.
        pub clean_callback_timeout: u32 = 1800;
        /// How long the inspection of a node in `inspect wait` may last, in seconds; then it is
        /// `inspect failed`. 0 is for ever.
        pub inspect_wait_timeout: u32 = 1800;
        /// How long a node waits in `rescue wait` for the rescue ramdisk, in seconds; then it is
        /// `rescue failed`. 0 is for ever.
        pub rescue_callback_timeout: u32 = 1800;
        /// How long a node waits in `service wait` for the ramdisk that services it, in seconds;
        /// then it is `service failed`. 0 is for ever.
        pub service_callback_timeout: u32 = 1800;
        /// Record what goes wrong with a node, in its history (`GET /v1/nodes/<node>/history`).
        pub node_history: bool = true;
        /// How many entries the history of a node may have. What is more is deleted, oldest first,
        /// once in `node_history_cleanup_interval`.
        pub node_history_max_entries: u32 = 300;
        /// For how many days all entries are kept; they do not count for
        /// `node_history_max_entries`.
        pub node_history_minimum_days: u32 = 0, in 0..=36_500;
        /// How often to delete what the history of nodes has too much, in seconds. 0 is never.
        pub node_history_cleanup_interval: u32 = 86_400;
        /// How many entries are deleted each time, at most. 0 is none.
        pub node_history_cleanup_batch_count: u32 = 1000, in 0..=100_000;
        /// Let nodes in maintenance be deployed, cleaned and so on.
        pub allow_provisioning_in_maintenance: bool = true;
        /// Which nodes this conductor works on: those of the same `conductor_group`.
        pub conductor_group: String = String::new();
    }
}
