"""``mavfer check``."""

import argparse
from pathlib import Path

from capture import terminal

_EPILOG = """\
examples:
  mavfer check store.h5
  mavfer check store.h5 --purpose share --json
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "check",
        help="verify a clip store: hashes, ranges, splits, consent",
        description="Read a clip store to the last byte. Exit status 1 if anything in it makes "
        "results wrong: content that is not what was written, values outside their ranges, a "
        "person, session or picture on both sides of a split, consent that has ended.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", type=Path, metavar="STORE.h5")
    parser.add_argument(
        "--purpose",
        choices=("train", "share", "publish"),
        help="judge consent for this use (default: train)",
    )
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_check)


def _check(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from ..store_check_apart import check_apart

    with terminal.progress("checking", enabled=not args.quiet) as on_progress:
        findings = check_apart(args.store, purpose=args.purpose, on_progress=on_progress)
    errors = [finding for finding in findings if finding.level == "error"]
    verdict = (
        f"{args.store}: {len(errors)} errors, {len(findings) - len(errors)} warnings"
        if findings
        else f"{args.store}: in order"
    )
    lines = [f"{finding.level}: {finding.where}: {finding.what}" for finding in findings]
    result = {
        "store": str(args.store),
        "passed": not errors,
        "findings": [asdict(finding) for finding in findings],
    }
    terminal.print_result(args, result, [*lines, verdict])
    return terminal.EXIT_FAILED if errors else terminal.EXIT_OK
