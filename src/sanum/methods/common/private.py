"""Private training of recipes: what it needs is checked before the first step, and the budget planned.

A `Step` of `learn.private` takes the place of the recipe's own, and Poisson sampling of its people that of
the endless stream of samples.
"""

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import nn

from ...learn.account import noise_for
from ...learn.per_sample import PerSample
from ...learn.poisson import new_secret
from ...learn.private import PrivatePlan, PrivateStep
from ...learn.private_checks import can_be_mapped, require_no_batch_norm, require_separate, samples_at_a_time
from ...learn.step import Batch
from ...learn.turns import Objective, Turn
from .recipe import Persons, Recipe, TrainingSource

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, eq=False)
class PrivateTraining:
    """What `learn.loop.fit` gets in place of what the recipe says.

    Parameters
    ----------
    turn : Turn
        The recipe's, by private steps.
    step : PrivateStep
        These; afterwards they say what was spent.
    people : Persons
        Who is sampled.
    note : str
        What the user should know.
    """

    turn: Turn
    step: PrivateStep
    people: Persons
    note: str

    def batches(self, first: int) -> Generator[Batch, None, None]:
        """Batches of the people who are drawn, from a step on.

        Parameters
        ----------
        first : int
            Counted from 0.
        """
        return self.people.batches(self.step.sampling.samples(first))

    def describe(self) -> dict[str, Any]:
        """For the header of the weights: kind, ε, δ, and what they are about."""
        return {**self.step.describe(), "taken_as_public": list(self.people.public)}


def require_recipe(recipe: Recipe) -> None:
    """Raise ValueError for what can be seen without data, in a sentence.

    Parameters
    ----------
    recipe : Recipe
        With any step.
    """
    recipe.step.require_sense()
    if not recipe.step.private:
        return
    turns = recipe.turns()
    if len(turns) > 1 or turns[0].repeats > 1:
        raise ValueError(
            f"{recipe.name} has several updates a step ({', '.join(turn.name for turn in turns)}): private "
            "training is of one optimizer and one loss"
        )
    if recipe.loop.accumulate > 1:
        raise ValueError(
            "private steps take people in parts by themselves: set step.chunk, not loop.accumulate"
        )
    if recipe.compile:
        raise ValueError("private steps differentiate the network per person: set compile=false")
    recipe.require_people()


def private_training(
    recipe: Recipe, source: TrainingSource, model: nn.Module, fabric: "Fabric", state: Mapping[str, Any]
) -> PrivateTraining:
    """Check network, loss and data, and plan the budget.

    Parameters
    ----------
    recipe : Recipe
        Its step is a private one.
    source : TrainingSource
        Its data, prepared.
    model : Module
        Its network.
    fabric : Fabric
        Launched.
    state : mapping
        Of the checkpoint that the run goes on from, or of a new run; see `learn.loop.Run`.

    Raises
    ------
    ValueError
        What cannot be trained privately, or not with this budget, in a sentence.
    """
    _require_one_process(fabric)
    people = source.people()
    if source.looks() is not None:
        raise ValueError(
            f"{recipe.name} keeps the state that is best on people held out, whom no account counts: "
            "it cannot be trained privately"
        )
    before = state["turns"]["main"]["step"] if state["step"] else {}
    _require_numbers(recipe, people, before)
    require_no_batch_norm(model)
    (turn,) = recipe.turns()
    noise = before["noise_multiplier"] if before else _noise(recipe, people)
    objective = Objective(model.to(fabric.device), turn.loss)
    step = PrivateStep(_tried(recipe, people, objective, fabric, noise))
    if before:
        step.load_state_dict(before)
    left = recipe.loop.steps - state["step"]
    lasts = left if recipe.step.epsilon is None else step.account.lasts(recipe.step.epsilon, left)
    if left and not lasts and not _ended(recipe, step, state):
        raise ValueError(step.spent())
    if step.plan.mapped:  # one person at a time fits, see `train`
        source.require_memory(model, fabric, min(step.plan.chunk, recipe.batch_size))
    step.lasts_to = state["step"] + lasts
    step.plan = replace(step.plan, steps=step.lasts_to)
    private = replace(turn, step=step, watched=False)  # noise leaps by nature
    return PrivateTraining(private, step, people, _note(step, lasts, cut=lasts < left))


def _require_one_process(fabric: "Fabric") -> None:
    if fabric.world_size > 1:
        raise ValueError("private training is of one process: leave out --devices")
    if getattr(fabric.strategy.precision, "scaler", None) is not None:
        raise ValueError("private steps scale no loss: choose --precision bf16 or 32 in place of fp16")


def _require_numbers(recipe: Recipe, people: Persons, before: Mapping[str, Any]) -> None:
    if before and before["people"] != people.count:
        raise ValueError(
            f"the run began with {before['people']} people and there are {people.count} now: "
            "give the same data"
        )
    if recipe.batch_size > people.count:
        raise ValueError(
            f"batch_size is {recipe.batch_size}, of {people.count} people: a step takes some of them, so set "
            f"batch_size to {people.count} at most"
        )
    if recipe.step.delta >= 1 / people.count:
        raise ValueError(
            f"step.delta is {recipe.step.delta:g}: to promise anything to each of {people.count} people "
            f"it must be below {1 / people.count:.2g}"
        )


def _ended(recipe: Recipe, step: PrivateStep, state: Mapping[str, Any]) -> bool:
    """Whether a run had taken all steps of its budget, and no more of either is asked for."""
    if not state["step"] or recipe.loop.steps > state["recipe"]["loop.steps"]:
        return False
    return recipe.step.epsilon is not None and step.account.epsilon() <= recipe.step.epsilon


def _noise(recipe: Recipe, people: Persons) -> float:
    config = recipe.step
    if config.noise_multiplier is not None:
        return config.noise_multiplier
    assert config.epsilon is not None  # `require_recipe`
    rate = recipe.batch_size / people.count
    return noise_for(config.epsilon, config.delta, rate, recipe.loop.steps, config.accountant)


def _tried(
    recipe: Recipe, people: Persons, objective: Objective, fabric: "Fabric", noise: float
) -> PrivatePlan:
    """The plan, once network and loss have been tried on four samples."""
    config = recipe.step
    with closing(people.batches(iter([[0, 1, 2, 3]]))) as batches:
        trial: Batch = fabric.to_device(next(batches))
    values = require_separate(objective, trial, people.shared)
    by = PerSample(objective, people.shared)
    chunk = config.chunk or samples_at_a_time(by, trial, 3 if config.kind == "bam" else 2)
    return PrivatePlan(
        config,
        noise,
        people.count,
        recipe.batch_size,
        recipe.loop.steps,
        new_secret() if config.noise_seed is None else config.noise_seed,
        values,
        people.shared,
        config.chunk != 1 and can_be_mapped(by, trial),
        chunk,
    )


def _note(step: PrivateStep, steps: int, *, cut: bool) -> str:
    plan = step.plan
    spent = step.account.epsilon(steps)
    how = (
        ""
        if plan.mapped
        else "; gradients one after the other, as torch.func.vmap does not take this network"
    )
    end = f", where the budget ends the training after step {plan.steps}" if cut else ""
    return (
        f"private training ({plan.config.kind}) of {plan.people} people, each in a step with a chance of "
        f"{plan.rate:.3g}: with a noise multiplier of {plan.noise_multiplier:.3g}, {plan.steps} steps spend "
        f"ε = {spent:.3g} at δ = {plan.config.delta:g}{end}{how}"
    )
