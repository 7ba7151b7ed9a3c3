import pytest

from ...browser import NO_GPU, launched


@pytest.fixture(scope="module")
def browser():
    with launched(*NO_GPU) as started:
        yield started
