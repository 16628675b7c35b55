"""``mavfer-evaluate --live``."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from capture import terminal

if TYPE_CHECKING:
    from .live import LiveScore

_SCORE_EVERY_S = 0.5
_QUIET_S = 1.0
_BAR = 20


def predict_live(args: argparse.Namespace) -> int:
    """Print a score twice a second while a daemon records; returns the exit status."""
    import numpy as np

    from capture.keys import Keys

    from .checkpoint import load_checkpoint
    from .device import chosen_device
    from .errors import ModelError
    from .live import LiveWindow
    from .live_source import open_feed
    from .run_folder import CHECKPOINT

    if args.knockout or args.controls or args.groups or args.output:
        raise ModelError("--live writes nothing and scores nothing: leave -o and knock-outs out")
    if args.seconds is not None and not args.seconds > 0:
        raise ModelError(f"--seconds is {args.seconds:g}, expected more than 0")
    run: Path = args.run
    device = chosen_device(args.device, threads=args.threads)
    network, info = load_checkpoint(run / CHECKPOINT if run.is_dir() else run, device=device)
    window = LiveWindow(network, info)
    keys = Keys.load(args.keys, "controller") if args.keys else None
    with open_feed(args.live, keys) as feed:
        if not args.quiet:
            sys.stderr.write(
                f"scores are about the last {window.window_s:g} s, so they are late by that "
                "window; pictures are the small ones of the preview. Ctrl-C ends it\n"
            )
        began_s = scored_s = time.monotonic()
        n_pictures = n_scores = 0
        try:
            while args.seconds is None or time.monotonic() - began_s < args.seconds:
                seen = feed.next(_QUIET_S)
                if seen is None or seen[0].modality != "color":
                    continue
                preview, image = seen
                window.see(np.asarray(image, np.uint8), preview.host_time_ns)
                n_pictures += 1
                if time.monotonic() - scored_s < _SCORE_EVERY_S:
                    continue
                scored_s = time.monotonic()
                score = window.score()
                _show(args, scored_s - began_s, score)
                n_scores += score is not None
        except KeyboardInterrupt:
            pass
    if not n_pictures:
        raise ModelError(
            f"{args.live} showed no color picture",
            remedy="daemons publish while a session is armed or recording: start one",
        )
    terminal.print_result(
        args,
        {"pictures": n_pictures, "scores": n_scores, "window_s": window.window_s},
        [f"{n_scores} scores from {n_pictures} pictures"],
    )
    return terminal.EXIT_OK


def _show(args: argparse.Namespace, at_s: float, score: "LiveScore | None") -> None:
    if score is None:
        if not args.json:
            sys.stdout.write(f"{at_s:7.1f} s  (window not full, or too few faces)\n")
    elif args.json:
        line = {"time_ns": score.time_ns, "window_s": score.window_s, "faces": score.face_share}
        sys.stderr.write(json.dumps(line | score.values) + "\n")
    else:
        says = "  ".join(
            f"{name} {value:+.2f} {_bar(value)}" for name, value in score.values.items()
        )
        sys.stdout.write(f"{at_s:7.1f} s  {says}  faces {score.face_share:.0%}\n")
    sys.stdout.flush()


def _bar(value: float) -> str:
    place = round((max(-1.0, min(1.0, value)) + 1) / 2 * _BAR)
    return "".join("█" if k == place else ("|" if k == _BAR // 2 else "·") for k in range(_BAR + 1))
