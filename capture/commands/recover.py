"""``mavfer-capture recover``."""

import argparse
from pathlib import Path

from ..terminal import EXIT_OK, add_common_options, print_result, progress

_EPILOG = """\
examples:
  mavfer-capture recover sessions/20250101-101500_S01          after a crash or a power cut
  mavfer-capture recover sessions/20250101-101500_S01/a65.mcap

Whole files are left alone. The original of a damaged one is kept as NAME.mcap.damaged.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    recover = commands.add_parser(
        "recover",
        help="make cut-off or damaged recordings whole and indexed",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    recover.add_argument("path", type=Path, metavar="PATH", help="session folder or recording")
    add_common_options(recover)
    recover.set_defaults(handler=_recover)


def _recover(args: argparse.Namespace) -> int:
    from ..recover import is_session, recover_recording, recover_session
    from ..structure import encode

    with progress("recovering", enabled=not args.quiet) as on_progress:
        status = None
        if is_session(args.path):
            manifest, recoveries = recover_session(args.path, on_progress=on_progress)
            status = manifest.status
        else:
            recoveries = [recover_recording(args.path, on_progress=on_progress)]
    lines = []
    for found in recoveries:
        if found.damage is None:
            lines.append(f"{found.path}: whole, {found.n_frames} frames, nothing to do")
        else:
            lines.append(
                f"{found.path}: {found.n_frames} frames recovered ({found.damage}; "
                f"{found.n_bytes_lost} bytes unreadable), original kept as {found.kept}"
            )
    if status is not None:
        lines.append(f"{args.path}: {status}")
    document = {
        "status": status,
        "recordings": [
            encode(
                {
                    "path": str(found.path),
                    "n_frames": found.n_frames,
                    "damage": found.damage,
                    "n_bytes_lost": found.n_bytes_lost,
                    "kept": None if found.kept is None else str(found.kept),
                }
            )
            for found in recoveries
        ],
    }
    print_result(args, document, lines)
    return EXIT_OK
