//! Installers: the deploy interface `anaconda`.

use super::*;

#[test]
fn installer_gets_the_urls_of_its_kickstart_and_stage2() {
    let mut node = node(ProvisionState::DeployWait, "anaconda");
    let line = |node: &Node| {
        let linux = linux(plan(node));
        assert_eq!(
            (linux.role, linux.bootif),
            (LinuxRole::Installer, None),
            "{linux:?}"
        );
        linux.args.to_string()
    };
    let start = format!(
        "nofb vga=normal inst.ks=http://127.0.0.1:6385/v1/boot/{}/ks.cfg ",
        node.uuid
    );
    let tree = "http://images.example/tree";
    // The runtime as Ironic wants it is found where Anaconda would look for it.
    for stage2 in [
        tree.to_owned(),
        format!("{tree}\n"),
        format!("{tree}/LiveOS/squashfs.img"),
        format!("{tree}/images/install.img"),
    ] {
        node.instance_info.insert("stage2".into(), json!(stage2));
        assert_eq!(line(&node), format!("{start}inst.stage2={tree}"));
    }
    node.provision_state = ProvisionState::Deploying.into();
    node.instance_info.remove("stage2");
    let repository = "http://images.example/os/";
    node.instance_info
        .insert("image_source".into(), json!(repository));
    assert_eq!(line(&node), format!("{start}inst.repo={repository}"));
    // What was found out about the URL comes before what it looks like.
    node.driver_internal_info
        .insert("is_source_a_path".into(), json!(false));
    let missing = "instance_info.stage2".to_owned();
    assert_eq!(refusal(plan(&node)), Refusal::Missing { fields: missing });
    node.driver_internal_info
        .insert("is_source_a_path".into(), json!(true));
    let repository = "http://images.example/os";
    node.instance_info
        .insert("image_source".into(), json!(repository));
    assert_eq!(line(&node), format!("{start}inst.repo={repository}"));
}

#[test]
fn stage2_folder_name_may_contain_a_dot() {
    let mut node = node(ProvisionState::DeployWait, "anaconda");
    for folder in [
        "http://h/os/9.4",
        "http://h/os/9.4/",
        "http://h/fedora-39.1",
        "http://h.img",
        "http://h.img/",
        "http://h/x.img/",
        "http://h",
    ] {
        node.instance_info.insert("stage2".into(), json!(folder));
        let words = linux(plan(&node)).args.to_string();
        let end = format!(" inst.stage2={folder}");
        assert!(words.contains(&end), "{words}");
    }
}

#[test]
fn missing_installer_field_is_refused_and_named() {
    let good = node(ProvisionState::DeployWait, "anaconda");
    for key in ["kernel", "ramdisk", "stage2", "image_source"] {
        let mut node = good.clone();
        node.instance_info.remove(key);
        let fields = format!("instance_info.{key}");
        assert_eq!(refusal(plan(&node)), Refusal::Missing { fields });
    }
    let sha256 = json!("sha256");
    for (key, value, named) in [
        ("kernel", json!(7), "kernel"),
        ("stage2", json!("http://h/${x}"), "stage2"),
        ("stage2", json!("http://h/\"x"), "stage2"),
        ("stage2", json!("http://h/tree?x=1"), "stage2"),
        ("stage2", json!("http://h/squashfs.img"), "stage2"),
        ("stage2", json!("http://h/os/install.IMG"), "stage2"),
        (
            "stage2",
            json!("http://h/images/rhel-stage2.squashfs"),
            "stage2",
        ),
        ("stage2", json!("http://h/boot.iso"), "stage2"),
        ("stage2", json!("http://h/os/.treeinfo"), "stage2"),
        // What would be left is no URL of a server.
        ("stage2", json!("http://LiveOS/squashfs.img"), "stage2"),
        ("image_source", json!("http://h/\"x"), "image_source"),
        (
            "image_source",
            json!("3b1f6ba4-6ae5-4d4b-9c8f"),
            "image_source",
        ),
        ("image_source", json!("http://h/x\nreboot"), "image_source"),
        ("image_os_hash_algo", sha256, "image_os_hash_value"),
        ("ks_template", json!("http://h/ks.cfg"), "ks_template"),
        ("configdrive", json!("no base64!"), "configdrive"),
        ("configdrive", json!("file://h/x"), "configdrive"),
        ("configdrive", json!([1]), "configdrive"),
    ] {
        let mut node = good.clone();
        node.instance_info.insert(key.into(), value.clone());
        let said = refusal(plan(&node)).to_string();
        let named = format!("instance_info.{named}");
        assert!(said.contains(&named), "{key} {value}: {said}");
    }
    let mut node = good;
    node.instance_info
        .insert("image_os_hash_algo".into(), json!("sha256"));
    node.instance_info
        .insert("image_os_hash_value".into(), json!("abc"));
    let said = refusal(plan(&node)).to_string();
    assert!(
        said.starts_with("instance_info.image_os_hash_value: "),
        "{said}"
    );
}

/// Once it is installed, and also if nothing of its installation is left.
#[test]
fn active_node_does_not_boot_the_installer() {
    let mut node = node(ProvisionState::Active, "anaconda");
    let disk = BootPlan::LocalDisk(BootSettings::default().local_boot);
    assert_eq!(plan(&node), disk);
    for option in ["netboot", "kickstart"] {
        node.instance_info
            .insert("capabilities".into(), json!({"boot_option": option}));
        node.instance_info
            .insert("image_type".into(), json!("partition"));
        assert_eq!(plan(&node), disk, "{option}");
    }
    node.instance_info.clear();
    assert_eq!(plan(&node), disk);
}
