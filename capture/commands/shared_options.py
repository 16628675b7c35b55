"""What several subcommands take: keys, and an orderly stop on signals."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..keys import Keys, Role


def load_keys(folder: Path | None, role: "Role") -> "Keys | None":
    """Return the keys in `folder`; None without one."""
    from ..keys import Keys

    return None if folder is None else Keys.load(folder, role)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Turn the first SIGINT, SIGTERM or SIGHUP (the terminal was closed) into an event.

    The second one interrupts for good.
    """
    stop = threading.Event()
    previous = {}

    def handle(number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            previous[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
