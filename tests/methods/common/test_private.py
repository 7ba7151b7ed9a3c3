"""`train` with private steps: any recipe that can, and a sentence for those that cannot."""

import csv
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sanum
from sanum.data.split import SubjectsConfig
from sanum.learn.account import Account
from sanum.learn.checkpoint import as_setting
from sanum.learn.devices import open_devices
from sanum.learn.loop import TrainingStopped
from sanum.learn.overrides import flat, override, rebuilt
from sanum.learn.poisson import Poisson
from sanum.learn.private import PrivatePlan, PrivateStep
from sanum.learn.schedule import LoopConfig
from sanum.learn.step import Work
from sanum.learn.step_config import StepConfig
from sanum.learn.turns import Objective
from sanum.methods import registry
from sanum.methods.anatomy.una.recipe import UnaRecipe
from sanum.methods.common.anatomy_recipe import AnatomySource
from sanum.methods.common.detector_page import ScoredImage, score_page
from sanum.methods.common.picture_recipe import PictureRecipe
from sanum.methods.common.private import require_recipe
from sanum.methods.common.training import Reports, Start, train
from sanum.scan.picture_conform import PictureConfig
from sanum.space.box import Box
from sanum.weights.file import load_weights

UNCOUNTED = ("adpd", "adpd-mil", "mad", "nisf", "ms-lesions", "una-fine", "kt-unet-xf")
LOOP = LoopConfig(
    optimizer="adam", steps=4, warmup=0, learning_rate=1e-3, ema=0.0, sheet_every=0, save_every=1
)
PLAIN = replace(
    registry.recipe("cae"), widths=(4, 8), code=8, batch_size=1, loop=LOOP, picture=PictureConfig(size=16)
)
PRIVATE = replace(PLAIN, norm="group", step=StepConfig("bam", epsilon=0.3, noise_seed=3))
NOISY = replace(PRIVATE, step=StepConfig("bam", noise_multiplier=3.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten pictures of eight people."""
    root, rng = tmp_path_factory.mktemp("normals"), np.random.default_rng(0)
    lines = ["path,label,group"]
    for n in range(10):
        Image.fromarray(rng.integers(0, 255, (20, 20), dtype=np.uint8)).save(root / f"{n}.png")
        lines.append(f"{n}.png,0,p{max(0, n - 2)}")
    (root / "list.csv").write_text("\n".join(lines))
    return root


def log_of(run):
    with (run / "log.csv").open(newline="") as log:
        return list(csv.DictReader(log))


def test_a_run_that_goes_on_keeps_its_account(folder, tmp_path):
    """The budget, the note before, the header after; a person is a group of the table."""
    told = []
    whole = train(PRIVATE, folder / "list.csv", tmp_path / "whole", reports=Reports(told.append))
    assert told[0].startswith("private training (bam) of 8 people, each in a step with a chance of 0.125: ")
    state, header = load_weights(whole)
    privacy = header["privacy"]
    assert 0.29 < privacy["epsilon"] <= 0.3
    assert privacy["epsilon"] == pytest.approx(Account(privacy["noise_multiplier"], 1 / 8, 1e-5).epsilon(4))
    assert {k: privacy[k] for k in ("kind", "delta", "people", "steps", "seed_known")} == {
        "kind": "bam",
        "delta": 1e-5,
        "people": 8,
        "steps": 4,
        "seed_known": True,
    }
    with pytest.raises(TrainingStopped):
        train(PRIVATE, folder / "list.csv", tmp_path / "parts", start=Start(stop_after=2))
    again = train(PRIVATE, folder / "list.csv", tmp_path / "parts", start=Start(resume=True))
    assert load_weights(again)[1]["privacy"] == privacy
    assert all(torch.equal(x, state[name]) for name, x in load_weights(again)[0].items())
    assert [row["epsilon"] for row in log_of(tmp_path / "parts")] == [
        row["epsilon"] for row in log_of(tmp_path / "whole")
    ]

    longer = replace(PRIVATE, loop=replace(LOOP, steps=6))
    with pytest.raises(ValueError, match=r"^the budget ε = 0.3 is spent already: after 4 steps ε is "):
        train(longer, folder / "list.csv", tmp_path / "parts", start=Start(resume=True))
    more = replace(longer, step=replace(PRIVATE.step, epsilon=1.0))
    train(
        more, folder / "list.csv", tmp_path / "parts", start=Start(resume=True), reports=Reports(told.append)
    )
    assert "steps spend ε = " in told[-1]
    with pytest.raises(ValueError, match=r"^the run began with 8 people and there are 10 now"):
        train(more, folder, tmp_path / "parts", start=Start(resume=True))


def test_a_budget_ends_a_training_before_it_is_exceeded(folder, tmp_path):
    config = StepConfig("dp-sgd", noise_multiplier=3.0, epsilon=Account(3.0, 0.1, 1e-5).epsilon(2) + 0.01)
    told = []
    path = train(replace(PRIVATE, step=config), folder, tmp_path / "run", reports=Reports(told.append))
    assert "where the budget ends the training after step 2" in told[0]
    written, header = load_weights(path)
    assert header["steps"] == header["privacy"]["steps"] == len(log_of(tmp_path / "run")) == 2
    assert header["privacy"]["epsilon"] <= config.epsilon
    path.unlink()  # as of a run that died after its last checkpoint
    recipe = replace(PRIVATE, step=config)
    again = train(recipe, folder, tmp_path / "run", start=Start(resume=True))
    state, about = load_weights(again)
    assert about["privacy"] == header["privacy"]
    assert all(torch.equal(x, state[name]) for name, x in written.items())
    for more in (
        replace(recipe, loop=replace(LOOP, steps=5)),
        replace(recipe, step=replace(config, epsilon=0.01)),
    ):
        with pytest.raises(ValueError, match=r"^the budget ε = .* is spent already: after 2 steps ε is "):
            train(more, folder, tmp_path / "run", start=Start(resume=True))
    once = replace(PRIVATE, step=replace(config, epsilon=1e-3))
    with pytest.raises(ValueError, match=r"^the budget ε = 0.001 is spent already: after 0 steps ε is 0 "):
        train(once, folder, tmp_path / "once")


@pytest.mark.full
@pytest.mark.timeout(600)  # three processes
def test_a_run_that_is_killed_keeps_its_account(folder, tmp_path):
    """SIGKILL, as of a machine that goes down."""
    recipe = replace(
        NOISY, step=replace(PRIVATE.step, kind="dp-sat"), loop=replace(LOOP, steps=30, save_every=7)
    )
    settings = [
        f"{name}={as_setting(flat(recipe), name)}"
        for name, value in flat(recipe).items()
        if value != flat(registry.recipe("cae"))[name]
    ]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    words = [*("train", "cae", "--quiet", "--data", str(folder), "-o", str(killed))]
    words += [word for setting in settings for word in ("--set", setting)]
    with subprocess.Popen([sys.executable, "-m", "sanum", *words]) as process:
        while process.poll() is None and (not (killed / "log.csv").exists() or len(log_of(killed)) < 10):
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(log_of(killed)) < 30
    train(recipe, folder, killed, start=Start(resume=True))
    train(recipe, folder, whole)
    assert [r["epsilon"] for r in log_of(killed)] == [r["epsilon"] for r in log_of(whole)]
    (one, about), (other, same) = (load_weights(run / "cae.safetensors") for run in (killed, whole))
    assert about["privacy"] == same["privacy"]
    assert all(torch.equal(x, other[name]) for name, x in one.items())


@pytest.mark.parametrize("kind", ["dp-sgd", "bam"])
def test_with_dropout_too_who_goes_moves_the_sum_by_the_bound_at_most(kind, folder, tmp_path, monkeypatch):
    """The whole way, from pictures to the gradient in the weights; of secret, step and person alone."""
    recipe = replace(PRIVATE, step=StepConfig(kind, noise_multiplier=1e-9, max_grad_norm=0.05))
    people = recipe.prepare(folder, tmp_path).people()
    torch.manual_seed(0)
    objective = Objective(recipe.build(1), recipe.loss).train()
    assert recipe.dropout > 0
    fabric = open_devices("cpu", precision="32")
    work = Work(fabric, objective.model, objective, None, 1, 1.0)

    def summed(who, secret):
        step = PrivateStep(
            PrivatePlan(recipe.step, 1e-9, people.count, 1, 4, secret, ("loss",), people.shared)
        )
        monkeypatch.setattr(Poisson, "chosen", lambda *_: who)
        step.gradient(work, [next(people.batches(iter([who])))])
        return torch.cat([p.grad.double().flatten() for p in objective.parameters()])

    everybody = list(range(people.count))
    whole = summed(everybody, 1)
    for gone in everybody:
        assert (whole - summed([n for n in everybody if n != gone], 1)).norm() <= 0.05 * (1 + 1e-5)
    torch.manual_seed(99)  # what is drawn elsewhere changes nothing
    assert torch.equal(summed(everybody, 1), whole)
    assert (summed(everybody, 2) - whole).norm() > 1e-3
    plan = PrivatePlan(recipe.step, 1.0, people.count, 1, 4, 1, ("loss",), people.shared)
    monkeypatch.setattr(Poisson, "chosen", lambda *_: everybody)
    batch = next(people.batches(iter([[0]])))
    with pytest.raises(ValueError, match=r"^step 1 is of 10 people, got 1$"):
        PrivateStep(plan).gradient(work, [batch])


class Twin(nn.Module):
    """A network that remembers what it sees."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += x.mean()
        return self.net(x)


def test_what_cannot_be_trained_privately_is_refused_in_a_sentence(folder, tmp_path, monkeypatch):
    def refused(recipe, sentence):
        with pytest.raises(ValueError, match=f"^{sentence}"):
            train(recipe, folder, tmp_path / "refused")

    refused(replace(NOISY, norm="batch"), r"encode\.1\.1 is batch norm, .* \(--set norm=group, where")
    refused(replace(NOISY, batch_size=11), "batch_size is 11, of 10 people: a step takes some of them")
    refused(replace(NOISY, step=replace(NOISY.step, delta=0.1)), "step.delta is 0.1: to promise anything")
    refused(replace(NOISY, loop=replace(LOOP, accumulate=3)), "private steps take people in parts by")
    refused(replace(PLAIN, step=StepConfig(epsilon=8.0)), "step.epsilon is of private training: add")
    refused(replace(NOISY, step=StepConfig("bam")), "private training needs a budget or a noise")
    build, objective = type(NOISY).build, type(NOISY).objective
    monkeypatch.setattr(type(NOISY), "build", lambda self, channels: Twin(build(self, channels)))
    refused(NOISY, r"(net\.)?seen remembers the people")
    monkeypatch.setattr(type(NOISY), "build", build)

    def contrastive(self, model, batch):
        value, terms = objective(self, model, batch)
        return value + model(batch["image"]).std(0).mean(), terms

    monkeypatch.setattr(type(NOISY), "objective", contrastive)
    refused(NOISY, "the loss is not a mean over people: what it makes of one depends on who else")
    monkeypatch.setattr(type(NOISY), "objective", objective)
    monkeypatch.setattr(type(NOISY), "settle", lambda self, model, parts: None)
    refused(NOISY, "cae cannot be trained privately: it learns from all pictures together")
    assert type(NOISY).settle is not PictureRecipe.settle
    assert not (tmp_path / "refused" / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        *((n, f"{n} cannot be trained privately: its samples are not counted by person") for n in UNCOUNTED),
        *((n, f"{n} cannot be trained privately: it learns from all pict") for n in ("dagmm", "fluid2d")),
        ("cae", r"encode\.1\.1 is batch norm, which mixes the people"),
        ("vae", r"encode\.0\.1 is batch norm, which mixes the people"),
    ],
)
def test_what_no_data_help_is_refused_before_data_are_read(name, sentence, tmp_path):
    recipe = override(registry.recipe(name), ["step.kind=dp-sgd", "step.epsilon=8"])
    with pytest.raises(ValueError, match=f"^{sentence}"):
        train(recipe, tmp_path / "nowhere", tmp_path / "run")


@pytest.mark.parametrize(("name", "widths"), [("vae", (8, 8)), ("ssae", (8, 8, 8, 8))])
def test_other_autoencoders_have_group_norm_too(name, widths, folder, tmp_path):
    step = StepConfig("dp-sgd", noise_multiplier=3.0)
    small = replace(
        registry.recipe(name), widths=widths, norm="group", batch_size=4, picture=PictureConfig(size=16)
    )
    path = train(replace(small, loop=replace(LOOP, steps=2), step=step), folder, tmp_path / "run")
    assert load_weights(path)[1]["privacy"]["steps"] == 2


@pytest.mark.parametrize("name", ["fanogan", "ldm", "classifier"])
def test_several_optimizers(name):
    recipe = override(registry.recipe(name), ["step.kind=dp-sgd", "step.epsilon=8"])
    with pytest.raises(ValueError, match=f"^{name} has several updates a step .*: private training is"):
        require_recipe(recipe)


def test_a_detector_that_was_trained_privately_says_so_wherever_it_goes(folder, tmp_path):
    """On the page of the scores, and in the file after a threshold was added."""
    path = train(replace(PRIVATE, loop=replace(LOOP, steps=1)), folder, tmp_path / "run")
    detector = sanum.load("cae", weights=path)
    for one in (
        detector,
        sanum.load("cae", weights=detector.calibrate(files_of(folder)).save(tmp_path / "t.safetensors")),
    ):
        page = score_page(one, [ScoredImage("0.png", "normals", folder / "0.png", {"score": 1.0})], 0)
        assert "bam: ε = 0." in page
        assert "of 10 people; the threshold is not in it" in page


def files_of(folder):
    return sorted(folder.glob("*.png"))


def test_fit_is_not_private(folder):
    detector = sanum.load("cae")
    detector.config = PRIVATE
    with pytest.raises(ValueError, match=r"^step\.kind=bam is of `sanum train`: fitting chooses states"):
        detector.fit(files_of(folder))


def test_files_from_before_there_were_steps():
    values = {k: v for k, v in flat(PLAIN).items() if k != "norm" and not k.startswith("step.")}
    assert rebuilt(PLAIN, values) == PLAIN
    assert rebuilt(replace(PLAIN, norm="group"), values) == PLAIN


@pytest.mark.full
@pytest.mark.timeout(300)  # an anatomy is prepared
def test_una_is_trained_privately_one_person_after_the_other(training_data, prepared, tmp_path, monkeypatch):
    """Its one subject takes part in every step; memory is asked for one, whatever the batch and the chunk."""
    (tmp_path / "cache").symlink_to(prepared)
    asked, told = [], []
    monkeypatch.setattr(AnatomySource, "require_memory", lambda self, model, fabric, n: asked.append(n))
    tiny = UnaRecipe(
        "tiny",
        widths=(8, 8),
        box=Box((16, 20, 16), 10.0),
        workers=0,
        loop=replace(LOOP, steps=1),
        subjects=SubjectsConfig(hold_out="8"),
        step=StepConfig("dp-sgd", noise_multiplier=2.0, chunk=3, delta=0.1),
    )
    path = train(tiny, training_data, tmp_path / "run", reports=Reports(told.append))
    assert asked == [1]
    assert told[-1].endswith("gradients one after the other, as torch.func.vmap does not take this network")
    privacy = load_weights(path)[1]["privacy"]
    assert (privacy["people"], privacy["sample_rate"], privacy["steps"]) == (1, 1.0, 1)
    assert any("average anatomy" in public for public in privacy["taken_as_public"])
