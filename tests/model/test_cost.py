"""What a clip costs in multiplications."""

import pytest

from model.config import ModelConfig
from model.cost import multiplications


def test_a_linear_map_costs_its_weights_and_longer_clips_cost_more() -> None:
    ridge = ModelConfig("ridge", ("color",), input_px=16)
    assert multiplications(ridge) == 3 * 16 * 16
    costs = [
        multiplications(
            ModelConfig("uran", ("color",), input_px=16, width=1 / 8, clip_length=length)
        )
        for length in (4, 8)
    ]
    assert costs[1] / costs[0] == pytest.approx(2, rel=0.1)
