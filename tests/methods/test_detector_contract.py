"""What every detector of 2-D images promises, tried on each line of the registry."""

import numpy as np
import pytest
import torch

import sanum
from sanum.methods import registry
from sanum.methods.common.findings import Validation
from sanum.scan import ScanError
from sanum.weights.file import WeightsError, load_weights

LINES = [line for line in registry.METHODS if line.task == "anomaly2d"]
EVERY = [name for line in LINES for name in (registry.recipes_of(line) or [line.name])]
FAITHFUL = [name for name in EVERY if name.endswith("-faithful")]
NAMES = [name for name in EVERY if name not in FAITHFUL]
TINY = {
    "picture.size": "32",
    "picture.channels": "",
    "widths": "4,4,4,8,8",
    "generator_widths": "8,8,4",
    "gan_steps": "3",
    "autoencoder_widths": "4,4,4",
    "unet_widths": "16,16",
    "autoencoder_steps": "3",
    "sampler_steps": "2",
    "starts": "500",
    "loop.steps": "6",
    "batch_size": "8",
    "validate_every": "2",
    "components": "4",
}


def made(name, *settings):
    """A detector so small that it learns in a second."""
    one = sanum.load(name)
    known = registry_keys(one)
    return one.with_settings(*(f"{k}={v}" for k, v in TINY.items() if k in known), *settings)


def registry_keys(one):
    from sanum.learn.overrides import flat

    return set(flat(one.config))


def images(count, *, sick=False, channels=1, seed=0, dtype=np.uint8):
    """Ellipses of 40 × 36 pixels, with a bright spot in the sick ones."""
    rng = np.random.default_rng([seed, sick])
    y, x = np.mgrid[:40, :36]
    found = []
    for _ in range(count):
        cy, cx = rng.normal((20, 18), 1)
        one = 120.0 * (((y - cy) / 17) ** 2 + ((x - cx) / 14) ** 2 < 1) + rng.normal(20, 4, (40, 36))
        if sick:
            cy, cx = rng.uniform((14, 12), (26, 24))
            one[(y - cy) ** 2 + (x - cx) ** 2 < 12] += 90
        scale = 1 if dtype is np.uint8 else 1 / 255 if np.dtype(dtype).kind == "f" else 200
        found.append(np.stack([np.clip(one, 0, 255) * scale] * channels).astype(dtype))
    return np.stack(found) if channels > 1 else np.stack(found)[:, 0]


NORMALS, SICK = images(24), images(6, sick=True)
VALIDATION = Validation(np.concatenate([images(8, seed=1), SICK]), [0] * 8 + [1] * 6)


@pytest.fixture(scope="module", params=NAMES)
def fitted(request):
    """Each recipe, fitted to sixteen normals with labelled validation."""
    return made(request.param).fit(NORMALS[:16], validation=VALIDATION)


@pytest.fixture
def own(fitted):
    """That of each method's own recipe: what all recipes of a method share is tried once."""
    if fitted.config.name != fitted.method:
        pytest.skip("the method's own recipe is tried")
    return fitted


OTHERWISE = {"pooling.kind": "top", "score": "code", "map": "kl", "worst": "50", "neighbours": "2"}


def test_what_was_learned_can_be_scored_otherwise(fitted):
    """The state stays; a threshold of other scores goes, and of another map what normals reach."""
    keys = [key for key in OTHERWISE if key in fitted.config.of_scoring]
    before = fitted.score(SICK)
    for key in keys:
        value = "restored" if fitted.method == "fluid2d" and key == "map" else OTHERWISE[key]
        other = fitted.rescored(f"{key}={value}")
        changed = (other.score(SICK) != before).any()
        assert changed == (
            key != "map" and not (key == "worst" and fitted.method == "fluid2d" and fitted.config.has_bank)
        )
        assert (other.threshold is None) == (key != "map" or fitted.config.pooling.kind != "own")
        assert ("map_reference" in other.choices[other.choice].facts) == (key != "map")
        assert (other.asked, other.choice) == ((f"{key}={value}",), fitted.choice)
    assert fitted.rescored("pooling.kind=" + fitted.config.pooling.kind).threshold == fitted.threshold
    np.testing.assert_array_equal(fitted.score(SICK), before)
    other.calibrate(NORMALS[16:])
    assert other.predict(SICK).shape == (6,)
    with pytest.raises(ValueError, match=r"picture\.size decides what is learned: fit with it; afterwards"):
        fitted.rescored("picture.size=16")


@pytest.mark.parametrize("name", FAITHFUL)
def test_a_recipe_with_published_settings_differs_in_settings_alone(name):
    one = made(name).fit(NORMALS[:16], validation=VALIDATION)
    assert np.isfinite(one.score(SICK)).all()
    assert one.threshold is not None


