"""What a rater said, and the values of all frames that follow from it."""

from .conftest import N_FRAMES, Served


def moves(served: Served, task: int) -> list[tuple[int, int]]:
    """Frame and value of everything that the hand did."""
    return [
        (row["frame"], row["value"])
        for row in served.events(task)
        if row["kind"] == "set" and row["hand"]
    ]


def held(*steps: tuple[int, int | None]) -> list[int | None]:
    """Values of all frames: from each frame on, its value."""
    values: list[int | None] = [None] * N_FRAMES
    for frame, value in steps:
        values[frame:] = [value] * (N_FRAMES - frame)
    return values


def last_on_frame(said: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return sorted(dict(said).items())
