//! Lists: every page of every order, and every filter.

use ironpxe_core::id::NodeUuid;
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::node::fields::SORTABLE;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;

use super::super::testing::{TestDb, on_both};
use super::super::{Db, DbError, NodeFilter, Page, PortFilter, SortDirection};
use super::{full_node, node, port};
use crate::ident;

on_both! {
    pages_hold_everything_exactly_once_and_in_order,
    times_sort_as_they_follow_each_other,
    ports_are_paged_too,
    a_marker_that_is_gone_is_not_the_end_of_the_list,
    nodes_deleted_between_parts_hide_no_other_and_repeat_none,
    there_is_no_order_by_anything_else,
    each_filter_finds_the_one_node_it_is_about,
    nodes_with_internal_info_are_paged,
}

/// Every page of three, one after the other.
async fn pages(db: &Db, key: Option<&'static str>, sort_dir: SortDirection) -> Vec<Node> {
    let mut all: Vec<Node> = Vec::new();
    loop {
        let page = Page {
            limit: Some(3),
            marker: all.last().map(|node| node.uuid),
            sort_key: key,
            sort_dir,
        };
        let nodes = db.node_list(&NodeFilter::default(), &page).await.unwrap();
        assert!(nodes.len() <= 3);
        if nodes.is_empty() {
            return all;
        }
        all.extend(nodes);
    }
}

/// What a list is sorted by.
type Key = fn(&Node) -> Option<String>;

async fn pages_hold_everything_exactly_once_and_in_order(site: TestDb) {
    let db = site.open().await;
    // Names and classes: none, some, and some alike.
    for index in 0..20_u8 {
        let mut node = node();
        node.name = (index % 3 != 0).then(|| format!("node-{}", (index * 7) % 20));
        node.resource_class = (index % 4 != 0).then(|| format!("class-{}", index % 3));
        node.interfaces.set(
            InterfaceKind::Deploy,
            ["direct", "ramdisk"][usize::from(index % 2)],
        );
        db.node_create(&node).await.unwrap();
    }
    let everything = db
        .node_list(&NodeFilter::default(), &Page::default())
        .await
        .unwrap();
    assert_eq!(everything.len(), 20);
    let orders: [(Option<&str>, Key); 6] = [
        (None, |_| None),
        (Some("name"), |node| node.name.clone()),
        (Some("resource_class"), |node| node.resource_class.clone()),
        (Some("created_at"), |node| {
            Some(node.created_at.unix_timestamp_nanos().to_string())
        }),
        (Some("uuid"), |node| Some(node.uuid.to_string())),
        (Some("deploy_interface"), |node| {
            Some(node.interface(InterfaceKind::Deploy).to_owned())
        }),
    ];
    for (name, key) in orders {
        // `sort_by_key` keeps the order of those that are alike: that of creation.
        let mut expected = everything.clone();
        expected.sort_by_key(key);
        assert_eq!(
            pages(&db, name, SortDirection::Ascending).await,
            expected,
            "{name:?}"
        );
        expected.reverse();
        assert_eq!(
            pages(&db, name, SortDirection::Descending).await,
            expected,
            "{name:?}"
        );
    }
}

async fn times_sort_as_they_follow_each_other(site: TestDb) {
    let db = site.open().await;
    let mut expected = Vec::new();
    for microsecond in [0, 50_000, 123_400, 123_456, 500_000, 999_999] {
        let mut node = node();
        node.created_at = node.created_at.replace_microsecond(microsecond).unwrap();
        node.created_at = node.created_at.replace_second(7).unwrap();
        expected.push(microsecond);
        db.node_create(&node).await.unwrap();
    }
    let sorted = pages(&db, Some("created_at"), SortDirection::Ascending).await;
    let sorted: Vec<u32> = sorted
        .iter()
        .map(|node| node.created_at.microsecond())
        .collect();
    assert_eq!(sorted, expected);
}

