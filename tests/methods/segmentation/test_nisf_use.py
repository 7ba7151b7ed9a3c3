"""NISF as one uses it: fit, segment, ask, save, and what is refused."""

import signal
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

import sanum
from sanum.learn.loop import TrainingStopped
from sanum.methods.segmentation.nisf import source as training
from sanum.methods.segmentation.nisf.segmenter import seen_of
from sanum.methods.segmentation.nisf.stacks import SliceStack, Structures, scaled, stack_of, whole_labels
from sanum.methods.segmentation.nisf.surface import Mesh, fine_grid, gifti, surface_of
from sanum.scan import Scan, ScanError
from sanum.space.grid import Grid, apply_affine
from sanum.synth.heart import LENGTH_MM, draw_heart, heart_grid, heart_labels, heart_stack
from sanum.weights.file import WeightsError, load_weights, save_weights

SMALL = (
    "width=24",
    "depth=3",
    "poses.copies=1",
    "batch_size=8",
    "points=64",
    "loop.steps=200",
    "loop.warmup=10",
    "loop.ema=0.9",
    "loop.learning_rate=1e-2",
    "latent.steps=25",
    "latent.points=256",
    "latent.learning_rate=5e-2",
)


def hearts(count, shape=(14, 14, 6), seed=0):
    """Hearts and their stacks."""
    rng = np.random.default_rng(seed)
    drawn = [draw_heart(rng) for _ in range(count)]
    pairs = [heart_stack(heart, heart_grid(shape), rng) for heart in drawn]
    return drawn, [stack_of(*pair, name=f"s{n}_ed") for n, pair in enumerate(pairs)]


@pytest.fixture(scope="session")
def learned(tmp_path_factory):
    """A small segmenter that has learned from seven hearts, and the hearts; the last was not among them."""
    _, stacks = hearts(8)
    segmenter = sanum.load("nisf").with_settings(*SMALL)
    return segmenter.fit(stacks[:7], folder=tmp_path_factory.mktemp("nisf")), stacks


def dice(found, true):
    pairs = [(found == k, true == k) for k in (1, 2, 3)]
    return np.mean([2 * (a & b).sum() / max(1, a.sum() + b.sum()) for a, b in pairs])


def test_labels_never_reach_the_fit(learned):
    """With labels, without them and with wrong ones: the same bits."""
    segmenter, stacks = learned
    told, untold = stacks[7], replace(stacks[7], labels=None)
    wrong = replace(stacks[7], labels=np.zeros_like(stacks[7].labels))
    made = [segmenter.segment(stack) for stack in (told, untold, wrong)]
    for other in made[1:]:
        assert np.array_equal(made[0].latent, other.latent)
        assert np.array_equal(made[0].on(told.grid)[1], other.on(told.grid)[1])


def test_it_learns_and_segments_a_heart_that_it_has_not_seen(learned):
    segmenter, stacks = learned
    labels, probabilities = segmenter.segment(stacks[7]).on(stacks[7].grid)
    fresh, _ = segmenter.segment(stacks[7], steps=0).on(stacks[7].grid)
    true = stacks[7].labels[..., 0]
    assert dice(labels, true) > dice(fresh, true) + 0.15
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    for too, curve in segmenter.curves.items():
        assert [step for step, _ in curve] == [0, 10, 25]
        assert segmenter.steps(weights_too=too) == max(curve, key=lambda at: at[1])[0]
    assert len(segmenter.about["held_out"]) == 1


def test_only_the_slices_that_are_named_are_looked_at(learned):
    segmenter, stacks = learned
    stack = stacks[7]
    hidden = stack.voxels.copy()
    hidden[:, :, 1::2] = 99
    one, other = (
        segmenter.segment(s, slices=[0, 2, 4]) for s in (stack, SliceStack("hidden", hidden, stack.grid))
    )
    assert np.array_equal(one.latent, other.latent)
    parts = [
        stack_of(Scan(stack.voxels[:, :, k : k + 1, 0], plane_of(stack.grid, k).affine)) for k in (0, 2, 4)
    ]
    planes, slices = (
        seen_of(segmenter.learned, given, stack.grid, chosen)
        for given, chosen in ((parts, None), ([stack], [0, 2, 4]))
    )
    rows = [
        np.sort(np.column_stack([seen.points, seen.image]).round(5).view("f4,f4,f4,f4,f4,f4"), axis=0)
        for seen in (planes, slices)
    ]
    np.testing.assert_array_equal(*rows)


