"""ADPD as one uses it: train each recipe, go on, find, and what is refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import sanum
from sanum.data.xrays import read_xrays
from sanum.learn.loop import TrainingStopped
from sanum.learn.threads import one_thread
from sanum.methods.common.training import Start, train
from sanum.methods.detection.adpd.best import BestState
from sanum.methods.detection.adpd.loss import giou
from sanum.methods.detection.adpd.recipe import RECIPES
from sanum.methods.detection.adpd.source import XraySource, parted
from sanum.scan.read_picture import read_picture
from sanum.synth.chest_set import write_chests
from sanum.weights.file import WeightsError, load_weights, save_weights

NAMES = ("adpd", "adpd-mil", "adpd-cam", "adpd-boxes")


def tiny(name, **more):
    loop = replace(RECIPES[name].loop, steps=3, warmup=0, save_every=1)
    small = {"backbone": "small", "size": 32, "width": 8, "batch_size": 4, "validate_every": 2, "loop": loop}
    return replace(RECIPES[name], **{**small, **more})


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return write_chests(tmp_path_factory.mktemp("adpd") / "data", 10, size=40)


@pytest.fixture(scope="session")
def trained(data, tmp_path_factory):
    """A file of every recipe after three steps."""
    folder = tmp_path_factory.mktemp("adpd-trained")
    return {name: train(tiny(name), data, folder / name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_findings_of_every_recipe(name, trained, data):
    detector = sanum.load("adpd", weights=trained[name]).use(positive=-9.0, present=-9.0, cell=0.01, top=0)
    found = detector(data / "images" / "chest0001.png")
    assert len(found.names) == len(found.boxes) == len(found.scores) == len(found.inside) > 0
    assert set(found.names) <= set(detector.findings)
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, :2] + found.boxes[:, 2:] <= 40 + 1e-6).all()
    assert (np.diff(found.scores) <= 0).all()
    assert bool(found.regions) == (name in ("adpd", "adpd-mil"))
    assert all(inside for inside in found.inside) == bool(found.regions)
    again = sanum.load("adpd", weights=trained[name]).use(positive=-9.0, present=-9.0, cell=0.01, top=0)
    same = again(read_picture(data / "images" / "chest0001.png"))
    assert np.array_equal(found.boxes, same.boxes)


@pytest.mark.full
def test_it_learns_where_regions_are(data):
    """Adam for a hundred steps on six pictures: boxes of regions that it has seen overlap the true ones."""
    recipe = tiny("adpd", width=32, dropout=0.0, batch_size=6)
    source = XraySource(recipe, read_xrays(data))
    torch.manual_seed(0)
    model, batch = source.build(), source.train.batch(range(6))
    there = batch["present"] == 1
    with torch.no_grad():
        before = giou(model(batch["pixels"]).boxes[there], batch["regions"][there]).mean()
    rule = torch.optim.Adam(model.parameters(), 3e-3)
    with one_thread():
        for _ in range(100):
            rule.zero_grad()
            recipe.objective(model, batch)[0].backward()
            rule.step()
        said = model.eval()(batch["pixels"])
    after = giou(said.boxes[there], batch["regions"][there]).mean()
    assert float(before) < 0.2
    assert float(after.detach()) > 0.6
    assert ((said.present > 0.5) == there).float().mean() > 0.9


def test_a_run_that_was_stopped_gives_the_same_bits(trained, data, tmp_path):
    with pytest.raises(TrainingStopped):
        train(tiny("adpd"), data, tmp_path / "run", start=Start(stop_after=1))
    path = train(tiny("adpd"), data, tmp_path / "run", start=Start(resume=True))
    one, other = load_weights(path)[0], load_weights(trained["adpd"])[0]
    assert all(torch.equal(x, other[name]) for name, x in one.items())


def test_the_test_split_is_never_looked_at_and_patients_stay_whole(data):
    found = read_xrays(data)
    train_part, held = parted(found, 0.3, 1)
    assert not {i.patient for i in train_part} & {i.patient for i in held}
    assert len(train_part) + len(held) == 10
    splits = [("train", "val", "test", "train", "test")[n // 2] for n in range(10)]
    for image, split in zip(found.images, splits, strict=True):
        image.split = split
    train_part, held = parted(found, 0.3, 1)
    assert [i.split for i in train_part + held] == ["train"] * 4 + ["val"] * 2
    source = XraySource(tiny("adpd"), found)
    assert (len(source.train), len(source.held)) == (4, 2)
    for image in found.images:
        image.split = "test"
    with pytest.raises(ValueError, match="no image is in the split train"):
        parted(found, 0.3, 1)


def test_what_a_training_needs(data, tmp_path):
    file = json.loads((data / "findings.json").read_text())

    def changed(**keys):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "images").symlink_to(data / "images")
        (folder / "findings.json").write_text(json.dumps({**file, **keys}))
        return folder

    bare = changed()
    with pytest.raises(ValueError, match=r"no image has a region: give regions\.csv"):
        tiny("adpd").check(bare)
    with pytest.raises(ValueError, match="no finding has a box"):
        tiny("adpd-boxes").check(changed(annotations=[]))
    none = [{**image, "findings": []} for image in file["images"]]
    with pytest.raises(ValueError, match="no image has a finding"):
        tiny("adpd-cam").check(changed(images=none, annotations=[]))
    with pytest.raises(ValueError, match="choose=map needs boxes of findings in validation"):
        tiny("adpd-cam", choose="map").check(changed(annotations=[]))
    lines = (data / "regions.csv").read_text().splitlines()
    (bare / "regions.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines))
    with pytest.raises(
        ValueError, match=r"no region has a finding: name findings in regions\.csv, or train adpd-mil"
    ):
        tiny("adpd").check(bare)
    assert tiny("adpd-mil").check(bare) == []
    wide = [{**image, "width": 39} for image in file["images"]]
    with pytest.raises(ValueError, match=r"chest0000.png is 40 × 40 pixels large"):
        tiny("adpd-cam").prepare(changed(images=wide, annotations=[]), tmp_path)


def test_the_state_of_highest_map_is_kept(data):
    source = XraySource(tiny("adpd", choose="map"), read_xrays(data))
    torch.manual_seed(0)
    model = source.build().eval()
    looks = source.looks()
    looks.look(model, 1)
    assert source.best.value <= 0
    kept = looks.kept.state_dict()
    fresh = XraySource(tiny("adpd", choose="map"), read_xrays(data)).best
    fresh.load_state_dict(kept)
    assert (fresh.value, fresh.step) == (source.best.value, 1)


@pytest.mark.parametrize("choose", ["map", "loss"])
def test_a_better_state_is_taken_a_worse_or_unknown_one_is_not(choose):
    looked = iter([math.nan, 0.2, math.nan, 0.1, 0.4, 0.4])
    sign = 1 if choose == "map" else -1
    best = BestState(tiny("adpd", choose=choose), None)
    best._precision = best._loss = lambda model: sign * next(looked)
    model, seen = torch.nn.Linear(1, 1), []
    for step in range(1, 7):
        torch.nn.init.constant_(model.weight, step)
        best.look(model, step)
        seen.append((best.step, float(best.state["weight"])))
    assert [step for step, _ in seen] == [1, 2, 2, 2, 5, 5]
    assert all(step == weight for step, weight in seen)


def test_what_is_held_out_decides_what_can_be_chosen_and_learned(data):
    found = read_xrays(data)
    learned, held = parted(found, 0.2, 1)
    for image in held:
        image.boxes.clear()
    with pytest.raises(ValueError, match="choose=map needs boxes of findings in validation"):
        tiny("adpd", choose="map", seed=1).require(found)
    tiny("adpd", choose="map", seed=1).require(read_xrays(data))
    for image in learned:
        image.present[2] = 0
    for name in ("adpd", "adpd-mil"):
        with pytest.raises(ValueError, match=f"{found.regions[2]} is in no image to learn from"):
            tiny(name, seed=1).require(found)
    tiny("adpd-cam", seed=1).require(found)


def test_weights_of_another_kind_are_refused(trained, tmp_path):
    state, header = load_weights(trained["adpd"])
    path = tmp_path / "odd.safetensors"
    save_weights(path, state, **{**header, "findings": ["one"]})
    with pytest.raises(WeightsError, match=r"odd\.safetensors does not fit the network adpd"):
        sanum.load("adpd", weights=path)


@pytest.mark.full
def test_the_published_network_is_built():
    with torch.device("meta"):
        net = RECIPES["adpd-faithful"].build(29, 8, fresh=False)
    assert net.tokens.shape == (29, 512)
    assert net.findings.weight.shape == (8, 512)
    assert sum(p.numel() for p in net.backbone.parameters()) == pytest.approx(7e6, rel=0.05)