async fn ports_are_paged_too(site: TestDb) {
    let db = site.open().await;
    let (first, second) = (node(), node());
    db.node_create(&first).await.unwrap();
    db.node_create(&second).await.unwrap();
    for last in 0..7 {
        let owner = if last % 2 == 0 { &first } else { &second };
        db.port_create(&port(owner, last)).await.unwrap();
    }
    for key in [None, Some("address"), Some("node_uuid"), Some("name")] {
        let mut all: Vec<Port> = Vec::new();
        loop {
            let marker = all.last().map(|port| port.uuid);
            let page = Page {
                limit: Some(2),
                marker,
                sort_key: key,
                ..Page::default()
            };
            let ports = db.port_list(&PortFilter::default(), &page).await.unwrap();
            if ports.is_empty() {
                break;
            }
            all.extend(ports);
        }
        let mut seen: Vec<_> = all.iter().map(|port| port.address).collect();
        if key == Some("node_uuid") {
            assert!(all.is_sorted_by_key(|port| port.node_uuid.to_string()));
            seen.sort();
        }
        let expected: Vec<_> = (0..7)
            .map(|last| MacAddress::new([0x52, 0x54, 0, 0, 0, last]))
            .collect();
        assert_eq!(seen, expected, "{key:?}");
    }
    let of_first = PortFilter {
        node_uuid: Some(first.uuid),
        ..PortFilter::default()
    };
    assert_eq!(
        db.port_list(&of_first, &Page::default())
            .await
            .unwrap()
            .len(),
        4
    );
    let by_address = PortFilter {
        address: Some(MacAddress::new([0x52, 0x54, 0, 0, 0, 3])),
        node_uuid: Some(second.uuid),
        project: None,
    };
    assert_eq!(
        db.port_list(&by_address, &Page::default())
            .await
            .unwrap()
            .len(),
        1
    );
    let mismatch = PortFilter {
        node_uuid: Some(first.uuid),
        ..by_address
    };
    assert_eq!(db.port_list(&mismatch, &Page::default()).await.unwrap(), []);
}

async fn a_marker_that_is_gone_is_not_the_end_of_the_list(site: TestDb) {
    let db = site.open().await;
    let node = node();
    db.node_create(&node).await.unwrap();
    let after = |marker| Page {
        marker: Some(marker),
        ..Page::default()
    };
    let end = db
        .node_list(&NodeFilter::default(), &after(node.uuid))
        .await
        .unwrap();
    assert_eq!(end, []);
    let gone = NodeUuid(ident::uuid());
    let error = db
        .node_list(&NodeFilter::default(), &after(gone))
        .await
        .unwrap_err();
    assert!(
        matches!(error, DbError::NodeMissing(uuid) if uuid == gone),
        "{error:?}"
    );
}

async fn nodes_deleted_between_parts_hide_no_other_and_repeat_none(site: TestDb) {
    let db = site.open().await;
    let mut nodes = Vec::new();
    for _ in 0..7 {
        let node = node();
        db.node_create(&node).await.unwrap();
        nodes.push(node.uuid);
    }
    let filter = NodeFilter::default();
    let page = Page {
        limit: Some(2),
        marker: Some(nodes[0]),
        ..Page::default()
    };
    let mut parts = db.node_parts(&filter, page);
    let mut found = Vec::new();
    // All of the second part, and the end of the first: what is before them is the marker then.
    let deleted_after = [&nodes[2..=2], &nodes[3..=4], &[], &[]];
    for deleted in deleted_after {
        let part = parts.next().await.unwrap().unwrap_or_default();
        found.extend(part.into_iter().map(|node| node.uuid));
        for uuid in deleted {
            db.node_destroy(*uuid, |_| Ok(())).await.unwrap();
        }
    }
    assert_eq!(found, nodes[1..]);
    assert_eq!(parts.next().await.unwrap(), None);
}

async fn there_is_no_order_by_anything_else(site: TestDb) {
    let db = site.open().await;
    let page = Page {
        sort_key: Some("driver_info"),
        ..Page::default()
    };
    let error = db
        .node_list(&NodeFilter::default(), &page)
        .await
        .unwrap_err();
    assert!(
        matches!(error, DbError::SortKey("driver_info")),
        "{error:?}"
    );
    // What can be asked for is a column: SQL that names none is an error here.
    for key in SORTABLE.iter().copied().chain(["id"]) {
        let page = Page {
            sort_key: Some(key),
            ..Page::default()
        };
        db.node_list(&NodeFilter::default(), &page).await.unwrap();
    }
}

