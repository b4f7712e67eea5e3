//! `[conductor]`

use std::collections::BTreeMap;

use super::section::section;
use super::values::{ExtraRamdisks, Image, Paths};

section! {
    /// Tasks on nodes, and their ramdisks.
    ["conductor"] pub struct Conductor {
        /// Clean nodes before they become available. A node's `automated_clean` overrides it.
        /// Ironic's default is true. Here nothing can clean a node yet: with an agent's deploy
        /// interface it would wait for `clean_callback_timeout` and then be `clean failed`.
        pub automated_clean: bool = false;
        /// The kernel for deployment, cleaning and inspection, for nodes that do not set their own:
        /// an `http://` or `https://` URL, a Glance image (its UUID), or a `file://` URL. Requires
        /// `deploy_ramdisk`.
        pub deploy_kernel: Option<Image> = None;
        /// The ramdisk for deployment, cleaning and inspection. Requires `deploy_kernel`.
        pub deploy_ramdisk: Option<Image> = None;
        /// `deploy_kernel` by architecture, which takes precedence, for example `{ aarch64 =
        /// "http://images.example/arm/kernel" }`.
        pub deploy_kernel_by_arch: BTreeMap<String, Image> = BTreeMap::new();
        /// `deploy_ramdisk` by architecture, which takes precedence.
        pub deploy_ramdisk_by_arch: BTreeMap<String, Image> = BTreeMap::new();
        /// The kernel for rescue, like `deploy_kernel`. Requires `rescue_ramdisk`.
        pub rescue_kernel: Option<Image> = None;
        /// The ramdisk for rescue. Requires `rescue_kernel`.
        pub rescue_ramdisk: Option<Image> = None;
        /// `rescue_kernel` by architecture, which takes precedence.
        pub rescue_kernel_by_arch: BTreeMap<String, Image> = BTreeMap::new();
        /// `rescue_ramdisk` by architecture, which takes precedence.
        pub rescue_ramdisk_by_arch: BTreeMap<String, Image> = BTreeMap::new();
        /// Ramdisks that every agent (deploy and rescue) gets beside its own, in this order, as
        /// `deploy_ramdisk`: at most 4 cpio archives, which the kernel unpacks one over the other. For
        /// example a CA certificate and a file for `/etc/ironic-python-agent.d`, as
        /// `ipa-cacert-bundle` of Metal3.
        pub extra_ramdisks: ExtraRamdisks = ExtraRamdisks::default();
        /// The directories below which `file://` images are served: absolute paths. No other file
        /// of this host is served, and nothing that is reached through a symbolic link below them.
        /// Every conductor and every API needs the same files.
        pub file_url_allowed_paths: Paths = Paths::default();
        /// The interval of this conductor's heartbeats, in seconds.
        pub heartbeat_interval: u32 = 10, in 1..=3600;
        /// A conductor without a heartbeat for this long is considered dead, in seconds.
        pub heartbeat_timeout: u32 = 60, in 2..=86_400;
        /// How often to check for nodes of dead conductors and for nodes whose wait has timed out,
        /// in seconds.
        pub check_provision_state_interval: u32 = 10, in 1..=86_400;
        /// How long a node waits in `wait call-back` for its ramdisk or installer, in seconds; then
        /// it is `deploy failed`. 0 disables the timeout. Like the next four timeouts, it does not
        /// apply to nodes in maintenance.
        pub deploy_callback_timeout: u32 = 1800;
        /// How long a node waits in `clean wait` for its ramdisk, in seconds; then it is `clean
        /// failed`. 0 disables the timeout.
        pub clean_callback_timeout: u32 = 1800;
        /// How long the inspection of a node in `inspect wait` may take, in seconds; then it is
        /// `inspect failed`. 0 disables the timeout.
        pub inspect_wait_timeout: u32 = 1800;
        /// How long a node waits in `rescue wait` for the rescue ramdisk, in seconds; then it is
        /// `rescue failed`. 0 disables the timeout.
        pub rescue_callback_timeout: u32 = 1800;
        /// How long a node waits in `service wait` for its ramdisk, in seconds; then it is `service
        /// failed`. 0 disables the timeout.
        pub service_callback_timeout: u32 = 1800;
        /// Record errors of a node in its history (`GET /v1/nodes/<node>/history`).
        pub node_history: bool = true;
        /// The maximum number of entries in a node's history. Excess entries are deleted, oldest
        /// first, every `node_history_cleanup_interval`.
        pub node_history_max_entries: u32 = 300;
        /// For how many days all entries are kept; they do not count for
        /// `node_history_max_entries`.
        pub node_history_minimum_days: u32 = 0, in 0..=36_500;
        /// How often to delete excess entries of node histories, in seconds. 0 disables it.
        pub node_history_cleanup_interval: u32 = 86_400;
        /// The maximum number of entries deleted each time. 0 deletes none.
        pub node_history_cleanup_batch_count: u32 = 1000, in 0..=100_000;
        /// Allow provision verbs for nodes in maintenance.
        pub allow_provisioning_in_maintenance: bool = true;
        /// The group of nodes that this conductor manages: those with the same `conductor_group`.
        pub conductor_group: String = String::new();
    }
}
