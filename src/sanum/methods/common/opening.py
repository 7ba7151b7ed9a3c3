"""Making a detector, a translator or a segmenter of a name, of a configuration, or of a file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from .findings import LABEL_FREE, LABELS, Chosen


class Restorable(Protocol):
    """What is made of a configuration, and becomes what a file says."""

    def restore(self, path: Path) -> Self:
        """Be what a file says.

        Parameters
        ----------
        path : Path
            Of the method.
        """
        ...


RestorableT = TypeVar("RestorableT", bound=Restorable)
RestorableR = TypeVar("RestorableR", covariant=True)


class Load(Protocol[RestorableR]):
    """What `predict.load` of a method is."""

    def __call__(
        self,
        *,
        weights: Path | None = None,
        device: str = "cpu",
        room: int | None = None,
        recipe: str | None = None,
    ) -> RestorableR:
        """One that has learned nothing, or what a file says.

        Parameters
        ----------
        weights : Path, optional
            A file of the method, which says its configuration.
        device : str
            A torch device.
        room : int, optional
            Not needed: no such method computes a whole scan at once.
        recipe : str, optional
            Which configuration, without a file; default the usual one.

        Raises
        ------
        ValueError
            Unknown configuration.
        WeightsError
            The file is missing, damaged, or of another method.
        """
        ...


def loader(kind: Callable[..., RestorableT], configs: Mapping[str, Any]) -> Load[RestorableT]:
    """A method's `load`.

    Parameters
    ----------
    kind : class
        Made of a configuration and of `device`.
    configs : mapping
        Its configurations by name, the usual one first.
    """

    def load(
        *,
        weights: Path | None = None,
        device: str = "cpu",
        room: int | None = None,
        recipe: str | None = None,
    ) -> RestorableT:
        name = recipe or next(iter(configs))
        if name not in configs:
            raise ValueError(f'unknown recipe "{name}": known are {", ".join(configs)}')
        made = kind(configs[name], device=device)
        return made if weights is None else made.restore(weights)

    return load


def closed_form(one: Chosen, *, both: bool) -> dict[str, Chosen]:
    """Choices of a method that has nothing to choose: the same state, whoever chooses the threshold.

    Parameters
    ----------
    one : Chosen
        What was learned.
    both : bool
        Whether validation has normals and abnormals.
    """
    return {LABEL_FREE: one, LABELS: one} if both else {LABEL_FREE: one}
