"""Writes docs/faults.md, and lowers the ceiling of the waiting list: `-m tests.fault_table`."""

from tests.fault_table import ceiling, outcomes, page
from tests.fault_table.marks import marks
from tests.fault_table.waiting import WAITING


def main() -> None:
    """Write both."""
    page.PATH.write_text(page.page(marks(), outcomes.known()))
    ceiling.lower(WAITING)
    print(f"{page.PATH.name} written; {len(WAITING)} wait")


if __name__ == "__main__":
    main()
