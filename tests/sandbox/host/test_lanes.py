"""Jobs of one machine keep their order, those of others run beside them."""

import threading

import pytest

from holdfast_sandbox.host.lanes import Lanes

SOON = 10  # seconds: far more than anything here takes


def test_jobs_of_one_key_run_in_order_and_never_together() -> None:
    lanes = Lanes(8, "test")
    order: list[int] = []
    together: list[int] = []
    inside = 0
    done = threading.Event()

    def job(number: int) -> None:
        nonlocal inside
        inside += 1
        together.append(inside)
        order.append(number)
        inside -= 1
        if number == 99:
            done.set()

    for number in range(100):
        lanes.put("vm", lambda number=number: job(number))  # type: ignore[misc]
    assert done.wait(SOON)
    lanes.close()
    assert order == list(range(100))
    assert set(together) == {1}


def test_a_slow_key_does_not_hold_up_another() -> None:
    lanes = Lanes(2, "test")
    free, passed = threading.Event(), threading.Event()

    def slow() -> None:
        free.wait(SOON)

    lanes.put("slow", slow)
    lanes.put("quick", passed.set)
    assert passed.wait(SOON)
    free.set()
    lanes.close()


def test_a_broken_job_does_not_stop_the_next(caplog: pytest.LogCaptureFixture) -> None:
    lanes = Lanes(1, "test")
    passed = threading.Event()

    def broken() -> None:
        raise RuntimeError("broken on purpose")

    lanes.put("vm", broken)
    lanes.put("vm", passed.set)
    assert passed.wait(SOON)
    lanes.close()
    assert "broken on purpose" in caplog.text


def test_close_drops_what_has_not_begun_and_waits_for_what_has() -> None:
    lanes = Lanes(1, "test")
    begun, free = threading.Event(), threading.Event()
    ran: list[str] = []

    def first() -> None:
        begun.set()
        free.wait(SOON)
        ran.append("first")

    lanes.put("vm", first)
    lanes.put("vm", lambda: ran.append("second"))
    lanes.put("other", lambda: ran.append("third"))
    assert begun.wait(SOON)
    closing = threading.Thread(target=lanes.close)
    closing.start()
    free.set()
    closing.join(SOON)
    assert not closing.is_alive()
    assert ran == ["first"]
    lanes.put("vm", lambda: ran.append("late"))
    assert ran == ["first"]