def plane_of(grid, k):
    """Grid of one slice."""
    return grid.part((slice(0, grid.shape[0]), slice(0, grid.shape[1]), slice(k, k + 1)))


def test_any_grid_has_the_answers_of_its_points(learned):
    segmenter, stacks = learned
    made = segmenter.segment(stacks[7])
    turned = np.eye(4)
    turned[:3, :3] = [[3.0, 0, 2], [0, 4, 0], [-2, 0, 3]]
    oblique = Grid((5, 4, 1), turned)
    _, there = made.on(oblique)
    for place in np.ndindex(5, 4, 1):
        np.testing.assert_allclose(there[place], made.at(apply_affine(turned, place)), atol=1e-6)
    beyond = made.at([[0.0, 0, 10 * LENGTH_MM]])
    np.testing.assert_array_equal(beyond, [[1, 0, 0, 0]])
    assert 0 <= made.intensity_at([[0.0, 0, 0]])[0] <= 1
    ml = made.volumes_ml(stacks[7].grid)
    assert ml["label3"] == pytest.approx(
        (made.on(stacks[7].grid)[0] == 3).sum() * stacks[7].grid.voxel_volume_ml
    )


def test_what_is_saved_gives_the_same_bits(learned, tmp_path):
    segmenter, stacks = learned
    path = segmenter.save(tmp_path / "model.safetensors")
    again = sanum.load("nisf", weights=path)
    assert (again.steps(), again.structures, again.curves) == (
        segmenter.steps(),
        segmenter.structures,
        segmenter.curves,
    )
    points = np.zeros((1, 3))
    assert np.array_equal(again.segment(stacks[7]).at(points), segmenter.segment(stacks[7]).at(points))
    state, header = load_weights(path)
    save_weights(tmp_path / "newer.safetensors", state, half=False, **{**header, "version": 99})
    with pytest.raises(
        WeightsError, match=r"is a model of version 99, this version of sanum reads 1: update"
    ):
        sanum.load("nisf", weights=tmp_path / "newer.safetensors")
    with pytest.raises(ValueError, match='unknown recipe "nisf-x": known are nisf, nisf-faithful'):
        sanum.load("nisf-x")
    with pytest.raises(RuntimeError, match="has learned nothing: call fit"):
        sanum.load("nisf").segment(stacks[7])


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    _, stacks = hearts(2, (8, 8, 4))
    few = (*SMALL, "loop.steps=6", "width=8")

    def stop(now):
        if now.step == 3:
            signal.raise_signal(signal.SIGTERM)

    made = [sanum.load("nisf").with_settings(*few) for _ in range(2)]
    made[0].fit(stacks, held=[], folder=tmp_path / "whole")
    with pytest.raises(TrainingStopped, match="stopped after step"):
        made[1].fit(stacks, held=[], folder=tmp_path / "broken", on_step=stop)
    made[1].fit(stacks, held=[], folder=tmp_path / "broken")
    one, other = (s.learned.state_dict() for s in made)
    assert all(np.array_equal(x, other[name]) for name, x in one.items())
    assert made[0].steps() == 25  # nobody was held out


