"""``mavfer-annotate init``, ``add``, ``assign``, ``link`` and ``serve``: an annotation project."""

import argparse
import sys
from pathlib import Path

from capture import terminal

_DEFAULT_PORT = 8700


def add_project_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommands; imports nothing heavy."""
    _add_init(commands)
    _add_add(commands)
    _add_assign(commands)
    _add_link(commands)
    _add_serve(commands)


def _parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("project", type=Path, metavar="PROJECT", help="folder of the project")
    return parser


def _add_init(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _parser(
        commands,
        "init",
        "make the folder of a new annotation project",
        "  mavfer-annotate init study\n"
        "  mavfer-annotate init study --title 'Faces in the cold' --together\n",
    )
    parser.add_argument("--title", default="Annotation", help="what raters read on every page")
    parser.add_argument(
        "--together",
        action="store_true",
        help="valence and arousal at once, on a plane (default: one after the other)",
    )
    parser.add_argument(
        "--raters-per-video", type=int, default=3, metavar="K", help="default: %(default)s"
    )
    parser.add_argument("--teams", type=int, default=2, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--seed", type=int, default=0, help="decides who rates what in which order (default: 0)"
    )
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_init)


def _add_add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _parser(
        commands,
        "add",
        "encode sessions or video files into a project",
        "  mavfer-annotate add study sessions/*_S01\n"
        "  mavfer-annotate add study warm-up.mp4 --practice\n"
        "  mavfer-annotate add study clips/*.mp4 --codec vp9\n",
    )
    parser.add_argument(
        "sources", type=Path, nargs="+", metavar="SOURCE", help="session folder or video file"
    )
    parser.add_argument(
        "--practice", action="store_true", help="every rater does these first; they do not count"
    )
    parser.add_argument(
        "--view",
        choices=("color", "depth", "infrared", "thermal"),
        default="color",
        help="which stream of a session raters see (default: %(default)s)",
    )
    parser.add_argument(
        "--codec",
        choices=("h264", "vp9", "av1"),
        default="h264",
        help="default: %(default)s, which every browser plays",
    )
    parser.add_argument(
        "--max-height-px",
        type=int,
        default=720,
        metavar="N",
        help="larger pictures are scaled down (default: %(default)s)",
    )
    parser.add_argument(
        "--sound",
        action="store_true",
        help="raters hear the file's sound (default: they judge the face alone)",
    )
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_add)


def _add_assign(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _parser(
        commands,
        "assign",
        "add raters and give every video its raters",
        "  mavfer-annotate assign study R1 R2 R3 R4 R5 R6\n"
        "  mavfer-annotate assign study R7 --team A\n"
        "  mavfer-annotate assign study            # videos came or raters left since\n",
    )
    parser.add_argument("raters", nargs="*", metavar="RATER", help="pseudonyms of new raters")
    parser.add_argument("--team", help="team of the new raters (default: teams of equal size)")
    _add_url(parser)
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_assign)


def _add_link(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _parser(
        commands,
        "link",
        "make a new link for a rater; the old one and open logins end",
        "  mavfer-annotate link study R1\n"
        "  mavfer-annotate link study R1 --remove   # shut out; ratings stay\n",
    )
    parser.add_argument("rater", metavar="RATER", help="pseudonym")
    parser.add_argument("--remove", action="store_true", help="shut the rater out instead")
    _add_url(parser)
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_link)


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _parser(
        commands,
        "serve",
        "serve the pages of raters and admin",
        "  mavfer-annotate serve study\n"
        "  mavfer-annotate serve study --url https://rate.lab.example   # behind a proxy\n"
        "  mavfer-annotate serve study --host 192.0.2.7 --certificate cert.pem --key key.pem\n\n"
        "It prints the admin's link; raters' links come from assign, or from the admin's page.\n"
        "Ctrl-C ends it. docs/how-to/annotation-server.md tells how to run it for a lab.\n",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument(
        "--port", type=int, default=_DEFAULT_PORT, help="default: %(default)s; 0: any free one"
    )
    parser.add_argument(
        "--url", help="address that raters type, of a proxy in front (default: project.toml's)"
    )
    parser.add_argument("--certificate", type=Path, metavar="PEM", help="TLS without a proxy")
    parser.add_argument("--key", type=Path, metavar="PEM", help="key of the certificate")
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_serve)


def _add_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        help="address that links begin with (default: project.toml's, else "
        f"http://127.0.0.1:{_DEFAULT_PORT})",
    )


def _init(args: argparse.Namespace) -> int:
    from capture.errors import ConfigError

    from .errors import AnnotationError
    from .project.folder import create_project
    from .project.settings import Settings

    try:
        settings = Settings(
            title=args.title,
            together=args.together,
            raters_per_video=args.raters_per_video,
            n_teams=args.teams,
            seed=args.seed,
        )
    except ConfigError as error:
        raise AnnotationError(error.message, remedy=error.remedy) from error
    create_project(args.project, settings)
    terminal.print_result(
        args,
        {"project": str(args.project)},
        [
            f"{args.project} is ready: edit instructions.md and project.toml in it, then",
            f"  mavfer-annotate add {args.project} SESSION...",
            f"  mavfer-annotate assign {args.project} RATER...",
            f"  mavfer-annotate serve {args.project}",
        ],
    )
    return terminal.EXIT_OK


def _add(args: argparse.Namespace) -> int:
    from .errors import AnnotationError
    from .project.add_video import add_video
    from .project.folder import open_project

    if args.max_height_px < 2:
        raise AnnotationError(f"--max-height-px is {args.max_height_px}, expected 2 or more")
    project = open_project(args.project)
    added, lines = [], []
    try:
        for number, path in enumerate(args.sources, start=1):
            label = f"{path.name} ({number} of {len(args.sources)})"
            with terminal.progress(label, enabled=not args.quiet) as on_progress:
                video = add_video(
                    project,
                    path,
                    role="practice" if args.practice else "rating",
                    view=args.view,
                    codec=args.codec,
                    max_height_px=args.max_height_px,
                    sound=args.sound,
                    on_progress=on_progress,
                )
            lines.append(
                f"{video.name}: {video.n_frames} frames at {float(video.rate_hz):g} Hz, "
                f"{video.width_px}x{video.height_px} px, {video.n_bytes / 1e6:.1f} MB"
            )
            added.append({"name": video.name, "role": video.role, "n_frames": video.n_frames})
    finally:
        project.database.close()
    terminal.print_result(args, {"added": added}, lines)
    return terminal.EXIT_OK


def _assign(args: argparse.Namespace) -> int:
    from .project.assign_store import add_raters, assign_tasks
    from .project.folder import open_project
    from .project.people import new_token
    from .server.gate import Gate
    from .server.links import link_of

    project = open_project(args.project)
    url = Gate(args.url or project.settings.url or f"http://127.0.0.1:{_DEFAULT_PORT}").url
    try:
        with project.database.write() as db:
            ids = add_raters(db, args.raters, project.settings, team=args.team, who="cli")
            done = assign_tasks(db, project.settings, who="cli")
            links = {
                name: link_of(url, new_token(db, rater))
                for name, rater in zip(args.raters, ids, strict=True)
            }
    finally:
        project.database.close()
    lines = [f"{done.n_tasks} new tasks"]
    lines += [f"{name} has fewer than the raters asked for" for name in done.short]
    if links:
        lines.append("links, shown only now: give each rater theirs")
        lines += [f"  {name}  {link}" for name, link in links.items()]
    result = {"n_tasks": done.n_tasks, "short": list(done.short), "links": links}
    terminal.print_result(args, result, lines)
    return terminal.EXIT_OK


def _link(args: argparse.Namespace) -> int:
    from .errors import AnnotationError
    from .project.folder import open_project
    from .project.people import new_token, note, raters, remove_rater, revoke
    from .server.gate import Gate
    from .server.links import link_of

    project = open_project(args.project)
    url = Gate(args.url or project.settings.url or f"http://127.0.0.1:{_DEFAULT_PORT}").url
    try:
        with project.database.write() as db:
            known = {each.name: each for each in raters(db) if not each.removed}
            if args.rater not in known:
                raise AnnotationError(
                    f"there is no rater {args.rater}",
                    remedy=f"there are {', '.join(known)}" if known else "add raters with assign",
                )
            rater = known[args.rater].id
            if args.remove:
                remove_rater(db, rater)
                note(db, "cli", "remove rater", args.rater)
                result, line = {"removed": args.rater}, f"{args.rater} is shut out; ratings stay"
            else:
                revoke(db, rater)
                link = link_of(url, new_token(db, rater))
                note(db, "cli", "new link", args.rater)
                result, line = {"rater": args.rater, "link": link}, f"{args.rater}  {link}"
    finally:
        project.database.close()
    terminal.print_result(args, result, [line])
    return terminal.EXIT_OK


def _serve(args: argparse.Namespace) -> int:
    from capture.commands.shared_options import stop_on_signals

    from .errors import AnnotationError
    from .project.folder import open_project
    from .server.server import Tls, serve_project

    if (args.certificate is None) != (args.key is None):
        raise AnnotationError("TLS needs both --certificate and --key")
    project = open_project(args.project)
    tls = None if args.certificate is None else Tls(args.certificate, args.key)
    with stop_on_signals() as stop:
        serve_project(
            project,
            host=args.host,
            port=args.port,
            url=args.url or project.settings.url or None,
            tls=tls,
            stop=stop,
            on_ready=_show_link,
        )
    return terminal.EXIT_OK


def _show_link(link: str) -> None:
    sys.stdout.write(f"open {link}\n")
    sys.stdout.flush()
