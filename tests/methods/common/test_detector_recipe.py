"""Pictures as batches, and `sanum train` on a folder of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import sanum
from sanum.data.augment import AugmentConfig
from sanum.learn.loop import TrainingStopped
from sanum.learn.schedule import LoopConfig
from sanum.methods import registry
from sanum.methods.common.picture_recipe import rescaled
from sanum.methods.common.training import Start, train
from sanum.scan.picture_conform import PictureConfig
from sanum.scan.read_picture import PictureReading

LOOP = LoopConfig(optimizer="adam", steps=4, warmup=0, learning_rate=1e-3, ema=0.0, sheet_every=0)
RECIPE = replace(
    registry.recipe("cae"), widths=(4, 4, 8), batch_size=6, loop=LOOP, picture=PictureConfig(size=32)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten pictures, and a table in which one is abnormal."""
    root, rng = tmp_path_factory.mktemp("normals"), np.random.default_rng(0)
    for n in range(10):
        Image.fromarray(rng.integers(0, 255, (40, 30), dtype=np.uint8)).save(root / f"{n}.png")
    lines = [f"{n}.png,{int(n == 4)}" for n in range(10)]
    (root / "list.csv").write_text("\n".join(["path,label", *lines]))
    return root


@pytest.fixture
def source(folder, tmp_path):
    return RECIPE.prepare(folder, tmp_path)


def test_every_round_sees_every_picture_once(source):
    plain = replace(RECIPE, augment=AugmentConfig())
    one = plain.source(source.stack)
    rows = torch.cat([one.batch(range(n, n + 5))["image"] for n in (0, 5)])
    for pixels in source.stack.pixels:
        assert sum(torch.allclose(row, pixels * 2 - 1, atol=1e-5) for row in rows) == 1


def test_a_sample_depends_on_its_number_alone(source):
    one, other = source.batch(range(6, 12)), source.batch(range(9, 12))
    assert torch.equal(one["image"][3:], other["image"])
    assert one["seed"] != source.batch(range(12, 18))["seed"]


def test_views_are_scaled_by_their_own_valid_range(source):
    batch = source.batch(range(6))
    for image, valid in zip(batch["image"], batch["valid"], strict=True):
        inside = image[:, valid[0] > 0]
        assert (inside.min(), inside.max()) == (-1, 1)
        assert (image[:, valid[0] == 0] == -1).all()


def test_views_of_a_window_keep_its_range(folder, tmp_path):
    """A dark picture stays dark beside a bright one."""
    reading = PictureReading(window=(500, 1000))
    source = replace(RECIPE, reading=reading, augment=AugmentConfig(flip=0.5)).prepare(folder, tmp_path)
    assert -1 < source.batch(range(6))["image"].max() < -0.45  # at most 255 of 1000


def test_a_constant_view_stays_a_number():
    assert torch.equal(
        rescaled(torch.full((1, 1, 4, 4), 0.3), torch.ones(1, 1, 4, 4)), torch.full((1, 1, 4, 4), 0.3)
    )


def test_abnormals_of_a_table_are_not_learned_from(folder, tmp_path):
    assert len(RECIPE.prepare(folder / "list.csv", tmp_path).stack) == 9


def test_a_resumed_training_gives_the_same_bits_and_a_detector(folder, tmp_path):
    """With dropout and views; the weights of `sanum train` have no threshold until they are calibrated."""
    whole = train(RECIPE, folder, tmp_path / "whole")
    with pytest.raises(TrainingStopped):
        train(RECIPE, folder, tmp_path / "broken", start=Start(stop_after=2))
    resumed = train(RECIPE, folder, tmp_path / "broken", start=Start(resume=True))
    one, other = (sanum.load("cae", weights=path) for path in (whole, resumed))
    assert one.config == RECIPE
    pictures = [folder / f"{n}.png" for n in range(10)]
    np.testing.assert_array_equal(one.score(pictures), other.score(pictures))
    assert one.threshold is None
    assert one.calibrate(pictures, alpha=0.1).threshold.rule == "conformal"


@pytest.mark.parametrize(
    ("name", "more"),
    [("dagmm", {}), ("fanogan", {"generator_widths": (8, 4), "gan_steps": 2, "widths": (4, 4, 8)})],
)
def test_what_needs_all_pictures_or_two_phases_is_trained_too(name, more, folder, tmp_path):
    """The Gaussians in the file are those of pictures; the GAN goes on in its second phase."""
    small = {"widths": (4, 4, 8), "batch_size": 6, "loop": LOOP, "picture": PictureConfig(size=32), **more}
    recipe = replace(registry.recipe(name), **small)
    with pytest.raises(TrainingStopped):
        train(recipe, folder, tmp_path, start=Start(stop_after=3))
    one = sanum.load(name, weights=train(recipe, folder, tmp_path, start=Start(resume=True)))
    scores = one.score([folder / f"{n}.png" for n in range(10)])
    assert np.isfinite(scores).all()
    assert len(set(scores)) == 10
    if name == "dagmm":
        assert one.net.share.sum().item() == pytest.approx(1, abs=1e-3)
        assert not torch.equal(one.net.factor[0], torch.eye(5))
