"""The one way a benchmark prints a figure, a JSON line, and holds it to its bar."""

import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and what it has to reach: of correctness, not of speed.

    Attributes
    ----------
    metric : str
    value, at_least, at_most : float
    """

    metric: str
    value: float
    at_least: float = -math.inf
    at_most: float = math.inf


def require(bars: Iterable[Bar]) -> None:
    """Fail when a figure misses its bar; to be called when all are printed.

    Raises
    ------
    RuntimeError
        Names every one that does; one that is NaN does.
    """
    missed = [
        f"{bar.metric} is {bar.value:g}, expected "
        + (f"at least {bar.at_least:g}" if bar.at_least > -math.inf else f"at most {bar.at_most:g}")
        for bar in bars
        if not bar.at_least <= bar.value <= bar.at_most
    ]
    if missed:
        raise RuntimeError("; ".join(missed))


def emit(
    bench: str,
    metric: str,
    ours: float,
    *,
    unit: str,
    peer: float | None = None,
    peer_name: str | None = None,
) -> None:
    """Print one figure as a JSON line; ``ratio`` is ours / peer, null without a peer."""
    ratio = None if peer in (None, 0) else round(ours / peer, 4)
    line = {
        "bench": bench,
        "metric": metric,
        "unit": unit,
        "ours": round(ours, 6),
        "peer": None if peer is None else round(peer, 6),
        "peer_name": peer_name,
        "ratio": ratio,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
