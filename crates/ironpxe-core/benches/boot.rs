//! Decide and render: what a boot request costs beside HTTP and the database.

#![expect(clippy::expect_used, reason = "a bench of fixed values")]

use criterion::{Criterion, criterion_group, criterion_main};
use ironpxe_core::boot::{
    BootSettings, Machine, OperatorTemplates, RenderContext, ResolvedPlan, Scripts, TemplateFile,
    decide,
};
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::json;
use time::OffsetDateTime;

const REQUEST: &str = "req-00000000-0000-4000-8000-000000000001";

fn machine(state: ProvisionState) -> (Node, Port) {
    let uuid = "ee490fb7-d420-4b2f-8153-8a674b930740"
        .parse()
        .expect("a UUID");
    let mut node = Node::enroll(uuid, "fake-hardware", OffsetDateTime::UNIX_EPOCH);
    node.name = Some("bm-1".into());
    node.provision_state = state.into();
    node.interfaces.set(InterfaceKind::Deploy, "direct");
    node.driver_info.insert(
        "deploy_kernel".into(),
        json!("http://images.example/kernel"),
    );
    node.driver_info.insert(
        "deploy_ramdisk".into(),
        json!("http://images.example/ramdisk"),
    );
    let port = "56ea0485-c79e-434e-af55-8ca4d3c3ecf9"
        .parse()
        .expect("a UUID");
    let address = "52:54:00:aa:00:01".parse().expect("an address");
    let port = Port::new(port, node.uuid, address, OffsetDateTime::UNIX_EPOCH);
    (node, port)
}

fn boot(c: &mut Criterion) {
    let settings = BootSettings::default();
    let scripts = Scripts::new(settings.downloads).expect("the built-in templates");
    // The same template as an operator's: checked as a whole, with more variables.
    let templates = OperatorTemplates {
        every: Some(TemplateFile {
            path: "boot.ipxe".into(),
            text: "{% include \"boot.ipxe\" %}".into(),
        }),
        ..OperatorTemplates::default()
    };
    let operators = Scripts::with_operators(settings.downloads, templates.clone())
        .expect("an operator's template");
    c.bench_function("load an operator's template", |b| {
        b.iter(|| Scripts::with_operators(settings.downloads, templates.clone()));
    });
    for state in [
        ProvisionState::DeployWait,
        ProvisionState::Active,
        ProvisionState::Available,
    ] {
        let (node, port) = machine(state);
        let machine = Machine {
            port: Some(&port),
            ..Machine::of(&node)
        };
        let context = RenderContext {
            machine,
            request_id: REQUEST,
        };
        c.bench_function(&format!("decide/{state}"), |b| {
            b.iter(|| decide(machine, &settings, REQUEST));
        });
        c.bench_function(&format!("decide and render/{state}"), |b| {
            b.iter(|| {
                let plan = decide(machine, &settings, REQUEST);
                scripts.render(&ResolvedPlan::direct(plan), context)
            });
        });
        c.bench_function(&format!("decide and render as an operator/{state}"), |b| {
            b.iter(|| {
                let plan = decide(machine, &settings, REQUEST);
                operators.render(&ResolvedPlan::direct(plan), context)
            });
        });
    }
}

criterion_group!(benches, boot);
criterion_main!(benches);
