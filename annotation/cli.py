"""``mavfer-annotate``: people rate videos, traces become gold labels, and how well they agree."""

import argparse
import sys
from collections.abc import Sequence

from capture import terminal

from .project_cli import add_project_commands
from .ratings_cli import add_ratings_commands

_EPILOG = """\
examples:
  mavfer-annotate init study; mavfer-annotate add study sessions/*_S01
  mavfer-annotate assign study R1 R2 R3 R4 R5 R6; mavfer-annotate serve study
  mavfer-annotate agreement raters.csv
  mavfer-annotate fuse raters.csv -o labels.csv
  mavfer-annotate report raters.csv -o report.html

Ratings are long CSV files: session,rater,dimension,time_s,value (docs/formats/labels.md), Parquet
files, or folders of annotation projects.
"""


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line; imports nothing heavy, so that --help answers at once."""
    parser = argparse.ArgumentParser(
        prog="mavfer-annotate",
        description="Have people rate videos in the browser, turn their traces into gold labels, "
        "and report how well they agree.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_project_commands(commands)
    add_ratings_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mavfer-annotate``; returns the exit status."""
    args = build_parser().parse_args(argv)
    return terminal.run_command(_run, args)


def _run(args: argparse.Namespace) -> int:
    """Call the handler; a database that fails in the middle is told like everything else."""
    import sqlite3

    from .errors import AnnotationError

    try:
        return int(args.handler(args))
    except sqlite3.Error as error:
        raise AnnotationError(
            f"the database of {args.project} cannot be used: {error}",
            remedy="check the disk, or restore ratings.sqlite and its -wal file from a copy",
        ) from error


if __name__ == "__main__":
    sys.exit(main())
