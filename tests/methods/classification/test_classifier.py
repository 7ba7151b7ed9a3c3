"""The classifier: it learns, chooses the epoch by validation loss, resumes, saves; what it refuses."""

import numpy as np
import pytest
import torch
from PIL import Image

import sanum
from sanum.learn.loop import TrainingStopped
from sanum.methods.classification.classifier.loss import class_weights, weighted_cross_entropy
from sanum.methods.classification.classifier.model import PictureClassifier
from sanum.methods.classification.classifier.predict import LowestLoss
from sanum.methods.classification.classifier.recipe import CLASSIFIER, LabelledPictures
from sanum.methods.common.findings import Held, Validation
from sanum.methods.common.squares import stack_of
from sanum.methods.common.training import train
from sanum.scan import ScanError
from sanum.weights.file import WeightsError, load_weights

TINY = ("picture.size=32", "loop.steps=12", "head_steps=6", "batch_size=8", "validate_every=4", "views=2")


def images(count, *, sick=False, channels=3, seed=0):
    """Noise, or stripes with noise."""
    rng = np.random.default_rng([seed, sick])
    found = rng.integers(0, 90, (count, channels, 40, 36))
    if sick:
        found[:, :, ::4] += 120
        found[:, :, 1::4] += 120
    return found.astype(np.uint8)


TRAIN = np.concatenate([images(10), images(8, sick=True)])
LABELS = np.array([0] * 10 + [1] * 8)
OTHERS = np.concatenate([images(5, seed=1), images(5, sick=True, seed=1)])
VALIDATION = Validation(OTHERS, [0] * 5 + [1] * 5)


def made(*settings):
    return sanum.load("classifier").with_settings(*TINY, *settings)


@pytest.fixture(scope="module")
def fitted():
    return made("loop.learning_rate=1e-3", "head.learning_rate=1e-2").fit(
        TRAIN, LABELS, validation=VALIDATION
    )


def test_it_tells_stripes_from_noise(fitted):
    new = np.concatenate([images(6, seed=2), images(6, sick=True, seed=2)])
    scores = fitted.score(new)
    assert scores.dtype == np.float64
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores[6:].min() > scores[:6].max()
    np.testing.assert_array_equal(fitted.predict(new), scores >= 0.5)
    np.testing.assert_allclose([fitted.score([one])[0] for one in new], scores, rtol=1e-4)


def test_another_map_changes_no_score(fitted):
    other = fitted.rescored("cam=eigencam")
    np.testing.assert_array_equal(other.score(OTHERS), fitted.score(OTHERS))
    assert other.threshold == fitted.threshold
    assert {"map_reference", "map_largest"} & set(other.choices["loss"].facts) == set()
    maps = [one.map for detector in (fitted, other) for one in detector.findings(OTHERS[5:6])]
    assert (maps[0] != maps[1]).any()
    with pytest.raises(
        ValueError, match="views decides what is learned: fit with it; afterwards there are cam"
    ):
        fitted.rescored("views=1")


def test_the_epoch_is_that_of_smallest_validation_loss(fitted):
    losses = [row["validation_loss"] for row in fitted.history]
    facts = fitted.choices["loss"].facts
    assert [row["step"] for row in fitted.history] == [4, 8, 12]
    assert facts["validation_loss"] == min(losses)
    assert facts["step"] == fitted.history[int(np.argmin(losses))]["step"]
    assert (facts["normals"], facts["abnormals"]) == (10, 8)
    maps = fitted.findings(OTHERS)
    normal, abnormal = (np.concatenate([next(maps).map for _ in range(5)]) for _ in range(2))
    assert facts["map_reference"] == pytest.approx(np.quantile(normal, 0.99), rel=1e-3)
    assert facts["map_largest"] == pytest.approx(np.quantile(abnormal, 0.99), rel=1e-3)
    assert (fitted.threshold.value, fitted.threshold.rule) == (0.5, "half")
    stack = stack_of(OTHERS, fitted.config)
    again = LowestLoss(fitted.config, Held(stack, np.array(VALIDATION.labels)), class_weights(LABELS))
    again.look(fitted.net, 0)
    assert again.history[0]["validation_loss"] == pytest.approx(min(losses), rel=1e-4)


