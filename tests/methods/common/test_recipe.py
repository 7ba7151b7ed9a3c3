"""Training of a recipe that has nothing to do with brains: pictures, and two optimizers."""

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch
from torch import nn

from sanum.learn.devices import DeviceConfig
from sanum.learn.loop import TrainingStopped
from sanum.learn.schedule import LoopConfig, OptimizerConfig
from sanum.learn.turns import Turn
from sanum.methods.common.recipe import Recipe, TrainingSource
from sanum.methods.common.training import Reports, Start, start_at, train
from sanum.weights.file import WeightsError, load_weights, sha256
from sanum.weights.store import digest_beside

LOOP = LoopConfig(steps=5, warmup=1, save_every=2, sheet_every=0, accumulate=2)
ONE = DeviceConfig(precision="32")


class Pictures(TrainingSource):
    """Noise and its sum along rows, for a generator and its critic."""

    def __init__(self, recipe):
        self.recipe, self.closed = recipe, False

    def build(self):
        return nn.ModuleDict(
            {
                "generator": nn.Sequential(
                    nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1)
                ),
                "critic": nn.Conv2d(1, 1, 3),
            }
        )

    def batches(self, numbers):
        for some in numbers:
            made = [torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(n)) for n in some]
            x = torch.stack(made)
            yield {"x": x, "y": x.cumsum(-1)}


@dataclass(frozen=True)
class ToyGan(Recipe):
    """Two turns, each with a learning rate of its own."""

    method: ClassVar[str] = "toy-gan"

    loop: LoopConfig = LOOP
    critic: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(optimizer="adam", betas=(0.5, 0.999), learning_rate=2e-4)
    )

    def check(self, data):
        if not data.is_dir():
            raise ValueError(f"{data} is no folder of pictures")
        return ["two pictures are left out"]

    def prepare(self, data, cache, on_prepare=None):
        if on_prepare:
            on_prepare(1, 1)
        return Pictures(self)

    def turns(self):
        return (
            Turn(self.critic_loss, "critic", modules=("critic",), config=self.critic, repeats=2),
            Turn(self.loss, "generator", modules=("generator",)),
        )

    def critic_loss(self, model, batch):
        real, fake = model["critic"](batch["y"]), model["critic"](model["generator"](batch["x"]).detach())
        return (real - 1).square().mean() + fake.square().mean(), {}

    def loss(self, model, batch):
        image = model["generator"](batch["x"])
        l1 = (image - batch["y"]).abs().mean()
        return (model["critic"](image) - 1).square().mean() + l1, {"l1": l1.detach()}


@pytest.mark.full
def test_a_recipe_brings_its_data_and_its_turns(tmp_path):
    recipe, notes, prepared, progress = ToyGan("toy", batch_size=4), [], [], []
    reports = Reports(notes.append, lambda *done: prepared.append(done), progress.append)
    path = train(recipe, tmp_path, tmp_path / "run", devices=ONE, reports=reports)
    assert (notes, prepared) == (["two pictures are left out"], [(1, 1)])
    assert list(progress[-1].values) == ["critic loss", "generator loss", "generator l1"]
    state, description = load_weights(path)
    assert digest_beside(path) == sha256(path)
    assert description == {"format": 2, "method": "toy-gan", "recipe": "toy", "steps": 5}
    assert state["critic.weight"].shape == (1, 1, 3, 3)
    with pytest.raises(TrainingStopped):
        train(recipe, tmp_path, tmp_path / "broken", devices=ONE, start=Start(stop_after=3))
    resumed = train(recipe, tmp_path, tmp_path / "broken", devices=ONE, start=Start(resume=True))
    assert resumed.read_bytes() == path.read_bytes()


def test_what_is_missing_is_said_before_anything_is_made(tmp_path):
    with pytest.raises(ValueError, match="is no folder of pictures"):
        train(ToyGan("toy"), tmp_path / "nowhere", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["batch_size", "workers", "seed"])
def test_a_recipe_that_cannot_be(name):
    with pytest.raises(ValueError, match=f"{name} must be at least ., got -1"):
        ToyGan("toy", **{name: -1})


def test_weights_to_begin_with_bring_batch_norm_but_no_atlas():
    theirs, own = (nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)) for _ in range(2))
    for net, value in ((theirs, 3.0), (own, 5.0)):
        net.register_buffer("atlas", torch.tensor(value))
    theirs[1].running_mean += 7
    start_at(own, theirs.state_dict(), None)
    assert torch.equal(own[0].weight, theirs[0].weight)
    assert torch.equal(own[1].running_mean, theirs[1].running_mean)
    assert own.atlas == 5
    with pytest.raises(WeightsError, match=r"does not fit the network: 0.weight is missing in it"):
        start_at(own, {}, None)
