import pytest

from sanum.learn.watch import FEWEST, MOST_SKIPPED, Watch


def after_good_steps(**options):
    watch = Watch(**options)
    for n in range(FEWEST):
        assert watch.trouble(1.0 + 0.01 * n, 0.5) is None
    return watch


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number(loss):
    assert "its loss is" in Watch().trouble(loss, 1.0)


def test_a_gradient_that_is_no_number():
    assert Watch().trouble(1.0, float("nan")) == "the norm of its gradient is nan"


def test_far_beyond_the_median():
    watch = after_good_steps()
    assert watch.trouble(100.0, 400.0) is None
    assert "its loss is 120, more than 100 times the 1.1" in watch.trouble(120.0, 0.5)
    assert "its gradient's norm is 600, more than 1000 times the 0.5" in watch.trouble(1.0, 600.0)
    assert len(watch.recent) == FEWEST + 1  # what was wrong is not remembered


def test_at_first_nothing_is_far():
    watch = Watch([[1.0, 1.0]] * (FEWEST - 1))
    assert watch.trouble(1e9, 1e9) is None


def test_a_scaled_loss_may_overflow_now_and_then():
    watch = after_good_steps(scaled=True)
    for _ in range(2):
        for _ in range(MOST_SKIPPED):
            assert watch.trouble(1.0, float("inf")) is None
        assert watch.trouble(1.0, 0.5) is None
    assert [watch.trouble(1.0, float("inf")) for _ in range(MOST_SKIPPED + 1)][-1] is not None
