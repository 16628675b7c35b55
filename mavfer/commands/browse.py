"""``mavfer browse``."""

import argparse
from pathlib import Path

from capture import terminal

_EPILOG = """\
examples:
  mavfer browse store.h5 -o look
  mavfer browse store.h5 -o figures --purpose publish
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "browse",
        help="a page to look through a clip store, and contact sheets",
        description="Write index.html, one file with crops of all modalities, labels, raters' "
        "traces and flags of every video, to scrub and play through in a browser without a "
        "server, and contact-000.png …, a row a video. Both show faces: keep them as the store.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", type=Path, metavar="STORE.h5")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--purpose",
        choices=("train", "share", "publish"),
        default="train",
        help="show only subjects whose consent covers this (default: %(default)s)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=6000,
        metavar="N",
        help="crops in the page: of more rows every n-th is shown (default: %(default)d)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_browse)


def _browse(args: argparse.Namespace) -> int:
    from ..browse.write import write_browser
    from ..store import open_store

    with (
        open_store(args.store) as store,
        terminal.progress("drawing", enabled=not args.quiet) as on_progress,
    ):
        written, refused = write_browser(
            store,
            args.output,
            purpose=args.purpose,
            most_frames=args.frames,
            overwrite=args.overwrite,
            on_progress=on_progress,
        )
    lines = [f"left out: {video_id}: {reason}" for video_id, reason in refused.items()]
    result = {
        "page": str(written[0]),
        "contact_sheets": [str(path) for path in written[1:]],
        "left_out": refused,
    }
    terminal.print_result(args, result, [*lines, *map(str, written)])
    return terminal.EXIT_OK