def test_only_a_lower_loss_is_kept():
    held = Held(stack_of(OTHERS, made().config), np.array(VALIDATION.labels))
    best = LowestLoss(CLASSIFIER, held, torch.ones(2))

    class Told(torch.nn.Module):
        def __init__(self, margin):
            super().__init__()
            self.margin = torch.nn.Parameter(torch.tensor(float(margin)))

        def early(self, pixels):
            return torch.from_numpy(held.labels)[:, None].float() * 2 - 1

        def late(self, early):
            return early

        def logits(self, maps):
            return torch.cat([-self.margin * maps, self.margin * maps], 1)

    for step, margin in enumerate((1, 3, 2, 3)):
        best.look(Told(margin), step)
    assert best.facts["step"] == 1
    assert best.facts["validation_loss"] == pytest.approx(np.log1p(np.exp(-6.0)), rel=1e-3)
    assert float(best.state["margin"]) == 3


@pytest.mark.parametrize("kind", ["gradcam++", "eigencam", "ablationcam", "scorecam", "fullgrad"])
def test_maps_are_on_the_pictures_grid(fitted, kind):
    one = made("picture.size=64", f"cam={kind}")
    one.channels = 3
    one.adopt(fitted.choices["loss"].state)
    one.choices, one.choice = fitted.choices, "loss"
    for found in one.findings(OTHERS[-2:]):
        assert found.on_picture.shape == (40, 36)
        assert np.isfinite(found.on_picture).all()
        assert found.on_picture.min() >= 0
        assert found.on_picture.max() > 0


def test_the_abnormal_logit_is_the_sum_of_its_map(fitted):
    """Grad-CAM after a mean and one layer, before the relu: places add up to the logit, without its bias."""
    net = fitted.net
    with torch.no_grad():
        a = net.maps(stack_of(OTHERS[-1:], fitted.config).pixels)
        w = net.classify.weight[1][:, None, None]
        places = (w * a[0]).sum(0) / a[0, 0].numel()
        logit = net.logits(a)[0, 1] - net.classify.bias[1]
    assert float(places.sum()) == pytest.approx(float(logit), rel=1e-4)


def test_what_is_kept_of_a_view_is_what_the_whole_network_sees():
    recipe = made("tuned_from=4").config
    source = LabelledPictures(recipe, stack_of(TRAIN, recipe), LABELS)
    net = source.build().eval()
    batch = source.batch(range(8))
    places = source.places(range(8))
    assert batch["label"].tolist() == LABELS[places].tolist()
    assert torch.equal(batch["weights"], class_weights(LABELS))
    with torch.no_grad():
        kept = net.logits(net.late(batch["early"]))  # of the first views, which are the pictures themselves
        torch.testing.assert_close(kept, net(source.pixels[places]), atol=1e-4, rtol=1e-4)
        other = source.batch(range(18, 26))["early"]
        assert not torch.equal(other[0], net.early(source.pixels[source.places(range(18, 19))])[0])
    fixed = [name for name, p in net.named_parameters() if not p.requires_grad]
    assert any(name.startswith("body.blocks.7.") for name in fixed)
    assert not any(name.startswith(("body.blocks.8.", "body.head", "classify")) for name in fixed)


@pytest.mark.full
def test_a_stopped_fit_goes_on_and_gives_the_same_bits(tmp_path):
    def stop(now):
        if now.step == 5:
            raise KeyboardInterrupt

    one = made("loop.save_every=2")
    whole = made("loop.save_every=2").fit(TRAIN, LABELS, validation=VALIDATION)
    with pytest.raises((KeyboardInterrupt, TrainingStopped)):
        one.fit(TRAIN, LABELS, validation=VALIDATION, on_step=stop, folder=tmp_path)
    assert (tmp_path / "checkpoint.pt").is_file()
    one.fit(TRAIN, LABELS, validation=VALIDATION, folder=tmp_path)
    np.testing.assert_array_equal(one.score(OTHERS), whole.score(OTHERS))
    with pytest.raises(ValueError, match="checkpoint"):  # other labels: another training
        one.fit(TRAIN, 1 - LABELS, validation=VALIDATION, folder=tmp_path)


def test_saved_and_loaded(fitted, tmp_path):
    path = fitted.save(tmp_path / "model.safetensors")
    again = sanum.load("classifier", weights=path)
    np.testing.assert_array_equal(again.score(OTHERS), fitted.score(OTHERS))
    assert (again.threshold, again.config) == (fitted.threshold, fitted.config)
    assert load_weights(path)[1]["facts"]["abnormals"] == 8
    with pytest.raises(ScanError, match="have 1 channels, and classifier has learned from 3"):
        again.score(images(1, channels=1)[0])
    with pytest.raises(WeightsError, match="holds weights of classifier, expected cae"):
        sanum.load("cae", weights=path)


