"""Networks of another voxel size than the one that ships: trained, saved, loaded, and they reconstruct."""

from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch

from sanum.healthy.reconstruction import reconstruct
from sanum.methods.anatomy.una.model import Una
from sanum.methods.anatomy.una.predict import UnaPredictor
from sanum.methods.anatomy.una.recipe import RECIPES
from sanum.metrics.errors import dice
from sanum.scan import Scan
from sanum.space.box import Box
from sanum.space.grid import apply_affine
from sanum.synth.sampling import SamplingConfig
from sanum.synth.stream import Stream, TrainingSet
from sanum.weights.file import WeightsError, save_weights

_spec = spec_from_file_location("synth_phantom", Path(__file__).parents[2] / "synth" / "conftest.py")
_phantom = module_from_spec(_spec)
_spec.loader.exec_module(_phantom)
anatomy = _phantom.anatomy  # the made-up head of the generator's tests


def trained(recipe, anatomy, steps):
    """Network of `recipe` after some steps; every loss was finite."""
    torch.manual_seed(recipe.seed)
    net = recipe.build([anatomy])
    box = recipe.box.grid()
    stream = Stream(
        TrainingSet([anatomy]), seed=1, box=box, sampling=recipe.sampling, flipped_too=recipe.flipped_too
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _, item in zip(range(steps), stream, strict=False):
        loss, _ = recipe.loss(net, {name: x[None] for name, x in item.items()})
        assert torch.isfinite(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_network_of_4_mm_finds_the_brain_after_some_steps(anatomy, tmp_path):
    recipe = replace(RECIPES["una-small"], widths=(8, 16), sampling=SamplingConfig(real=1.0, level="none"))
    net = trained(recipe, anatomy, steps=30)
    save_weights(tmp_path / "w.safetensors", net.state_dict(), **recipe.describe())
    predictor = UnaPredictor(weights=tmp_path / "w.safetensors")
    assert predictor.box == Box((40, 48, 40), 4.0)
    scan = Scan(anatomy.t1w, anatomy.grid.affine, "T1w")
    result = reconstruct(scan, predictor=predictor)
    assert all(image.grid.same_as(scan.grid) for image in result.images.values())
    assert dice(result.brain.voxels > 0, anatomy.brain) > 0.85
    assert np.corrcoef(result.anatomy.voxels[anatomy.brain], anatomy.t1w[anatomy.brain])[0, 1] > 0.5


@pytest.mark.usefixtures("rough_mirror")
@pytest.mark.full
def test_a_network_of_1_mm_fills_its_own_box(anatomy, tmp_path):
    recipe = replace(RECIPES["una-1mm"], widths=(8, 16), box=Box((72, 72, 72), 1.0))
    net = trained(recipe, anatomy, steps=2)
    with torch.no_grad():  # a head that says brain everywhere
        net.net.fine.weight.zero_()
        net.net.coarse.weight.zero_()
        net.net.fine.bias[24:32] = 1
    described = {**recipe.describe(), "shape": recipe.box.shape}  # not a whole head, to be quick
    save_weights(tmp_path / "w.safetensors", net.state_dict(), **described)
    grid = Box((70, 80, 60), 1.5).grid((4, -8, 2))
    x = np.abs(apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1)) - (4, -8, 2))
    voxels = 0.4 + x[..., 0] / 100 + 0.05 * np.sin(x[..., 1] / 9)
    predictor = UnaPredictor(weights=tmp_path / "w.safetensors")
    result = reconstruct(Scan(voxels, grid.affine), predictor=predictor, force=True)  # it shows no head
    assert result.brain.grid.same_as(grid)
    volume = result.brain.voxels.sum() * grid.voxel_volume_ml
    assert volume == pytest.approx(72**3 / 1000, rel=0.05)
    assert any("edge of the model's box" in w for w in result.warnings)


def test_the_published_kind_of_network_trains_and_predicts(anatomy, tmp_path):
    recipe = replace(RECIPES["una"], widths=(8, 8, 16), box=Box((16, 16, 16), 8.0))
    net = trained(recipe, anatomy, steps=2)
    save_weights(tmp_path / "w.safetensors", net.state_dict(), **recipe.describe())
    predictor = UnaPredictor(weights=tmp_path / "w.safetensors")
    assert predictor.box.shape == (24, 24, 24)  # 160×192×160 mm, in multiples of 8
    maps = predictor(np.random.default_rng(0).random((2, *predictor.box.shape), np.float32), quick=True)
    assert maps.t1w.shape == predictor.box.shape
    assert np.isfinite(maps.t1w).all()


def test_the_recipes_are_as_published():
    una = RECIPES["una"]
    with torch.device("meta"):
        net = Una(una.widths, spacing_mm=una.box.spacing_mm, plain=una.plain)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(65.9e6, rel=0.01)
    assert una.describe()["shape"] == (160, 192, 160)  # samples have 160³: no whole head
    assert (una.batch_size, una.loop.steps, una.loop.learning_rate) == (4, 400_000, 1e-4)
    assert (una.weights.lambda_p, una.weights.lambda_c) == (1, 2)


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "una-fine"])  # which refines
def test_every_recipe_predicts_in_a_box_that_its_network_takes(name):
    recipe = RECIPES[name]
    with torch.device("meta"):
        net = Una(recipe.widths, spacing_mm=recipe.box.spacing_mm, plain=recipe.plain)
    for shape in (recipe.box.shape, recipe.describe()["shape"]):
        assert all(n % net.net.multiple == 0 for n in shape)
    assert (np.array(recipe.describe()["shape"]) * recipe.box.spacing_mm >= (160, 192, 160)).all()


def test_a_network_that_knew_no_mirror_image_is_shown_none(tmp_path):
    recipe = RECIPES["una-small-no-mirror"]
    net = Una((8, 8, 8), spacing_mm=4.0)
    save_weights(tmp_path / "w.safetensors", net.state_dict(), **{**recipe.describe(), "widths": net.widths})
    predictor = UnaPredictor(weights=tmp_path / "w.safetensors")
    pair = np.random.default_rng(0).random((2, *predictor.box.shape), np.float32)
    found = predictor(pair, quick=True).t1w
    np.testing.assert_array_equal(found, predictor(pair[[0, 0]], quick=True).t1w)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"shape": [40, 48]}, r"a box of \(40, 48\) voxels, expected three numbers"),
        ({"shape": [40, 48, 42]}, r"a box of \(40, 48, 42\) voxels, expected multiples of 4"),
        ({"spacing_mm": 0}, "voxels of 0.0 mm"),
    ],
)
def test_a_header_whose_box_is_none(tmp_path, changed, why):
    described = {**RECIPES["una-small"].describe(), "widths": (8, 8), **changed}
    save_weights(tmp_path / "w.safetensors", Una((8, 8)).state_dict(), **described)
    with pytest.raises(WeightsError, match=rf"does not fit the network una \(.*{why}"):
        UnaPredictor(weights=tmp_path / "w.safetensors")
