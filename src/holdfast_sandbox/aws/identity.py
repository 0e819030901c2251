"""The instance identity document: what a machine shows to prove where it runs."""

import json

from holdfast_sandbox.aws.hypervisor import Vm


def document(vm: Vm) -> bytes:
    """The document in the layout of the real service; signing is the metadata service's part."""
    fields = {
        "accountId": vm.account,
        "architecture": vm.architecture,
        "availabilityZone": vm.zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": vm.image,
        "instanceId": vm.id,
        "instanceType": vm.instance_type,
        "kernelId": None,
        "pendingTime": vm.launched.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "privateIp": str(vm.private_address),
        "ramdiskId": None,
        "region": vm.region,
        "version": "2017-09-30",
    }
    return json.dumps(fields, indent=2, separators=(",", " : ")).encode()
