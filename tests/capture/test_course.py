"""Stages follow each other by plan or by word, whenever somebody looks."""

from hypothesis import given
from hypothesis import strategies as st

from capture.course import Course, SessionMark
from capture.protocol import Protocol, Stage

S = 1_000_000_000
THREE = Protocol("p", (Stage("calm", 10), Stage("talk", 5, "ask"), Stage("rest", 2)))


def names(marks):
    return [(mark.kind, mark.label, mark.time_ns // S) for mark in marks]


def test_without_a_protocol_there_are_remarks_and_an_end():
    course = Course(None, 4.0)
    assert course.begin(100 * S) == []
    assert course.end_ns == 104 * S
    assert course.progress(101 * S) is None
    marks = course.advance(102 * S, ["smiles", "", "next"])
    assert names(marks) == [
        ("marker", "smiles", 102),
        ("marker", "marker", 102),
        ("marker", "next", 102),
    ]


def test_stages_begin_where_the_one_before_was_planned_to_end():
    course = Course(THREE, None)
    assert names(course.begin(100 * S)) == [("stage", "calm", 100)]
    assert course.end_ns == 117 * S
    assert course.advance(109 * S) == []
    assert names(course.advance(111 * S)) == [("stage", "talk", 110)]
    assert names(course.advance(130 * S)) == [("stage", "rest", 115)]
    assert course.advance(131 * S) == []
    assert course.end_ns == 117 * S


def test_next_cuts_a_stage_short_and_moves_the_end():
    course = Course(THREE, None)
    course.begin(100 * S)
    assert names(course.advance(103 * S, ["next"])) == [("stage", "talk", 103)]
    assert course.end_ns == 110 * S
    progress = course.progress(105 * S)
    assert (progress.name, progress.instruction, progress.number, progress.count) == (
        "talk",
        "ask",
        2,
        3,
    )
    assert (progress.elapsed_s, progress.duration_s) == (2.0, 5)


def test_next_in_the_last_stage_ends_the_session():
    course = Course(Protocol("p", (Stage("open"),)), None)
    course.begin(0)
    assert course.end_ns is None
    assert course.advance(7 * S, ["next"]) == []
    assert course.end_ns == 7 * S


def test_an_open_stage_leaves_the_end_open_until_it_is_over():
    course = Course(Protocol("p", (Stage("open"), Stage("short", 3))), None)
    course.begin(0)
    assert course.end_ns is None
    assert names(course.advance(50 * S, ["next"])) == [("stage", "short", 50)]
    assert course.end_ns == 53 * S


def test_a_course_goes_on_where_it_is_by_now_or_begins_its_stage_anew():
    marks = [SessionMark("stage", "calm", 100 * S), SessionMark("marker", "talk", 103 * S)]
    course = Course(THREE, None)
    assert course.resume(100 * S, marks, 112 * S, anew=False) == []
    assert course.end_ns == 117 * S
    assert names(course.advance(112 * S)) == [("stage", "talk", 110)]

    course = Course(THREE, None)
    marks.append(SessionMark("stage", "talk", 108 * S))
    assert names(course.resume(100 * S, marks, 112 * S, anew=True)) == [("stage", "talk", 112)]
    assert course.end_ns == 119 * S
    assert names(course.advance(118 * S)) == [("stage", "rest", 117)]

    course = Course(None, 30.0)
    assert course.resume(100 * S, [], 112 * S, anew=True) == []
    assert course.end_ns == 130 * S


@given(st.lists(st.floats(0.01, 30), min_size=1, max_size=40), st.data())
def test_however_often_one_looks_the_stages_are_the_same(steps, data):
    durations = data.draw(st.lists(st.integers(1, 20), min_size=1, max_size=6))
    protocol = Protocol("p", tuple(Stage(f"s{i}", d) for i, d in enumerate(durations)))
    often, once = Course(protocol, None), Course(protocol, None)
    seen = often.begin(5 * S)
    expected = once.begin(5 * S)
    now_ns = 5 * S
    for step in steps:
        now_ns += round(step * S)
        seen += often.advance(now_ns)
    expected += once.advance(now_ns)
    assert seen == expected
    assert often.end_ns == once.end_ns == 5 * S + sum(durations) * S
    assert all(isinstance(mark, SessionMark) for mark in seen)
