"""``mavfer-evaluate --predictions``: scores of files that somebody else's software made."""

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from capture import terminal
from capture.files import write_text_atomic
from mavfer.sim_pipeline import dataset_of
from mavfer.store import ClipStore, open_store

from .errors import ModelError
from .evaluation import Evaluation
from .foreign import evaluate_foreign
from .groups import read_groups
from .leaderboard import COLUMNS, csv_text, file_sha256, gold_fingerprint, scored_cells
from .predictions_file import read_predictions
from .results import check_output, summarise, write_results
from .subject_moments import subject_moments

ROW = "row.csv"


def evaluate_predictions(
    args: argparse.Namespace, told: Callable[[dict[str, Any], dict[str, str]], list[str]]
) -> int:
    """Score every file into the output folder; several files are seeds of one network.

    Parameters
    ----------
    args : argparse.Namespace
    told : callable
        From summary and files to lines of text.
    """
    _check(args)
    folders = _folders(args.output, args.predictions)
    for folder in folders:
        check_output(folder, overwrite=args.overwrite)
    report: dict[str, Any] = {}
    lines: list[str] = []
    with open_store(args.store) as store:
        groups = read_groups(args.groups, store) if args.groups else {}
        found = [
            evaluate_foreign(read_predictions(path), store, split=args.split, groups=groups)
            for path in args.predictions
        ]
        if args.row is not None:
            _check_seeds(args.predictions, found)
        cells = _row(args, store, found) if args.row is not None else None
    for path, folder, evaluation in zip(args.predictions, folders, found, strict=True):
        facts = {"checkpoint": None, "model": path.name, "modalities": [], "preset": None}
        summary = summarise(evaluation, facts, split=args.split)
        summary |= {"store": str(args.store), "knock_out": None}
        files = write_results(evaluation, summary, folder, overwrite=args.overwrite)
        lines += told(summary, files)
        report = summary | files
    if cells is not None:
        path = args.output / ROW
        write_text_atomic(path, csv_text([cells]), overwrite=True)
        report |= {"row": cells, "row_file": str(path)}
        lines += ["", f"row of the leaderboard: {path}", csv_text([cells]).splitlines()[1]]
        empty = [name for name in COLUMNS if not cells.get(name)]
        lines.append(f"to be filled in: {', '.join(empty)}")
    terminal.print_result(args, report, lines)
    return terminal.EXIT_OK


def _check(args: argparse.Namespace) -> None:
    if args.run is not None and args.store is None and args.named_store is None:
        args.run, args.store = None, args.run  # the only argument can only be the store
    if args.run is not None or args.named_run is not None:
        raise ModelError("--predictions and a run at once", remedy="choose one")
    if args.knockout or args.controls:
        raise ModelError("predictions have no inputs to knock out")
    if args.store is not None and args.named_store is not None:
        raise ModelError(f"STORE is given twice: {args.store} and {args.named_store}")
    args.store = args.store or args.named_store
    if args.store is None:
        raise ModelError("STORE is missing", remedy="name it with --store")
    if args.output is None:
        raise ModelError("--predictions: where to?", remedy="name a folder with -o")
    if len(args.predictions) > 1 and args.row is None:
        raise ModelError(
            f"{len(args.predictions)} files of predictions",
            remedy="give one, or --row NAME if they are seeds of one network",
        )
    if args.row is not None and args.split != "test":
        raise ModelError(f"--row of the {args.split} split", remedy="a row is of the test split")


def _check_seeds(paths: Sequence[Path], found: Sequence[Evaluation]) -> None:
    """Refuse one network's predictions as two seeds, in whatever file they lie."""
    for (first, one), (second, other) in combinations(zip(paths, found, strict=True), 2):
        pairs = zip(one.videos, other.videos, strict=True)
        if all(np.array_equal(a.predicted, b.predicted) for a, b in pairs):
            raise ModelError(
                f"{first} and {second} have the same predictions: they are not two seeds",
                remedy="give the predictions of networks that were each trained on their own",
            )


def _folders(output: Path, files: Sequence[Path]) -> list[Path]:
    if len(files) == 1:
        return [output]
    return [output / f"seed-{number}" for number in range(len(files))]


def _row(args: argparse.Namespace, store: ClipStore, found: Sequence[Evaluation]) -> dict[str, str]:
    outputs = found[0].outputs
    if any(each.outputs != outputs for each in found) or len(outputs) != 1:
        raise ModelError(
            f"--row: predictions of {', '.join(outputs)}", remedy="one dimension a row"
        )
    scored = [
        {
            "pooled": each.pooled(),
            "groups": each.by_group(),
            "subject_moments": subject_moments(each),
        }
        for each in found
    ]
    return {
        "name": args.row,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "dataset": dataset_of(store.path) or "",
        "gold": gold_fingerprint(store),
        "predictions": " ".join(file_sha256(path) for path in args.predictions),
        **scored_cells(scored, outputs[0]),
    }
