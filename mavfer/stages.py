"""Stages of a long chain: commands run as a user would run them, remembered when done.

A stage that finished is not run again: a chain that was interrupted goes on where it stopped. One
whose files are gone since is, with all after it.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capture.errors import MavferError
from capture.files import write_text_atomic

from .stage_files import find_losses, sizes_of

STATE_FILE = "stages.json"
_STATE_VERSION = 1
_ERROR_TAIL_LINES = 15
_NAMED = 3


class StageError(MavferError, RuntimeError):
    """A stage failed or the output folder cannot be used."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a finished stage left behind.

    Attributes
    ----------
    title : str
    seconds_s : float
        Wall time when it ran.
    commands : tuple of str
        The command lines, to be repeated by hand.
    result : mapping of str to JSON values
    files : mapping of str to int
        Bytes of what it left in the folder (`stage_files.sizes_of`).
    """

    title: str
    seconds_s: float
    commands: tuple[str, ...]
    result: Mapping[str, Any]
    files: Mapping[str, int] = field(default_factory=dict)


class StageRunner:
    """Runs the stages of one output folder in order and keeps their results on disk.

    Parameters
    ----------
    folder : Path
        Created when missing. A folder made with another `plan` is refused.
    plan : mapping
        What the stages depend on; compared with the folder's.
    say : callable
        Receives the lines meant for the person who watches.
    what : str
        What the stages make, for messages.
    """

    def __init__(
        self,
        folder: Path,
        *,
        plan: Mapping[str, Any],
        say: Callable[[str], None],
        what: str = "demonstration",
    ) -> None:
        self._folder = folder
        self._what = what
        self._plan = dict(plan)
        self._say = say
        self._stages: dict[str, StageResult] = {}
        self._commands: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._load()

    @property
    def stages(self) -> Mapping[str, StageResult]:
        """Finished stages by key, in order."""
        return self._stages

    def stage(
        self,
        key: str,
        title: str,
        work: Callable[[], Mapping[str, Any]],
        leaves: Sequence[str] = (),
    ) -> Mapping[str, Any]:
        """Run `work` unless stage `key` is done; return its result either way.

        Parameters
        ----------
        key, title : str
        work : callable
        leaves : sequence of str
            Files and folders of the output folder that it makes. Where one of them is gone, the
            stage and all after it are done again.

        Raises
        ------
        StageError
            A file has another size than when the stage finished: it is not overwritten.
        """
        if key in self._stages and not self._lost(self._stages[key]):
            self._say(f"[done earlier] {title}")
            return self._stages[key].result
        kept = list(self._stages).index(key) if key in self._stages else len(self._stages)
        self._stages = dict(list(self._stages.items())[:kept])
        self._say(f"\n[{kept + 1}] {title}")
        self._commands = []
        started_s = time.monotonic()
        result = work()
        seconds_s = time.monotonic() - started_s
        files = sizes_of(self._folder, leaves)
        commands = tuple(self._commands)
        self._stages[key] = StageResult(title, seconds_s, commands, dict(result), files)
        self._save()
        self._say(f"    done in {seconds_s:.0f} s")
        return result

    def run(self, *command: str | Path) -> dict[str, Any]:
        """Run one console script with ``--json``; return the object it printed.

        Raises
        ------
        StageError
            The command failed; its last lines are in the message.
        """
        return self.run_together([command])[0]

    def run_together(self, commands: Sequence[Sequence[str | Path]]) -> list[dict[str, Any]]:
        """Run several console scripts at the same time; return what each printed."""
        running = []
        for command in commands:
            words = [str(word) for word in command]
            line = shlex.join(words)
            self._say(f"    $ {line}")
            self._commands.append(line)
            script = Path(sys.executable).with_name(words[0])
            running.append(
                subprocess.Popen(
                    [script, *words[1:], "--json"],
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                    text=True,
                )
            )
        results = []
        try:
            for process, command in zip(running, commands, strict=True):
                output, _ = process.communicate()
                if process.returncode != 0:
                    raise StageError(
                        f"{command[0]} exited with status {process.returncode}",
                        remedy="the lines above say why; run the printed command again with -v",
                    )
                results.append(_parse(output, str(command[0])))
        finally:
            for process in running:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
        return results

    def _lost(self, stage: StageResult) -> bool:
        losses = find_losses(self._folder, stage.files)
        for name, now, before in losses.changed:
            raise StageError(
                f"{self._folder / name} has {now} bytes, {before} when it was made",
                remedy="delete it to have it made again, or choose a new folder",
            )
        if losses.missing:
            named = ", ".join(losses.missing[:_NAMED])
            more = (
                f" and {len(losses.missing) - _NAMED} more" if len(losses.missing) > _NAMED else ""
            )
            self._say(f"gone since: {named}{more}; made again, with all that follows")
        return bool(losses.missing)

    def _load(self) -> None:
        path = self._folder / STATE_FILE
        if not path.exists():
            if any(self._folder.iterdir()):
                raise StageError(
                    f"{self._folder} is not empty and holds no {self._what}",
                    remedy="choose a new folder with --output",
                )
            return
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            version, plan, stages = state["version"], state["plan"], state["stages"]
            loaded = {
                key: StageResult(
                    str(s["title"]),
                    float(s["seconds_s"]),
                    tuple(s["commands"]),
                    s["result"],
                    {str(name): int(size) for name, size in s.get("files", {}).items()},
                )
                for key, s in stages.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StageError(f"{path} is damaged: {error}", remedy="choose a new folder") from error
        if version != _STATE_VERSION or plan != self._plan:
            raise StageError(
                f"{self._folder} holds a {self._what} made with other settings",
                remedy="choose a new folder with --output, or delete that one",
            )
        self._stages = loaded

    def _save(self) -> None:
        state = {
            "version": _STATE_VERSION,
            "plan": self._plan,
            "stages": {
                key: {
                    "title": s.title,
                    "seconds_s": round(s.seconds_s, 1),
                    "commands": list(s.commands),
                    "result": s.result,
                    "files": dict(s.files),
                }
                for key, s in self._stages.items()
            },
        }
        text = json.dumps(state, indent=1)
        write_text_atomic(self._folder / STATE_FILE, text, overwrite=True)


def _parse(output: str, script: str) -> dict[str, Any]:
    try:
        result = json.loads(output)
    except ValueError:
        tail = "\n".join(output.splitlines()[-_ERROR_TAIL_LINES:])
        raise StageError(f"{script} printed no JSON object:\n{tail}") from None
    if not isinstance(result, dict):
        raise StageError(f"{script} printed {type(result).__name__}: expected a JSON object")
    return result
