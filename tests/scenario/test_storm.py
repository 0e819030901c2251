"""A spot storm at small size: all replacements at once, every pod off in time."""

from benchmarks.spot_storm import storm

MACHINES, NOTICES = 30, 12
NOTICE = 120.0  # seconds between a notice and the end


def test_spot_storm() -> None:
    found = storm(MACHINES, NOTICES)
    assert len(found.asked) == NOTICES
    assert max(found.asked) < NOTICE
    assert found.late == []
