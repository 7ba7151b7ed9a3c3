import numpy as np
import pytest
import torch


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def drawn(rng):
    """Random complex128 tensors of any shape."""

    def draw(*shape):
        return torch.complex(*(torch.from_numpy(rng.normal(size=shape)) for _ in range(2)))

    return draw
