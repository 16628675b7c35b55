import pytest

from capture.simulation.moment import Moment
from capture.simulation.rig import SimulatedRig
from capture.simulation.scene import SubjectScene


@pytest.fixture(scope="session")
def ideal_scene(small_rig: SimulatedRig) -> SubjectScene:
    """A subject seen by sensors without noise."""
    return SubjectScene(small_rig, subject_seed=4, noise=False)


@pytest.fixture(scope="session")
def ideal_moment(ideal_scene: SubjectScene) -> Moment:
    return ideal_scene.moment(7)