def test_scores_maps_and_predictions(fitted):
    every = np.concatenate([NORMALS[16:], SICK])
    scores, maps, called = fitted.score(every), fitted.anomaly_map(every), fitted.predict(every)
    assert scores.shape == called.shape == (14,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert [m.shape for m in maps] == [(40, 36)] * 14
    assert all(np.isfinite(m).all() and m.dtype == np.float32 for m in maps)
    assert (called == (scores >= fitted.threshold.value)).all()
    np.testing.assert_array_equal(fitted.decision_function(every), scores)
    # DAGMM scales a code, hardly learned here, to variance 1, LDM its errors: few of their digits are left
    close = 1e-3 if fitted.method in ("dagmm", "ldm") else 1e-5
    some = [0, 7, 8, 13]  # two normals and two sick ones
    alone = [fitted.score([every[n]])[0] for n in some]
    np.testing.assert_allclose(alone, scores[some], rtol=close, atol=close * (fitted.method == "ldm"))


def test_both_choices_are_there_with_their_rules(fitted):
    labelled = fitted.threshold
    assert (fitted.choice, labelled.rule, labelled.images) == ("labels", "f1", 14)
    free = fitted.use("label-free").threshold
    assert (free.rule, free.level, free.images) == ("quantile", 0.05, 8)
    fitted.use("labels")
    assert fitted.threshold == labelled
    with pytest.raises(ValueError, match='nothing was chosen by "luck": there are'):
        fitted.use("luck")


def test_what_is_saved_gives_the_same_bits(fitted, tmp_path):
    path = fitted.save(tmp_path / "model.safetensors")
    again = sanum.load(fitted.method, weights=path)
    np.testing.assert_array_equal(again.score(SICK), fitted.score(SICK))
    assert again.threshold == fitted.threshold
    assert (again.config, again.channels, again.weights_name) == (fitted.config, 1, "model.safetensors")
    state, header = load_weights(path)
    assert not any("threshold" in name for name in state)
    assert header["threshold"]["rule"] == "f1"


def test_one_and_two_threads_and_the_callers_draws_change_nothing(fitted):
    name = fitted.config.name
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.manual_seed(5)
        other = made(name).fit(NORMALS[:16], validation=VALIDATION)
        drawn = torch.rand(3)
        assert torch.get_num_threads() == 2
        np.testing.assert_array_equal(other.score(SICK), fitted.score(SICK))
    finally:
        torch.set_num_threads(before)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


def test_without_validation_some_are_held_out(own):
    one = made(own.config.name).fit(NORMALS, groups=[n // 2 for n in range(24)])
    assert list(one.choices) == ["label-free"]
    assert (one.threshold.rule, one.threshold.images) == ("quantile", 4)
    one.calibrate(images(40, seed=3), alpha=0.1)
    assert (one.threshold.rule, one.threshold.level, one.threshold.images) == ("conformal", 0.1, 40)
    one.threshold = 0.25
    assert (one.threshold.value, one.threshold.rule) == (0.25, "given")


def learns_from(name, dtype, channels):
    """A detector that learns from images of a type and so many channels, and refuses others."""
    normal, sick = (images(10, sick=s, channels=channels, dtype=dtype) for s in (False, True))
    one = made(name).fit(normal)
    assert np.isfinite(one.score(sick)).all()
    assert one.channels == channels
    with pytest.raises(
        ScanError, match=rf"have {4 - channels} channels, and {one.method} has learned from {channels}"
    ):
        one.score(images(2, channels=4 - channels, dtype=dtype))


def test_another_type_and_number_of_channels(own):
    learns_from(own.method, np.uint16, 3)


@pytest.mark.parametrize("name", ["cae", "pca"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_type_and_number_of_channels(name, dtype, channels):
    """One door reads the images of all methods: one that is trained and one that is not stand for them."""
    learns_from(name, dtype, channels)


def test_the_pooling_is_heeded(own):
    one = made(own.config.name, "pooling.kind=quantile").fit(NORMALS[:16], validation=VALIDATION)
    assert np.isfinite(one.score(SICK)).all()
    assert not np.array_equal(one.score(SICK), own.score(SICK))


@pytest.mark.parametrize("name", ["cae", "pca"])
def test_every_pooling(name):
    """One function pools the maps of all methods."""
    found = []
    for kind in ("mean", "max", "top", "quantile"):
        one = made(name, f"pooling.kind={kind}").fit(NORMALS[:16], validation=VALIDATION)
        assert np.isfinite(one.score(SICK)).all()
        found.append(one.score(SICK).tobytes())
    assert len(set(found)) == 4


def test_a_constant_image_is_flagged_and_has_a_score(own):
    flat = np.full((2, 40, 36), 7, np.uint8)
    found = list(own.findings(flat))
    assert all(one.square.is_constant and np.isfinite(one.score) for one in found)
    one = made(own.config.name).fit(np.concatenate([NORMALS[:12], flat]))
    assert one.notes == ("2 of 14 pictures have one value everywhere: left out",)
    with pytest.raises(ScanError, match="all pictures are constant: there is nothing to learn from"):
        made(own.config.name).fit(flat)


def test_what_cannot_be_done_is_one_sentence(fitted, tmp_path):
    fresh = made(fitted.config.name)
    with pytest.raises(
        ValueError, match=f"{fitted.method} has learned nothing yet: call fit, or load weights"
    ):
        fresh.score(SICK)
    with pytest.raises(ScanError, match="there are no images"):
        fresh.fit([])
    with pytest.raises(ScanError, match="expected several images, got one"):
        fresh.fit("normals.png")
    with pytest.raises(ScanError, match="has 3 channels and the first picture 1: expected the same number"):
        fresh.fit([NORMALS[0], images(1, channels=3)[0]])
    with pytest.raises(ValueError, match="a label of validation is 0 or 1, got 2"):
        fresh.fit(NORMALS[:8], validation=Validation(SICK[:2], [0, 2]))
    with pytest.raises(ValueError, match="validation has no normals"):
        fresh.fit(NORMALS[:8], validation=Validation(SICK[:2], [1, 1]))
    with pytest.raises(ValueError, match="expected a group for each image, got 3"):
        fresh.fit(NORMALS[:8], groups=[1, 2, 3])
    path = fitted.save(tmp_path / "model.safetensors")
    other = next(line.name for line in LINES if line.name != fitted.method)
    with pytest.raises(
        WeightsError, match=f"holds weights of {fitted.method}, expected {other}: choose another"
    ):
        sanum.load(other, weights=path)
    with pytest.raises(ValueError, match=f'unknown recipe "{fitted.method}-none": known are'):
        sanum.load(f"{fitted.method}-none")


def test_one_image_or_group_is_learned_from_without_a_threshold(own):
    if "components" in registry_keys(own):
        pytest.skip("it needs two")
    one = made(own.config.name).fit(NORMALS[:9], groups=["p"] * 9)
    assert one.threshold is None
    assert "nothing was held out for a threshold" in one.notes[-1]
    with pytest.raises(ValueError, match="there is no threshold: call calibrate with normals, or set one"):
        one.predict(SICK)


def test_networks_learn(fitted):
    """The loss of forty steps falls, and a state of largest validation AUC is kept.

    It falls less where a generator stands still after three of them, least if that has many layers.
    """
    if not registry.find(fitted.method).trained:
        pytest.skip("it is not trained")
    losses = []

    def note(now):
        """The loss; of a method of several phases that of the last one."""
        losses.extend(now.values[key] for key in ("loss", "encoder loss", "unet loss") if key in now.values)

    one = made(fitted.config.name, "loop.steps=40", "loop.learning_rate=0.003", "validate_every=10")
    one.fit(NORMALS[:16], validation=VALIDATION, on_step=note)
    assert len(losses) > 30
    share = 0.995 if "fundus" in one.config.name else 0.95 if "gan_steps" in registry_keys(one) else 0.9
    assert np.mean(losses[-5:]) < share * np.mean(losses[:5])
    looks = [row for row in one.history if "auc" in row]  # others are of what a generator makes
    steps, values = zip(*[(row["step"], row["auc"]) for row in looks], strict=True)
    assert steps == (10, 20, 30, 40)
    assert one.choices["labels"].facts["step"] == steps[int(np.argmax(values))]
    free = [row["normal_score"] for row in looks]
    assert one.choices["label-free"].facts["step"] == steps[int(np.argmin(free))]


@pytest.mark.parametrize("name", ["cae", "pca"])
def test_one_training_serves_several_validations_as_if_each_were_alone(name):
    other = Validation(np.concatenate([images(8, seed=2), SICK[:3]]), [0] * 8 + [1] * 3)
    together = made(name).fit_each(NORMALS[:16], [VALIDATION, other])
    for one, validation in zip(together, (VALIDATION, other), strict=True):
        alone = made(name).fit(NORMALS[:16], validation=validation)
        assert one.history == alone.history
        assert one.threshold == alone.threshold
        np.testing.assert_array_equal(one.score(SICK), alone.score(SICK))
    assert together[0].threshold != together[1].threshold