def test_points_of_a_batch_are_those_of_its_stack():
    _, stacks = hearts(2, (8, 8, 4))
    recipe = sanum.load("nisf").with_settings("poses.copies=3", "points=64", "hold_out=0").config
    source = training.NisfSource(recipe, stacks)
    assert (source.subjects, len(source.poses)) == (6, 6)
    batch = next(source.batches(iter([range(6)])))
    assert sorted(batch["subjects"].tolist()) == list(range(6))
    n = batch["subjects"].tolist().index(3)  # the second stack itself
    stack = stacks[1]
    unit = scaled(stack.voxels, stack.voxels, "s")[..., 0]
    places = np.rint((batch["points"][n, :, :3].numpy() + 1) * np.array([8, 8, 4]) / 2 - 0.5).astype(int)
    np.testing.assert_array_equal(batch["image"][n], unit[tuple(places.T)])
    np.testing.assert_array_equal(batch["labels"][n], stack.labels[..., 0][tuple(places.T)])
    again = training.NisfSource(recipe, stacks).sample(5)
    assert all((again[key] == source.sample(5)[key]).all() for key in again)


def test_a_cycle_has_times_and_may_be_labelled_in_part(tmp_path):
    rng = np.random.default_rng(0)
    heart, grid = draw_heart(rng), heart_grid((8, 8, 4))
    frames = [heart_stack(heart, grid, rng, t / 4) for t in range(4)]
    labels = [Scan(np.full(grid.shape, -1), grid.affine) if t % 2 else frames[t][1] for t in range(4)]
    stack = stack_of([image for image, _ in frames], labels, "cine")
    segmenter = sanum.load("nisf").with_settings(*SMALL, "loop.steps=4", "poses.copies=1", "batch_size=1")
    segmenter.fit([stack], folder=tmp_path)
    batch = training.NisfSource(segmenter.config, [stack]).sample(0)
    assert (batch["labels"] >= 0).float().mean() > 0.6  # half, and half of the others
    made = segmenter.of_training(0, stack)
    early, late = made.at([[0.0, 0, 0]], 0.1), made.at([[0.0, 0, 0]], 0.6)
    assert not np.array_equal(early, late)
    np.testing.assert_allclose(made.at([[0.0, 0, 0]], 1.0), made.at([[0.0, 0, 0]], 0.0), atol=1e-5)
    assert segmenter.segment(stack).stack.frames == 4
    assert segmenter.knows_time
    segmenter.about["times"] = 1
    with pytest.raises(ScanError, match="cine has 4 times, and the model was fitted to scans of one"):
        segmenter.segment(stack)
    assert np.array_equal(stack.at_time(2).voxels[..., 0], frames[2][0].voxels)


def test_what_is_refused_in_one_sentence(learned, tmp_path):
    segmenter, stacks = learned
    stack = stacks[7]
    with pytest.raises(ScanError, match=r"has 6 slices, 0 to 5: slice 9 is not there$"):
        segmenter.segment(stack, slices=[0, 9])
    with pytest.raises(ScanError, match="slice none is not there"):
        segmenter.segment(stack, slices=[])
    away = stack.grid.affine.copy()
    away[:3, 3] += 500
    with pytest.raises(ScanError, match=r"no slice of stack is in the field of the prior: expected"):
        segmenter.segment(Scan(stack.voxels[..., 0], away), frame=stack.grid)
    with pytest.raises(
        ScanError, match=r"is constant, every voxel is 3: expected an image that shows something"
    ):
        segmenter.segment(Scan(np.full(stack.grid.shape, 3.0), stack.grid.affine))
    fresh = sanum.load("nisf")
    for change, problem in {
        "labels=1=rv,2=myo": "holds the label 3, which is not known: expected 1 \\(rv\\), 2 \\(myo\\)",
        "labels=rv": 'labels are numbers with names, such as 1=rv,2=myocardium, got "rv"',
    }.items():
        with pytest.raises(ValueError, match=problem):
            fresh.with_settings(change).fit(stacks, folder=tmp_path / "a")
    with pytest.raises(ValueError, match="s7_ed has no labels: expected labels of every stack"):
        fresh.fit([replace(stack, labels=None)], folder=tmp_path / "b")
    with pytest.raises(ValueError, match="no voxel is labelled"):
        fresh.fit([replace(stack, labels=np.zeros_like(stack.labels))], folder=tmp_path / "c")
    with pytest.raises(ScanError, match="expected whole numbers up to 254"):
        whole_labels(np.array([0.5]), "x")
    with pytest.raises(ScanError, match="expected images and labels on one grid"):
        stack_of(Scan(stack.voxels[..., 0], stack.grid.affine), Scan(stack.labels[..., 0], away))


