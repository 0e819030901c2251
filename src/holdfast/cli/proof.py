"""Shows a deletion certificate."""

from collections import Counter
from typing import Any

from holdfast.cli.output import Column, Format, fields, show, table

REMOVED = (
    Column("REMOVED", "kind"),
    Column("NAME", "name"),
    Column("ID", "id"),
    Column("AT", "removedAt"),
)


def show_certificate(found: dict[str, Any], output: Format) -> None:
    """Print a certificate; as a table with everything that went."""
    if output != "table":
        show(found, output, (), name="clusterName")
        return
    kinds = Counter(one["kind"] for one in found["removed"])
    print(
        fields(
            [
                ("CERTIFICATE", found["state"]),
                ("CLUSTER", f"{found['clusterName']} ({found['clusterId']})"),
                ("ASKED", found["askedAt"]),
                ("ISSUED", found["issuedAt"]),
                ("REMOVED", ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))),
                ("LEFT", "0"),
                ("FOREIGN", ", ".join(found["foreign"]) or "none"),
                ("LISTINGS", ", ".join(found["listings"])),
                ("SIGNATURE", found["signature"]),
            ]
        )
    )
    if found["removed"]:
        print("\n" + table(found["removed"], REMOVED))