async fn each_filter_finds_the_one_node_it_is_about(site: TestDb) {
    let db = site.open().await;
    let full = full_node();
    db.node_create(&full).await.unwrap();
    db.node_create(&node()).await.unwrap();
    let none = NodeFilter::default;
    let filters = [
        NodeFilter {
            provision_state: Some(ProvisionState::DeployWait),
            ..none()
        },
        NodeFilter {
            driver: Some("manual-management".to_owned()),
            ..none()
        },
        NodeFilter {
            resource_class: full.resource_class.clone(),
            ..none()
        },
        NodeFilter {
            maintenance: Some(true),
            ..none()
        },
        NodeFilter {
            associated: Some(true),
            ..none()
        },
        NodeFilter {
            instance_uuid: full.instance_uuid,
            ..none()
        },
        NodeFilter {
            instance_name: full.instance_name.clone(),
            ..none()
        },
        NodeFilter {
            chassis_uuid: full.chassis_uuid,
            ..none()
        },
        NodeFilter {
            fault: full.fault.clone(),
            ..none()
        },
        NodeFilter {
            conductor_group: Some("hall-2".to_owned()),
            ..none()
        },
        NodeFilter {
            owner: full.owner.clone(),
            ..none()
        },
        NodeFilter {
            lessee: full.lessee.clone(),
            ..none()
        },
        NodeFilter {
            retired: Some(true),
            ..none()
        },
        NodeFilter {
            shard: Some(vec!["x".to_owned(), "shard-1".to_owned()]),
            ..none()
        },
        NodeFilter {
            sharded: Some(true),
            ..none()
        },
        NodeFilter {
            description_contains: Some("THIRD from".to_owned()),
            ..none()
        },
        NodeFilter {
            parent_node: full.parent_node,
            ..none()
        },
        NodeFilter {
            has_parent: Some(true),
            ..none()
        },
        NodeFilter {
            reserved_by: full.reservation.clone(),
            ..none()
        },
    ];
    for filter in &filters {
        let found = db.node_list(filter, &Page::default()).await.unwrap();
        assert_eq!(found, std::slice::from_ref(&full), "{filter:?}");
    }
    // All at once, and with an order and a marker after them.
    let all = NodeFilter {
        maintenance: Some(true),
        retired: Some(true),
        associated: Some(true),
        driver: Some("manual-management".to_owned()),
        ..none()
    };
    let page = Page {
        sort_key: Some("name"),
        limit: Some(9),
        ..Page::default()
    };
    assert_eq!(db.node_list(&all, &page).await.unwrap().len(), 1);
    let page = Page {
        marker: Some(full.uuid),
        ..page
    };
    assert_eq!(db.node_list(&all, &page).await.unwrap().len(), 0);

    let nothing = [
        NodeFilter {
            shard: Some(Vec::new()),
            ..none()
        },
        NodeFilter {
            description_contains: Some("th%p".to_owned()),
            ..none()
        },
        NodeFilter {
            description_contains: Some("t_ird".to_owned()),
            ..none()
        },
    ];
    for filter in &nothing {
        assert_eq!(
            db.node_list(filter, &Page::default()).await.unwrap(),
            [],
            "{filter:?}"
        );
    }
    let other = NodeFilter {
        associated: Some(false),
        ..none()
    };
    assert_ne!(
        db.node_list(&other, &Page::default()).await.unwrap(),
        [full]
    );
}

async fn nodes_with_internal_info_are_paged(site: TestDb) {
    let db = site.open().await;
    let mut expected = Vec::new();
    for index in 0..4_u8 {
        let mut node = node();
        if index != 0 {
            let info = &mut node.driver_internal_info;
            info.insert("dnsmasq_tag".into(), "a tag".into());
        }
        if index == 1 {
            node.reservation = Some("conductor-1".to_owned());
        }
        db.node_create(&node).await.unwrap();
        if index > 1 {
            expected.push(node.uuid);
        }
    }
    expected.sort();
    let listed = async |after| {
        let nodes = db.node_list_with_internal_info("dnsmasq_tag", after).await;
        let uuids = nodes.unwrap().into_iter().map(|node| node.uuid);
        uuids.collect::<Vec<_>>()
    };
    assert_eq!(listed(None).await, expected);
    assert_eq!(listed(Some(expected[0])).await, expected[1..]);
    assert_eq!(listed(Some(expected[1])).await, []);
}
