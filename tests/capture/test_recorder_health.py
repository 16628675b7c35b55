import pytest

from capture.recorder_health import RecorderHealth

MS = 1_000_000


def test_nothing_written_is_no_rate_and_no_wait() -> None:
    health = RecorderHealth()
    assert health.queue_latency_ms(5) == 0
    assert health.write_rate_bytes_s(5) == 0
    assert dict(health.cpu_share()) == {}


def test_the_slowest_hundredth_and_the_rate_of_the_last_seconds() -> None:
    health = RecorderHealth()
    for k in range(2000):  # ten seconds at 200 Hz; two frames of the last thousand were slow
        slow = k in (1200, 1700) or k < 500
        waited_ms = 400 if slow else 10
        health.wrote(k * 5 * MS, waited_ns=waited_ms * MS, n_bytes=1000)
    assert health.queue_latency_ms(9995 * MS) == 10
    assert health.write_rate_bytes_s(9995 * MS) == pytest.approx(200_000, rel=0.01)
    for k in range(2000, 2020):
        health.wrote(k * 5 * MS, waited_ns=400 * MS, n_bytes=1000)
    assert health.queue_latency_ms(10_100 * MS) == 400
    assert health.queue_latency_ms(60_000 * MS) == 0
    assert health.write_rate_bytes_s(60_000 * MS) == 0


def test_the_share_of_a_core_is_of_the_last_seconds() -> None:
    health = RecorderHealth()
    for second in range(10):
        health.spent("read", second * 1000 * MS, second * 100 * MS)
        health.spent("write", second * 1000 * MS, max(0, second - 5) * 500 * MS)
    assert health.cpu_share() == {"read": pytest.approx(0.1), "write": pytest.approx(0.5)}