def test_labels_become_classes_and_back():
    known = Structures((4, 9), ("a", "b"))
    labels = np.array([0, 9, 4, -1], np.int16)
    assert known.classes_of(labels).tolist() == [0, 2, 1, -1]
    assert known.labels_of(np.array([0, 2, 1])).tolist() == [0, 9, 4]


@pytest.mark.parametrize("flip", [1, -1])
def test_a_surface_is_closed_and_lies_where_the_structure_does(flip):
    grid = Grid((30, 30, 8), np.diag([1.0, flip, 4.0, 1.0]))
    fine = fine_grid(grid)
    np.testing.assert_allclose(fine.spacing_mm, 1, atol=1e-9)
    np.testing.assert_allclose(fine.centre_mm, grid.centre_mm)
    points = apply_affine(fine.affine, np.moveaxis(np.indices(fine.shape), 0, -1))
    inside = 1 / (1 + np.exp(np.linalg.norm(points - grid.centre_mm, axis=-1) - 10))
    mesh = surface_of(np.stack([1 - inside, inside], -1).astype(np.float32), 1, fine)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices_mm - grid.centre_mm, axis=1), 10, atol=0.1)
    a, b, c = (mesh.vertices_mm[mesh.faces[:, n]].astype(float) - grid.centre_mm for n in range(3))
    volume = np.einsum("ni,ni->n", a, np.cross(b, c)).sum() / 6  # positive: faces look outwards
    assert volume == pytest.approx(4 / 3 * np.pi * 1000, rel=0.03)
    image = nib.gifti.GiftiImage.from_bytes(gifti(mesh, "ball"))
    np.testing.assert_array_equal(image.darrays[1].data, mesh.faces)
    empty = surface_of(np.stack([inside, 0 * inside], -1).astype(np.float32), 1, fine)
    assert isinstance(empty, Mesh)
    assert len(nib.gifti.GiftiImage.from_bytes(gifti(empty, "none")).darrays[1].data) == 0


def test_the_phantom_has_the_same_labels_at_any_resolution():
    rng = np.random.default_rng(1)
    heart = draw_heart(rng)
    coarse, fine = (heart_stack(heart, heart_grid(shape), rng)[1] for shape in ((10, 10, 4), (30, 30, 12)))
    np.testing.assert_array_equal(coarse.voxels, fine.voxels[1::3, 1::3, 1::3])
    assert set(np.unique(fine.voxels)) == {0, 1, 2, 3}
    ring = [
        (
            heart_labels(
                apply_affine(fine.affine, np.moveaxis(np.indices(fine.voxels.shape), 0, -1)), heart, p
            )
            == 3
        ).sum()
        for p in (0, 0.5)
    ]
    assert ring[0] > 1.3 * ring[1]


@pytest.mark.full
def test_slices_that_were_never_seen_are_segmented(tmp_path):
    """Mean Dice of .94, on processors that round otherwise less; labels of the nearest slice have .75."""
    _, stacks = hearts(64, (24, 24, 8))
    segmenter = sanum.load("nisf").with_settings(
        *("width=40", "depth=4", "poses.copies=1", "loop.steps=1000", "batch_size=24", "points=80"),
        *("latent.steps=300", "latent.points=500", "loop.learning_rate=5e-3", "loop.ema=0.98"),
    )
    segmenter.fit(stacks[:60], held=[], folder=tmp_path)
    found, copied = [], []
    for stack in stacks[60:]:
        true = stack.labels[..., 0]
        labels, _ = segmenter.segment(stack, slices=[0, 2, 4, 6]).on(stack.grid)
        found.append(dice(labels[:, :, 1::2], true[:, :, 1::2]))
        copied.append(dice(true[:, :, ::2], true[:, :, 1::2]))
    assert np.mean(found) > 0.9
    assert np.mean(copied) < 0.85
