"""``mavfer withdraw``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture import terminal

if TYPE_CHECKING:
    from ..withdrawal.holdings import Holdings

_EPILOG = """\
examples:
  mavfer withdraw S01 --root /data/lab                    (lists, changes nothing)
  mavfer withdraw S01 --root /data/lab --root stores --yes

Backups, copies elsewhere and trained networks are beyond its reach: docs/how-to/withdraw.md.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "withdraw",
        help="remove everything of one subject",
        description="Find a subject's recordings, crops in clip stores, labels, ratings and "
        "pictures under some folders. Without --yes they are listed and nothing is changed; with "
        "it they are removed, stores and tables are written anew without them, and a receipt "
        "that names nobody is written. Interrupted, it goes on when run again. Exit status 1 if "
        "something is left for a person to look at, or could not be searched.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subject", metavar="SUBJECT", help="pseudonym")
    parser.add_argument(
        "--root",
        dest="roots",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder to look through, with all folders in it; may be repeated",
    )
    parser.add_argument("--yes", action="store_true", help="act; there is no way back")
    parser.add_argument(
        "--receipt", type=Path, metavar="DIR", help="folder of the receipt (default: first root)"
    )
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_withdraw)


def _withdraw(args: argparse.Namespace) -> int:
    from ..withdrawal.run import look_for, withdraw

    if not args.yes:
        holdings = look_for(args.subject, args.roots)
        lines = [f"{item.kind}: {item.path}: {item.what}" for item in holdings.items]
        n_bytes = sum(item.n_bytes for item in holdings.items)
        lines += _left(holdings)
        lines.append(
            f"{len(holdings.items)} things of {args.subject}, {n_bytes / 1e6:.1f} MB: nothing was "
            "changed. To remove them for good: the same command with --yes"
        )
        result = {"subject": args.subject, "acted": False, **_document(holdings)}
        terminal.print_result(args, result, lines)
        return terminal.EXIT_FAILED if holdings.unsearched else terminal.EXIT_OK
    with terminal.progress("withdrawing", enabled=not args.quiet) as on_progress:
        done = withdraw(
            args.subject, args.roots, receipt_folder=args.receipt, on_progress=on_progress
        )
    complete = done.left.is_complete
    lines = [
        *(f"{item.kind}: {item.path}: {item.what}" for item in done.done),
        *_left(done.left),
        f"{len(done.done)} things removed or written anew; receipt: {done.receipt}",
    ]
    if not complete:
        lines.append("not complete: look at what is listed above")
    result = {"acted": True, "receipt": str(done.receipt), "complete": complete}
    terminal.print_result(args, {**result, **_document(done.left)}, lines)
    return terminal.EXIT_OK if complete else terminal.EXIT_FAILED


def _left(holdings: "Holdings") -> list[str]:
    return [
        *(f"names the subject, not touched: {path}" for path in holdings.mentions),
        *(f"may be of {holdings.names.subject}, look at it: {path}" for path in holdings.suspects),
        *(f"could not be judged: {what}" for what in holdings.unreadable),
        *(f"not searched: {path}: {why}" for path, why in holdings.unsearched.items()),
        *(f"trained on a store that held the subject: {path}" for path in holdings.trained),
    ]


def _document(holdings: "Holdings") -> dict[str, Any]:
    return {
        "items": [
            {"kind": i.kind, "path": str(i.path), "what": i.what, "bytes": i.n_bytes}
            for i in holdings.items
        ],
        "mentions": [str(path) for path in holdings.mentions],
        "suspects": [str(path) for path in holdings.suspects],
        "could_not_be_judged": list(holdings.unreadable),
        "not_searched": {str(path): why for path, why in holdings.unsearched.items()},
        "trained": [str(path) for path in holdings.trained],
    }
