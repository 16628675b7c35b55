"""``mavfer-evaluate --video``."""

import argparse
from pathlib import Path

from capture import terminal


def predict_film(args: argparse.Namespace) -> int:
    """Predict on a film and write the results; returns the exit status."""
    from .checkpoint import load_checkpoint
    from .device import chosen_device
    from .errors import ModelError
    from .film import check_color_only, evaluate_film
    from .post_processing import read_chain
    from .results import check_output, describe_run, summarise, write_results
    from .run_folder import CHECKPOINT, POST_PROCESSING

    if args.knockout or args.controls or args.groups:
        raise ModelError("--video takes no knock-outs and no groups: there is nothing to score")
    run: Path = args.run
    path = run / CHECKPOINT if run.is_dir() else run
    output: Path = args.output or Path(f"{args.video.stem}-predictions")
    check_output(output, overwrite=args.overwrite)
    device = chosen_device(args.device, threads=args.threads)
    network, info = load_checkpoint(path, device=device)
    check_color_only(info.model)
    shown = not args.quiet
    with (
        terminal.progress("finding the face", enabled=shown) as on_faces,
        terminal.progress("predicting", enabled=shown) as on_progress,
    ):
        evaluation = evaluate_film(
            network,
            info,
            args.video,
            batch_size=args.batch_size,
            on_faces=on_faces,
            on_progress=on_progress,
        )
    chain = None
    if not args.no_post_processing and run.is_dir() and not info.model.categorical:
        kept = read_chain(run / POST_PROCESSING)
        chain = kept if kept and kept.step == info.step else None
    summary = summarise(evaluation, describe_run(info, path), split="film", chain=chain)
    summary |= {"store": None, "film": str(args.video), "knock_out": None}
    files = write_results(evaluation, summary, output, chain=chain, overwrite=args.overwrite)
    video = evaluation.videos[0]
    lines = [
        f"{args.video.name}: {len(video.time_ns)} frames, {video.n_without_face} without a face",
    ]
    for k, name in enumerate(evaluation.categories or evaluation.outputs):
        values = video.predicted[:, k]
        lines.append(
            f"{name}: mean {values.mean():+.3f}, from {values.min():+.3f} to {values.max():+.3f}"
        )
    lines += [f"{name}: {file}" for name, file in files.items()]
    terminal.print_result(args, summary | files, lines)
    return terminal.EXIT_OK
