"""An operator's program on openstacksdk: one machine from enrolment to deletion.

Called with the address of the API. Every expectation here also holds for Ironic itself, except
those of the `ipxe_config` method, which Ironic never got.
"""

import sys
import time

import openstack
from openstack import exceptions

MAC = "52:54:00:5d:00:01"


def expect_refusal(kind, words, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind as refusal:
        assert words in str(refusal), f"{words!r} is not in {refusal}"
    else:
        raise AssertionError(f"{call.__name__} was not refused")


def wait_for(baremetal, node, state):
    """The SDK's own waiting looks only every two seconds; this one is for intermediate states."""
    deadline = time.monotonic() + 120
    while True:
        node = baremetal.get_node(node.id)
        if node.provision_state == state:
            return node
        assert time.monotonic() < deadline, f"{node.provision_state}: {node.last_error}"
        time.sleep(0.05)


def enrol(baremetal):
    node = baremetal.create_node(
        driver="fake-hardware",
        name="sdk-node",
        boot_interface="ipxe",
        deploy_interface="direct",
        inspect_interface="agent",
        rescue_interface="agent",
        properties={"cpu_arch": "x86_64"},
        driver_info={
            "deploy_kernel": "http://192.0.2.1/deploy/kernel",
            "deploy_ramdisk": "http://192.0.2.1/deploy/ramdisk",
        },
        is_automated_clean_enabled=False,
        extra={"rack": 7},
    )
    assert node.provision_state == "enroll", node.provision_state
    assert node.is_automated_clean_enabled is False
    port = baremetal.create_port(node_id=node.id, address=MAC.upper())
    assert port.address == MAC, port.address

    results = baremetal.validate_node(node, required=["power", "management", "boot"])
    assert not results["deploy"].result
    assert "instance_info.image_source" in results["deploy"].reason, results["deploy"].reason
    return node


def deploy(baremetal, node, image):
    node = baremetal.set_node_provision_state(node, "manage", wait=True, timeout=120)
    assert node.provision_state == "manageable", node.provision_state
    node = baremetal.set_node_provision_state(node, "provide", wait=True, timeout=120)
    assert node.provision_state == "available", node.provision_state

    node = baremetal.update_node(
        node,
        instance_info={
            "image_source": image,
            "image_disk_format": "raw",
            "image_checksum": "d41d8cd98f00b204e9800998ecf8427e",
        },
    )
    baremetal.validate_node(node, required=["power", "boot", "deploy"])
    baremetal.set_node_provision_state(node, "active")
    node = wait_for(baremetal, node, "wait call-back")
    assert node.target_provision_state == "active", node.target_provision_state
    assert node.power_state == "power on", node.power_state
    return node


def boot_script(baremetal, node):
    methods = baremetal.list_driver_vendor_passthru("fake-hardware")
    assert "GET" in methods["ipxe_config"]["http_methods"], methods
    for query in ({"node_uuid": node.id}, {"port_address": MAC}):
        answer = baremetal.get(
            "/drivers/fake-hardware/vendor_passthru/ipxe_config", params=query
        )
        assert answer.status_code == 200, answer.text
        assert answer.text.startswith("#!ipxe"), answer.text
        assert "http://192.0.2.1/deploy/kernel" in answer.text, answer.text
        assert "http://192.0.2.1/deploy/ramdisk" in answer.text, answer.text


def operate(baremetal, node):
    baremetal.set_node_boot_device(node, "pxe", persistent=True)
    assert baremetal.get_node_boot_device(node)["boot_device"] == "pxe"
    assert "pxe" in baremetal.get_node_supported_boot_devices(node)["supported_boot_devices"]

    node = baremetal.set_node_provision_state(node, "deleted", wait=True, timeout=120)
    assert node.provision_state == "available", node.provision_state
    assert node.instance_info == {}, node.instance_info

    baremetal.set_node_power_state(node, "power on", wait=True, timeout=120)
    assert baremetal.get_node(node).power_state == "power on"
    baremetal.set_node_power_state(node, "power off", wait=True, timeout=120)
    assert baremetal.get_node(node).power_state == "power off"

    baremetal.set_node_maintenance(node, reason="new fan")
    node = baremetal.get_node(node)
    assert (node.is_maintenance, node.maintenance_reason) == (True, "new fan")
    baremetal.unset_node_maintenance(node)
    assert baremetal.get_node(node).is_maintenance is False


def search(baremetal, node):
    other = baremetal.create_node(driver="fake-hardware", name="sdk-other")
    names = [found.name for found in baremetal.nodes(fields=["uuid", "name"], limit=1)]
    assert sorted(names) == ["sdk-node", "sdk-other"], names
    found = list(baremetal.nodes(details=True, provision_state="available"))
    assert [(one.name, one.extra) for one in found] == [("sdk-node", {"rack": 7})], found
    assert [port.node_id for port in baremetal.ports(address=MAC, details=True)] == [node.id]
    assert [port.address for port in baremetal.ports(node=node.id)] == [MAC]
    assert baremetal.find_node("sdk-node").id == node.id
    assert baremetal.find_node("nobody") is None
    baremetal.delete_node(other)


def errors(baremetal, node):
    expect_refusal(
        exceptions.NotFoundException,
        "Node nobody could not be found.",
        baremetal.get_node,
        "nobody",
    )
    expect_refusal(
        exceptions.BadRequestException,
        'can not be performed on node "' + node.id + '" while it is in state "available".',
        baremetal.set_node_provision_state,
        node,
        "rebuild",
    )
    expect_refusal(
        exceptions.BadRequestException,
        "Expected valid MAC address",
        baremetal.create_port,
        node_id=node.id,
        address="no address",
    )


def main():
    endpoint, image = sys.argv[1:]
    connection = openstack.connect(
        auth_type="none", endpoint=endpoint, load_yaml_config=False, load_envvars=False
    )
    baremetal = connection.baremetal
    drivers = [driver.name for driver in baremetal.drivers()]
    assert drivers == ["fake-hardware", "manual-management"], drivers
    driver = baremetal.get_driver("fake-hardware")
    assert {"direct", "ramdisk"} <= set(driver.enabled_deploy_interfaces), driver

    node = enrol(baremetal)
    node = deploy(baremetal, node, image)
    boot_script(baremetal, node)
    operate(baremetal, node)
    search(baremetal, node)
    errors(baremetal, node)

    node = baremetal.patch_node(node, [{"op": "replace", "path": "/name", "value": "renamed"}])
    assert baremetal.find_node("renamed").id == node.id
    baremetal.delete_node(node)
    assert baremetal.find_node("renamed") is None
    assert list(baremetal.ports(address=MAC)) == []
    connection.close()


main()
