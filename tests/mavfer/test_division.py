"""Rows are divided so that crops wait for the faces they follow from, and for no others."""

from pathlib import Path

import h5py
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mavfer.aligned_faces import align_faces, join_tracks, reach_ns, rows_of_track
from mavfer.division import Division, Segments, divide
from mavfer.graph import BuildGraph
from mavfer.jobs import Job, JobResult
from mavfer.landmarks import ANCHOR_TEMPLATE, ANCHORS
from mavfer.sources import FaceTrack
from mavfer.store_schema import FACE_IN_COLOR, FOUND, NO_COLOR_FRAME, NO_DETECTION
from mavfer.store_writer import StoreLayout
from mavfer.work_folder import SourceFolder, save_arrays

LAYOUT = StoreLayout()


@given(st.integers(0, 300), st.integers(1, 40))
def test_segments_hold_every_row_once_and_are_found_by_their_rows(n_rows, segment_rows) -> None:
    segments = Segments(n_rows, segment_rows)
    rows = [row for k in range(len(segments)) for row in segments.rows(k)]
    assert rows == list(range(n_rows))
    for k in range(len(segments)):
        assert segments.of_rows(segments.rows(k)) == range(k, k + 1)


def track_with_gaps(rng: np.random.Generator, n_rows: int) -> FaceTrack:
    """A head that moves about, missed here and there, with holes in the recording."""
    track = FaceTrack.empty(n_rows, 68)
    found = rng.random(n_rows) > 0.3
    face = np.zeros((68, 2))
    face[list(ANCHORS[68])] = ANCHOR_TEMPLATE[68] * 100
    moved = face + np.cumsum(rng.normal(0, 3, (n_rows, 1, 2)), axis=0)
    track.landmarks_px[found] = moved[found] + rng.normal(0, 1, (int(found.sum()), 68, 2))
    track.face_source[found] = FACE_IN_COLOR
    track.reason[:] = np.where(rng.random(n_rows) > 0.1, NO_DETECTION, NO_COLOR_FRAME)
    track.reason[found] = FOUND
    return track


@given(
    st.integers(0, 10_000),
    st.integers(1, 60),
    st.integers(1, 25),
    st.integers(1, 25),
    st.sampled_from([0.0, 0.4, 2.0]),
)
def test_aligned_piece_by_piece_is_aligned_as_a_whole(
    seed, n_rows, face_rows, crop_rows, fill_gaps_s
) -> None:
    rng = np.random.default_rng(seed)
    time_ns = np.cumsum(rng.integers(1, 400_000_000, n_rows))
    track = track_with_gaps(rng, n_rows)
    division = divide(
        time_ns,
        n_samples=0,
        face_rows=face_rows,
        crop_rows=crop_rows,
        reach_ns=reach_ns(fill_gaps_s),
    )
    whole, T_whole = align_faces(track, time_ns, LAYOUT, fill_gaps_s=fill_gaps_s)
    for segment in range(len(division.crops)):
        rows, context = division.crops.rows(segment), division.context_rows(segment)
        needed = [division.faces.rows(k) for k in division.faces_needed(segment)]
        assert needed[0].start <= context.start <= rows.start
        assert rows.stop <= context.stop <= needed[-1].stop
        known = join_tracks([rows_of_track(track, slice(r.start, r.stop)) for r in needed])
        inner = slice(context.start - needed[0].start, context.stop - needed[0].start)
        piece, T = align_faces(
            rows_of_track(known, inner),
            time_ns[context.start : context.stop],
            LAYOUT,
            fill_gaps_s=fill_gaps_s,
        )
        own = slice(rows.start - context.start, rows.stop - context.start)
        expected = slice(rows.start, rows.stop)
        np.testing.assert_array_equal(T[own], T_whole[expected])
        np.testing.assert_array_equal(piece.landmarks_px[own], whole.landmarks_px[expected])
        np.testing.assert_array_equal(piece.face_source[own], whole.face_source[expected])


N_ROWS, N_SAMPLES, FACE_ROWS, CROP_ROWS = 40, 2, 10, 5
CROPS_OF_FIRST_FACES = [0]  # rows 0 to 4; those of the next segment reach into the next faces


class Source:
    """A source whose pieces of work are done by writing files with nothing in them."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.folder = SourceFolder(path)

    def do(self, job: Job) -> JobResult:
        match job.kind:
            case "open":
                divide(
                    np.arange(N_ROWS) * 250_000_000,
                    n_samples=N_SAMPLES,
                    face_rows=FACE_ROWS,
                    crop_rows=CROP_ROWS,
                    reach_ns=reach_ns(0.0),
                ).save(self.folder)
            case "people":
                save_arrays(self.folder.people(job.segment), {})
            case "faces":
                save_arrays(self.folder.faces(job.segment), {})
            case "crops":
                save_arrays(self.folder.crops(job.segment), {})
            case "store":
                with h5py.File(self.folder.part, "w") as file:
                    file.create_group("video").attrs["content_sha256"] = ""
                self.folder.report.write_text('{"damage": []}')
        return JobResult(job)


def ready(graph: BuildGraph) -> list[Job]:
    jobs = []
    while job := graph.next_job():
        jobs.append(job)
    return jobs


def test_crops_wait_for_the_faces_round_them_only(tmp_path) -> None:
    source = Source(tmp_path / "source")
    told: list[tuple[int, int]] = []
    graph = BuildGraph([source.folder], lambda done, total: told.append((done, total)))
    (opening,) = ready(graph)
    graph.finish(source.do(opening))
    people = ready(graph)
    assert [(job.kind, job.segment) for job in people] == [("people", 0), ("people", 1)]
    graph.finish(source.do(people[0]))
    assert not ready(graph)  # nobody knows yet who the subject is
    graph.finish(source.do(people[1]))
    faces = ready(graph)
    assert [(job.kind, job.segment) for job in faces] == [("faces", k) for k in range(4)]
    graph.finish(source.do(faces[0]))
    crops = ready(graph)
    assert [(job.kind, job.segment) for job in crops] == [
        ("crops", k) for k in CROPS_OF_FIRST_FACES
    ]
    for job in faces[1:]:
        graph.finish(source.do(job))
    crops += ready(graph)
    assert sorted(job.segment for job in crops) == list(range(8))
    for job in crops:
        assert not ready(graph)
        graph.finish(source.do(job))
    (last,) = ready(graph)
    assert last.kind == "store"
    graph.finish(source.do(last))
    assert not ready(graph)
    assert told[-1] == (N_ROWS, N_ROWS)
    assert told == sorted(told)


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_left_at_any_moment_the_graph_asks_for_what_is_missing(tmp_path_factory, seed) -> None:
    rng = np.random.default_rng(seed)
    source = Source(tmp_path_factory.mktemp("graph") / "source")
    done: list[Job] = []
    for _ in range(20):  # a build that is killed again and again, and forgets what was under way
        graph = BuildGraph([source.folder])
        waiting = ready(graph)
        for _ in range(int(rng.integers(1, 8))):
            if not waiting:
                break
            job = waiting.pop(int(rng.integers(len(waiting))))
            done.append(job)
            graph.finish(source.do(job))
            waiting += ready(graph)
    assert source.folder.part.exists()
    assert len(done) == len(set(done)) == 1 + N_SAMPLES + 4 + 8 + 1
    division = Division.load(source.folder)
    for at, job in enumerate(done):
        if job.kind == "crops":
            before = {(j.kind, j.segment) for j in done[:at]}
            assert {("faces", k) for k in division.faces_needed(job.segment)} <= before
