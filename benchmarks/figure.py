"""The one way a benchmark prints a figure: a JSON line."""

import json
import sys


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
