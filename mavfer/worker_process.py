"""Processes that work for a command: they end with it, soon, and leave Ctrl-C to it."""

import os
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.synchronize import Event

_stop: Event | None = None
"""Set when the command wants this process to end."""


def prepare_worker(stop: Event) -> None:
    """Prepare this process: one thread, Ctrl-C is the parent's business, no life without it."""
    import cv2  # the command itself may do without it

    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    cv2.setNumThreads(1)  # there is a process for each core already


def told_to_stop() -> bool:
    """Tell whether the command has ended or wants to: work in hand is of no use any more."""
    return _stop is not None and _stop.is_set()


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
