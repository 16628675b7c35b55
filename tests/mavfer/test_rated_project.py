"""A simulated session through an annotation project: what the slider said is when it was felt."""

import numpy as np

from annotation.fusion_options import FusionOptions
from annotation.gold import make_gold
from annotation.project.add_video import add_video
from annotation.project.assign_store import add_raters, assign_tasks
from annotation.project.event import Event
from annotation.project.folder import create_project
from annotation.project.settings import Settings
from annotation.project.task import find_task, open_page, store_events, submit, tasks_of
from annotation.project.video import find_video
from annotation.simulated_raters import draw_profile, rate
from annotation.sources import load_ratings
from capture.session import open_session
from mavfer.simulate import read_truth
from mavfer.truth_scores import truth_scores

from .test_simulate import write_session

RATE_HZ = 10.0


def slider_events(said, dimensions, frame_ns):
    """One take over the whole video: on every frame the sliders stand where the raters put them."""
    events = [Event(0, "play", 0, 0)]
    for frame, time_ns in enumerate(frame_ns):
        for name in dimensions:
            trace = said[name]
            at = np.clip([time_ns], trace.time_ns[0], trace.time_ns[-1])
            value = round(float(trace.at(at)[0]))
            events.append(Event(len(events), "set", frame, 0, name, value, hand=True))
    return [*events, Event(len(events), "pause", len(frame_ns) - 1, 0)]


def test_gold_labels_of_a_project_lie_on_the_truth(tmp_path):
    path = write_session(tmp_path / "sessions", 0.8 * np.sin(np.arange(120) / 6))
    session = open_session(path)
    truth = {trace.dimension: trace for trace in read_truth(session)}
    settings = Settings(together=True, raters_per_video=3, n_teams=1)
    project = create_project(tmp_path / "study", settings)
    add_video(project, path)
    with project.database.write() as db:
        names = ["R1", "R2", "R3"]
        raters = add_raters(db, names, settings, who="test")
        assign_tasks(db, settings, who="test")
        for name, rater in zip(names, raters, strict=True):
            profile = draw_profile(name, seed=1, lag_s=0.0, noise=0.5)
            (task,) = tasks_of(db, rater)
            video = find_video(db, task.video)
            assert float(video.rate_hz) == RATE_HZ
            said = {d: rate(t, profile, seed=1, rate_hz=RATE_HZ) for d, t in truth.items()}
            events = slider_events(said, task.dimensions, video.time_ns)
            client = f"client-{rater}"
            open_page(db, task, client=client, tab="t", take_over=False)
            store_events(db, task, client, events)
            again = find_task(db, task.id)
            assert again is not None
            submit(db, again, client, len(events))
    project.database.close()

    ratings = load_ratings([project.path])
    gold = make_gold(ratings, FusionOptions(rate_hz=None)).labels
    assert gold.sessions[session.id].time_ns.tolist() == [
        int(ns) - session.start_time_ns for ns in session.streams["color"].capture_time_ns
    ]
    in_time = truth_scores([session], gold)["valence"]["ccc"]
    assert in_time > 0.95
    for lag_s in (-1 / RATE_HZ, 1 / RATE_HZ):
        assert truth_scores([session], gold, lag_s=lag_s)["valence"]["ccc"] < in_time
