"""The made-up head of the generator's tests, and training on one sample of it."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from sanum.methods.common.anatomy_recipe import AnatomyRecipe
from sanum.space.box import Box
from sanum.synth.stream import Stream, TrainingSet
from sanum.weights.file import save_weights

_spec = spec_from_file_location("synth_phantom", Path(__file__).parents[1] / "synth" / "conftest.py")
_phantom = module_from_spec(_spec)
_spec.loader.exec_module(_phantom)
anatomy = _phantom.anatomy

TINY = {"widths": (4, 8), "box": Box((20, 24, 20), 8.5)}


@pytest.fixture(scope="session", autouse=True)
def few_generated():
    """Few images of a generator are measured, and small ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sanum.methods.common.likeness.MADE", 4)
        patch.setattr("sanum.methods.common.likeness.SIDE", 32)
        yield


def item_of(recipe: AnatomyRecipe, anatomy, number: int = 0) -> dict[str, torch.Tensor]:
    """Sample `number` of a recipe."""
    box = recipe.box.grid()
    return Stream(TrainingSet([anatomy]), seed=1, box=box, sampling=recipe.sampling).item(number)


@pytest.fixture(scope="session")
def tiny() -> Callable[[AnatomyRecipe], AnatomyRecipe]:
    """Make a recipe small enough for a test."""
    return lambda recipe: replace(recipe, **TINY)


@pytest.fixture(scope="session")
def sample(anatomy) -> Callable[..., dict[str, torch.Tensor]]:
    """Make one sample of a recipe."""
    return lambda recipe, number=0: item_of(recipe, anatomy, number)


@pytest.fixture(scope="session")
def overfit(
    anatomy, tmp_path_factory
) -> Callable[[AnatomyRecipe], tuple[list[float], torch.nn.Module, Path]]:
    """Train a recipe on one sample; gives the losses, the network and its saved weights."""

    def run(recipe: AnatomyRecipe, steps: int = 20) -> tuple[list[float], torch.nn.Module, Path]:
        torch.manual_seed(0)
        batch = {name: x[None] for name, x in item_of(recipe, anatomy).items()}
        model = recipe.build([anatomy])
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        losses = []
        for _ in range(steps):
            loss, terms = recipe.loss(model, batch)
            optimizer.zero_grad()
            loss.backward()
            assert all(p.grad is not None for p in model.parameters())  # several devices wait for each
            optimizer.step()
            assert sum(float(t) for t in terms.values()) == pytest.approx(loss.item(), rel=1e-5)
            losses.append(loss.item())
        path = tmp_path_factory.mktemp("weights") / f"{recipe.name}.safetensors"
        save_weights(path, model.state_dict(), **recipe.describe(), steps=steps)
        return losses, model.eval(), path

    return run
