"""``mavfer stats``."""

import argparse
from pathlib import Path

from capture import terminal

_EPILOG = """\
examples:
  mavfer stats store.h5 -o statistics
  mavfer stats store.h5 --json
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "stats",
        help="statistics of a clip store: numbers, figures, a page",
        description="Count and draw what a clip store holds: frames per video, the distribution "
        "of valence and arousal, agreement of the raters, classes by split, frames that are "
        "missing and why. Writes statistics.json, figures as PNG and SVG, and index.html.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", type=Path, metavar="STORE.h5")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder to write; without it only print"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing statistics")
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_stats)


def _stats(args: argparse.Namespace) -> int:
    from ..statistics.measure import measure
    from ..store import open_store

    with (
        open_store(args.store) as store,
        terminal.progress("statistics", enabled=not args.quiet) as on_progress,
    ):
        if args.output is None:
            facts = measure(store, on_progress=on_progress)
        else:
            from ..statistics.page import write_statistics

            facts = write_statistics(
                store, args.output, overwrite=args.overwrite, on_progress=on_progress
            )
    about, missing = facts["data_set"], facts["missing"]
    lines = [
        f"{args.store}: {about['subjects']} subjects, {about['videos']} videos, "
        f"{about['frames']} frames, {about['duration_s']['total'] / 60:.1f} min, "
        f"{' + '.join(about['data_type'])}"
    ]
    for dimension in ("valence", "arousal"):
        label = facts["labels"][dimension]
        if label["frames"]:
            lines.append(
                f"  {dimension:8} mean {label['mean']:+.2f}, deviation {label['std']:.2f}, "
                f"{label['percent_positive']:.0f} % positive, {label['frames']} frames"
            )
    for each in facts["agreement"]:
        shown = {k: "–" if each[k] is None else f"{each[k]:.3f}" for k in ("correlation", "alpha")}
        lines.append(
            f"  {each['dimension']:8} raters: correlation {shown['correlation']}, "
            f"alpha {shown['alpha']} (zero-mean)"
        )
    why = ", ".join(f"{reason} {n}" for reason, n in missing["by_reason"].items())
    face = missing["valid_percent"].get("face") or 0.0
    lines.append(f"  face in {face:.1f} % of the rows{f' (missing: {why})' if why else ''}")
    if args.output is not None:
        lines.append(f"{args.output / 'index.html'}")
    result = {**facts, "output": None if args.output is None else str(args.output)}
    terminal.print_result(args, result, lines)
    return terminal.EXIT_OK
