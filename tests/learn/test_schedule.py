import pytest

from sanum.learn.schedule import LoopConfig, rate_at


def test_cosine():
    config = LoopConfig(steps=1000, learning_rate=1.0, warmup=100)
    assert rate_at(0, config, config.steps) == pytest.approx(0.01)
    assert rate_at(99, config, config.steps) == rate_at(100, config, config.steps) == pytest.approx(1.0)
    assert rate_at(550, config, config.steps) == pytest.approx(0.505)
    assert rate_at(1000, config, config.steps) == pytest.approx(0.01)
    rates = [rate_at(s, config, config.steps) for s in range(100, 1001)]
    assert rates == sorted(rates, reverse=True)


def test_step_as_published():
    config = LoopConfig(steps=400_000, learning_rate=1e-4, warmup=0, schedule="step")
    assert [rate_at(s, config, config.steps) for s in (0, 299_999)] == [1e-4, 1e-4]
    assert [rate_at(s, config, config.steps) for s in (300_000, 399_999)] == pytest.approx([1e-5, 1e-5])


def test_a_straight_line_to_nothing():
    config = LoopConfig(steps=110, learning_rate=2.0, warmup=10, schedule="linear")
    assert [rate_at(s, config, 110) for s in (4, 10, 60, 109, 110)] == pytest.approx([1, 2, 1, 0.02, 0])


@pytest.mark.parametrize("name", ["steps", "accumulate", "save_every"])
def test_a_plan_that_cannot_be(name):
    with pytest.raises(ValueError, match=f"loop.{name} must be at least 1, got 0"):
        LoopConfig(**{name: 0})


def test_an_average_that_would_never_move():
    with pytest.raises(ValueError, match="ema must be below 1"):
        LoopConfig(ema=1.0)
