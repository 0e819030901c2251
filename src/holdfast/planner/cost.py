"""What machines cost, by the last known prices."""

from collections.abc import Iterable, Sequence

from holdfast.model.account import Region
from holdfast.model.action import CostLine
from holdfast.model.machine import Machine


def of_machines(region: Region, machines: Sequence[Machine]) -> Iterable[CostLine]:
    """Machine, root disk and public address of each; one whose price is unknown is left out."""
    wanted = {machine.offering for machine in machines}
    prices = {o.key: o.price for o in region.offerings if o.key in wanted}
    for machine in machines:
        key = machine.offering
        if key not in prices:
            continue
        detail = f"{key.instance_type} {key.capacity_type.value} in {key.zone}"
        yield CostLine(machine.name, detail, prices[key])
        disk = f"root disk of {machine.disk_gib} GiB"
        yield CostLine(machine.name, disk, region.disk_price * machine.disk_gib)
        if machine.public_ip is not None:
            yield CostLine(machine.name, "public address", region.address_price)
