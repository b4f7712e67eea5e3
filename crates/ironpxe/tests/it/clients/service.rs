//! What the service says about itself: drivers, their methods and properties, conductors.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::CliFixture;

#[test]
fn cli_shows_drivers_and_conductors() -> Result<()> {
    let lab = CliFixture::start()?;

    let drivers = lab.json(&["driver", "list"])?;
    assert_eq!(drivers[0]["name"], "fake-hardware");
    let host = drivers[0]["hosts"]
        .as_str()
        .context("a driver without a host")?;

    let driver = lab.json(&["driver", "show", "fake-hardware"])?;
    assert_eq!(driver["type"], "dynamic");
    assert_eq!(driver["hosts"], host);
    for (key, value) in [
        ("default_boot_interface", "fake"),
        ("default_deploy_interface", "fake"),
        ("default_power_interface", "fake"),
        ("default_management_interface", "fake"),
    ] {
        assert_eq!(driver[key], value, "{key}");
    }
    let deploy = driver["enabled_deploy_interfaces"]
        .as_str()
        .unwrap_or_default();
    assert!(
        deploy.contains("direct") && deploy.contains("ramdisk"),
        "{deploy}"
    );

    let properties = lab.json(&["driver", "property", "list", "fake-hardware"])?;
    let named = |wanted: &str| {
        properties
            .as_array()
            .is_some_and(|rows| rows.iter().any(|row| row["property"] == wanted))
    };
    assert!(
        named("deploy_kernel") && named("deploy_ramdisk"),
        "{properties}"
    );

    let methods = lab.json(&["driver", "passthru", "list", "fake-hardware"])?;
    assert_eq!(methods[0]["name"], "ipxe_config");
    assert_eq!(methods[0]["async"], false);
    let verbs = methods[0]["http_methods"].as_str().unwrap_or_default();
    assert!(verbs.contains("GET"), "{methods}");

    let conductors = lab.json(&["conductor", "list"])?;
    assert_eq!(
        conductors,
        json!([{"hostname": host, "conductor_group": "", "alive": true}])
    );
    let conductor = lab.json(&["conductor", "show", host])?;
    assert_eq!(conductor["hostname"], host);
    assert_eq!(
        conductor["drivers"],
        json!(["fake-hardware", "manual-management"])
    );

    let words = lab.refused(&["conductor", "show", "unknown"])?;
    assert!(
        words.contains("Conductor unknown could not be found. (HTTP 404)"),
        "{words}"
    );
    let words = lab.refused(&["driver", "show", "nothing"])?;
    let wanted = "Could not find the following driver(s) or hardware type(s): nothing. (HTTP 404)";
    assert!(words.contains(wanted), "{words}");
    let words = lab.refused(&["driver", "passthru", "call", "fake-hardware", "nothing"])?;
    assert!(
        words.contains("No handler for method nothing (HTTP 400)"),
        "{words}"
    );
    Ok(())
}
