"""``mavfer export``."""

import argparse
from pathlib import Path
from typing import TypeAlias

from capture import terminal

_EPILOG = """\
examples:
  mavfer export store store.h5 -o shared.h5 --purpose share
  mavfer export webdataset store.h5 -o shards --purpose train
  mavfer export croissant shared.h5 -o shared --name "Our faces" --license CC-BY-NC-4.0
"""
_RAW = argparse.RawDescriptionHelpFormatter
_PURPOSES = ("train", "share", "publish")
# argparse has no public name for what add_subparsers() returns
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def add(commands: _Commands) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "export",
        help="a clip store for others: by consent, as tar shards, with metadata",
        description="Hand on a clip store. Every form is held against the consent of those in it.",
        epilog=_EPILOG,
        formatter_class=_RAW,
    )
    forms = parser.add_subparsers(dest="form", required=True, metavar="FORM")
    _add_store(forms)
    _add_webdataset(forms)
    _add_croissant(forms)


def _add_form(
    forms: _Commands, name: str, *, help_text: str, description: str, output: str
) -> argparse.ArgumentParser:
    parser = forms.add_parser(
        name,
        help=help_text,
        description=description,
        epilog=f"example:\n  mavfer export {name} store.h5 -o {output}\n",
        formatter_class=_RAW,
    )
    parser.add_argument("store", type=Path, metavar="STORE.h5")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument(
        "--purpose",
        choices=_PURPOSES,
        default="share",
        help="what it is for: consent must cover it (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    terminal.add_common_options(parser)
    return parser


def _add_store(forms: _Commands) -> None:
    parser = _add_form(
        forms,
        "store",
        help_text="a clip store of those who consent",
        description="Write a clip store without the videos whose subjects do not consent to the "
        "purpose; nothing in it names them.",
        output="shared.h5",
    )
    parser.set_defaults(handler=_store)


def _add_webdataset(forms: _Commands) -> None:
    parser = _add_form(
        forms,
        "webdataset",
        help_text="clips as tar shards for streaming",
        description="Write a folder of tar shards, a sample a clip: the frames of every modality "
        "as .npy, labels and validity as .json; dataset.json lists the shards by split.",
        output="shards",
    )
    parser.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        action="append",
        metavar="SPLIT",
        help="only this split; may be repeated",
    )
    parser.add_argument("--clip-length", type=int, metavar="N", help="(default: the store's)")
    parser.add_argument(
        "--stride-frames", type=int, metavar="N", help="between clips (default: their length)"
    )
    parser.add_argument(
        "--shard-mb", type=float, default=500.0, metavar="MB", help="of a shard (default: 500)"
    )
    parser.set_defaults(handler=_webdataset)


def _add_croissant(forms: _Commands) -> None:
    parser = _add_form(
        forms,
        "croissant",
        help_text="Croissant metadata",
        description="Describe a clip store in Croissant 1.0: croissant.json with two tables, "
        "videos.csv and frames.csv, that loaders read, and the store as a file beside them.",
        output="metadata",
    )
    parser.add_argument("--name", help="of the data set (default: the store's name)")
    parser.add_argument("--description", default="", help="(default: counts what is in it)")
    parser.add_argument("--license", default="", help="name or address of the licence")
    parser.add_argument("--url", default="", help="home page of the data set")
    parser.add_argument("--creator", default="", help="who made it")
    parser.add_argument("--cite-as", default="", help="how to cite it")
    parser.add_argument("--version", default="1.0.0", help="(default: %(default)s)")
    parser.add_argument("--date", default="", metavar="DATE", help="ISO date of publication")
    parser.set_defaults(handler=_croissant)


def _store(args: argparse.Namespace) -> int:
    from capture.files import check_not_input

    from ..export.subset import export_store
    from ..store import open_store

    check_not_input([args.output], [args.store])
    with open_store(args.store) as store:
        refused = export_store(store, args.output, args.purpose, overwrite=args.overwrite)
        kept = len(store.videos) - len(refused)
    lines = [f"left out: {video_id}: {reason}" for video_id, reason in refused.items()]
    result = {"output": str(args.output), "videos": kept, "left_out": refused}
    terminal.print_result(args, result, [*lines, f"{args.output}: {kept} videos"])
    return terminal.EXIT_OK


def _webdataset(args: argparse.Namespace) -> int:
    import math

    from ..errors import DatasetError
    from ..export.subset import require_usable
    from ..export.webdataset import ShardPlan, export_webdataset
    from ..splits import SPLITS
    from ..store import open_store

    if not (math.isfinite(args.shard_mb) and args.shard_mb > 0):
        raise DatasetError(f"--shard-mb {args.shard_mb:g}: expected more than 0")
    with (
        open_store(args.store) as store,
        terminal.progress("shards", enabled=not args.quiet) as on_progress,
    ):
        require_usable(store, args.purpose)
        length = store.clip_length if args.clip_length is None else args.clip_length
        plan = ShardPlan(
            stride_frames=length if args.stride_frames is None else args.stride_frames,
            clip_length=length,
            shard_bytes=round(args.shard_mb * 1e6),
            splits=SPLITS if args.split is None else tuple(s for s in SPLITS if s in args.split),
        )
        index = export_webdataset(
            store, args.output, plan, overwrite=args.overwrite, on_progress=on_progress
        )
    lines = [
        f"{split}: {facts['clips']} clips in {len(facts['shards'])} shards"
        for split, facts in index["splits"].items()
    ]
    result = {"output": str(args.output), "splits": index["splits"]}
    terminal.print_result(args, result, [*lines, str(args.output)])
    return terminal.EXIT_OK


def _croissant(args: argparse.Namespace) -> int:
    from datetime import date

    from ..errors import DatasetError
    from ..export.croissant import About, export_croissant
    from ..export.subset import require_usable
    from ..store import open_store

    if args.date:
        try:
            date.fromisoformat(args.date)
        except ValueError:
            raise DatasetError(f"--date {args.date!r}: expected YYYY-MM-DD") from None
    about = About(
        name=args.name or args.store.stem,
        description=args.description,
        license=args.license,
        url=args.url,
        creator=args.creator,
        cite_as=args.cite_as,
        version=args.version,
        date_published=args.date,
    )
    with (
        open_store(args.store) as store,
        terminal.progress("describing", enabled=not args.quiet) as on_progress,
    ):
        require_usable(store, args.purpose)
        path = export_croissant(
            store, args.output, about, overwrite=args.overwrite, on_progress=on_progress
        )
    terminal.print_result(args, {"output": str(path)}, [str(path)])
    return terminal.EXIT_OK
