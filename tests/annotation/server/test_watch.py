"""What the admin sees while people rate is what deriving everything anew would give."""

import random

import numpy as np

from annotation.project.event import Event
from annotation.project.folder import Project
from annotation.project.ratings import stored_ratings
from annotation.project.task import find_task, open_page, reopen, store_events, submit
from annotation.server.watch import RatingsWatch, _agreement

from ..project.conftest import add_task, project

__all__ = ["project"]


def test_following_is_deriving_anew(project: Project) -> None:
    rng = random.Random(3)
    with project.database.write() as db:
        numbers = [add_task(db, rater, 1) for rater in (1, 2)]
        clients = {number: [f"client-{number}-0"] for number in numbers}
        for number in numbers:
            task = find_task(db, number)
            assert task is not None
            open_page(db, task, client=clients[number][0], tab="tab", take_over=True)
    said: dict[str, int] = {}
    watch = RatingsWatch(rest=0.0)
    for turn in range(80):
        with project.database.write() as db:
            number = rng.choice(numbers)
            task = find_task(db, number)
            assert task is not None
            if rng.random() < 0.15:
                clients[number].append(f"client-{number}-{len(clients[number])}")
                open_page(db, task, client=clients[number][-1], tab="tab", take_over=True)
            # Now and then an earlier page still has something to say.
            client = rng.choice(clients[number][-2:])
            first = said.get(client, 0)
            events = []
            for seq in range(first, first + rng.randint(1, 6)):
                kind = rng.choice(["play", "set", "seen", "pause"])
                value = rng.randint(-10, 10) if kind == "set" else None
                dimension = "valence" if kind == "set" else None
                events.append(Event(seq, kind, rng.randrange(30), seq, dimension, value, hand=True))  # type: ignore[arg-type]
            said[client] = first + len(events)
            store_events(db, task, client, events)
        if turn % 2:
            continue
        with project.database.read() as db:
            found = watch.look(db)["agreement"].get("valence")
            anew = [each for each in stored_ratings(db) if np.sum(~np.isnan(each.value)) >= 2]
        assert (0 if found is None else found["n_traces"]) == len(anew)
        assert found == _agreement([each.trace for each in anew]).get("valence")


def test_a_submitted_task_is_judged_and_a_reopened_one_is_followed_again(project: Project) -> None:
    watch = RatingsWatch(rest=0.0)
    with project.database.write() as db:
        task = find_task(db, add_task(db, 1, 1))
        assert task is not None
        open_page(db, task, client="client-a", tab="tab", take_over=False)
        events = [Event(0, "play", 20, 0), Event(1, "set", 20, 0, "valence", 2, hand=True)]
        store_events(db, task, "client-a", [*events, Event(2, "pause", 29, 0)])
        db.execute("UPDATE video SET rate_num = 1")  # thirty seconds: a start after twenty is late
    with project.database.read() as db:
        assert watch.look(db)["flags"] == {}
    with project.database.write() as db:
        submit(db, task, "client-a", 3)
    with project.database.read() as db:
        (told,) = watch.look(db)["flags"].values()
        assert any("first rating only after 20 s" in text for text in told)
    with project.database.write() as db:
        reopen(db, task.id)
    with project.database.read() as db:
        found = watch.look(db)
    assert found["flags"] == {}
    assert found["agreement"]["valence"]["n_traces"] == 1


def test_looking_again_at_once_costs_nothing(project: Project) -> None:
    watch = RatingsWatch(rest=1e9)
    with project.database.read() as db:
        first = watch.look(db)
    with project.database.write() as db:
        task = find_task(db, add_task(db, 1, 1))
        assert task is not None
        events = [Event(0, "play", 0, 0), Event(1, "set", 0, 0, "valence", 2, hand=True)]
        store_events(db, task, "client-a", [*events, Event(2, "pause", 29, 0)])
    with project.database.read() as db:
        assert watch.look(db) is first
        assert RatingsWatch().look(db)["agreement"]["valence"]["n_traces"] == 1