def test_channels_that_are_no_colours_are_photographs_of_their_own():
    net = PictureClassifier("efficientnet-lite0", tuned_from=2).eval()
    x = torch.rand(2, 2, 32, 32)
    with torch.no_grad():
        each = torch.stack([net.maps(x[:, [n]]) for n in (0, 1)]).mean(0)
        torch.testing.assert_close(net.maps(x), each, atol=1e-5, rtol=1e-4)


def test_norms_of_a_pretrained_backbone_stand_still():
    net = PictureClassifier("efficientnet-lite0").train()
    before = {n: x.clone() for n, x in net.named_buffers()}
    net(torch.rand(2, 3, 32, 32)).sum().backward()
    assert all(torch.equal(x, before[n]) for n, x in net.named_buffers())
    assert net.body.stem.conv.weight.grad is not None


def test_densenet_of_monai_learns_all_of_itself():
    pytest.importorskip("monai")
    recipe = sanum.load("classifier").with_settings("backbone=densenet121", "views=0").config
    net = recipe.build(3)
    assert all(p.requires_grad for p in net.parameters())
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 2)
    assert len(recipe.turns()) == 1


@pytest.mark.full
def test_a_loss_that_leaps_from_nearly_nothing_stops_nothing(monkeypatch):
    losses, plain = [], type(CLASSIFIER).objective

    def leaping(model, batch):
        loss, terms = plain(CLASSIFIER, model, batch)
        losses.append(1e-4 if len(losses) < 30 else 1.0)
        return loss * (losses[-1] / loss.detach()), terms

    recipe = made("loop.steps=32", "head_steps=4", "views=1", "validate_every=32")
    monkeypatch.setattr(type(recipe.config), "objective", lambda self, model, batch: leaping(model, batch))
    recipe.fit(TRAIN, LABELS, validation=VALIDATION)
    assert len(losses) == 32


def test_both_classes_weigh_the_same():
    labels = torch.tensor([0, 0, 0, 1])
    weights = class_weights(labels.numpy())
    assert weights[labels].mean() == 1
    logits = torch.tensor([[1.0, 0.0]] * 4)
    each = -logits.log_softmax(1)[0]
    loss = weighted_cross_entropy(logits, labels, weights)
    assert float(loss) == pytest.approx(float(each.mean()), rel=1e-6)


@pytest.mark.parametrize(
    ("labels", "more", "told"),
    [
        ([0] * 18, {}, "a classifier needs normals .* one is missing"),
        ([0] * 10 + [2] * 8, {}, r"a label is 0 \(normal\) or 1 \(abnormal\), got 2"),
        ([0, 1], {}, "expected a label for each image, got 2"),
        (LABELS, {"groups": [0] * 10 + [1] * 8}, "there are 1 groups of normal images and 2 folds"),
        (LABELS, {"validation": Validation(OTHERS[:3], [0, 0, 0])}, "one class is missing in validation"),
        (LABELS, {"validation": Validation(OTHERS)}, "validation of a classifier needs labels"),
    ],
)
def test_what_cannot_be_learned_from(labels, more, told):
    with pytest.raises(ValueError, match=told):
        made().fit(TRAIN, labels, **more)


@pytest.mark.parametrize(
    "setting", ["dropout=1", "tuned_from=8", "views=-1", "head_steps=-1", "hold_out=0", "cam=magic"]
)
def test_settings_that_are_none(setting):
    with pytest.raises(ValueError, match=setting.partition("=")[0]):
        made(setting)


@pytest.mark.full
def test_it_trains_on_a_table_without_validation(tmp_path):
    rows = ["path,label"]
    for n, (pixels, label) in enumerate(zip(TRAIN, LABELS, strict=True)):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / f"{n:02}.png")
        rows.append(f"{n:02}.png,{label}")
    (tmp_path / "all.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "some.csv").write_text("\n".join(rows[:4]) + "\n")
    recipe = made().config
    with pytest.raises(ScanError, match=r"some\.csv has no labels of both classes: expected a table"):
        train(recipe, tmp_path / "some.csv", tmp_path / "none")
    path = train(recipe, tmp_path / "all.csv", tmp_path / "run")
    one = sanum.load("classifier", weights=path)
    assert (one.threshold.value, one.threshold.rule, one.threshold.images) == (0.5, "half", 0)
    assert one.score(OTHERS).shape == (10,)
    assert load_weights(path)[1]["abnormals"] == 8
