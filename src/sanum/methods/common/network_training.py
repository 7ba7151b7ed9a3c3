"""The training of a network by `fit`: with looks at validation, in a folder that stays or not."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

from ...learn.devices import Precision, open_devices
from ...learn.draws import drawn_from
from ...learn.loop import Callbacks, Run, StepWentWrong, fit
from ...learn.overrides import flat, later
from .findings import Held, OnStep, State
from .recipe import Looks, Recipe, TrainingSource
from .squares import SquareStack
from .training import finished

CHECKPOINT = "checkpoint.pt"
GO_ON = "the same fit goes on from there"


def learned(
    source: TrainingSource,
    recipe: Recipe,
    looks: Looks | None,
    *,
    precision: Precision,
    data: Mapping[str, str],
    folder: Path | None,
    device: str,
    on_step: OnStep | None,
) -> State:
    """Train the network of a source by its recipe; returns the state after the last step.

    Parameters
    ----------
    source : TrainingSource
        What is learned from.
    recipe : Recipe
        Everything else that decides the weights.
    looks : Looks or None
        At validation.
    precision : "auto", "32", "bf16" or "fp16"
        As of `learn.devices.open_devices`.
    data : mapping
        A name of the data and their digest: a run goes on with the same alone.
    folder : Path or None
        Of the run; None: a temporary one.
    device : str
        A torch device.
    on_step : function or None
        Called after each step.
    """
    recipe.step.require_plain()
    fabric = open_devices(device, precision=precision)
    fabric.launch()
    with drawn_from(recipe.seed):
        model = source.build()
    size = recipe.batch_size
    callbacks = Callbacks(on_step)
    if looks:
        callbacks = Callbacks(on_step, look=looks.look, look_every=looks.every, kept=looks.kept)
    with _kept_or_temporary(folder) as place:
        run = Run(
            place,
            recipe={**flat(recipe), **data},
            assumed=later(recipe),
            batch_size=size,
            resume=(place / CHECKPOINT).is_file(),
            go_on=GO_ON if folder else "fit(…, folder=…) can go on",
        )
        last = fit(
            fabric,
            model,
            recipe.turns(),
            lambda first: source.batches(range(n * size, (n + 1) * size) for n in count(first)),
            recipe.loop,
            run,
            callbacks,
        )
        return finished(source, model, last)


def digest_of(train: SquareStack, helds: Iterable[Held | None], more: bytes = b"") -> str:
    """SHA-256 of all pictures, and of who is abnormal.

    Parameters
    ----------
    train : SquareStack
        Those to learn from.
    helds : iterable of Held or None
        Validation sets.
    more : bytes
        What else the training depends on.
    """
    digest = hashlib.sha256(train.pixels.numpy().tobytes())
    digest.update(more)
    for held in helds:
        if held is not None:
            digest.update(held.stack.pixels.numpy().tobytes())
            digest.update(held.labels.tobytes())
    return digest.hexdigest()


@contextmanager
def _kept_or_temporary(folder: Path | None) -> Iterator[Path]:
    """The folder of a run; a temporary one stays only where a step went wrong, for its sentence names it."""
    if folder is not None:
        yield folder
        return
    made = Path(mkdtemp(prefix="sanum-"))
    try:
        yield made
    except StepWentWrong:
        raise
    except BaseException:
        shutil.rmtree(made)
        raise
    shutil.rmtree(made)
