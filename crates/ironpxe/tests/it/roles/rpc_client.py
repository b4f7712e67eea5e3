"""Ironic's own JSON-RPC client, asking a conductor of ironpxe.

Arguments: the conductor's host:port, a node, an address that its port has, one that none has.
Prints what it got as one JSON document.
"""

import json
import sys

from oslo_config import cfg
from oslo_messaging import serializer

from ironic.common import context
from ironic.common import exception
from ironic.common.json_rpc import client

CONF = cfg.CONF


def main():
    endpoint, node, known, unknown = sys.argv[1:]
    CONF([], project="ironic", default_config_files=[], default_config_dirs=[])
    CONF.set_override("auth_strategy", "noauth", group="json_rpc")
    asked = context.RequestContext(auth_token=None)
    rpc = client.Client(serializer.NoOpSerializer(), version_cap="1.62")
    call = rpc.prepare(topic="ironic." + endpoint, version="1.20")

    def passthru(address, http_method="GET", method="ipxe_config"):
        return call.call(
            asked, "driver_vendor_passthru", driver_name="fake-hardware",
            driver_method=method, http_method=http_method,
            info={"port_address": address})

    seen = {"request_id": asked.request_id, "reply": passthru(known)}
    for name, arguments in {
        "PortNotFound": (unknown,),
        "InvalidParameterValue": (known, "PUT"),
    }.items():
        try:
            passthru(*arguments)
        except getattr(exception, name) as error:
            seen[name] = {"code": error.code, "message": str(error)}
    def ask(method, **arguments):
        return call.call(asked, method, **arguments)

    seen["methods"] = [
        ask("vendor_passthru", node_id=node, driver_method="third_method_sync",
            http_method="POST", info={"bar": "meow"}),
        ask("set_boot_device", node_id=node, device="pxe", persistent=True),
        ask("get_boot_device", node_id=node),
        "pxe" in ask("get_supported_boot_devices", node_id=node),
        ask("change_node_power_state", node_id=node, new_state="power on",
            timeout=None),
        "deploy_kernel" in ask("get_driver_properties",
                               driver_name="fake-hardware"),
        ask("destroy_node", node_id=node),
    ]
    seen["cast"] = call.cast(
        asked, "destroy_node", node_id="00000000-0000-4000-8000-000000000000")
    json.dump(seen, sys.stdout)


main()
