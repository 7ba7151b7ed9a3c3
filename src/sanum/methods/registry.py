"""Every method by its name: a line of `table.METHODS`, of which a method is imported when it is used."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..extras import MissingExtra, needs_extra
from ..weights.store import find as weights_of
from ..weights.store import resolve
from .api import Method
from .table import METHODS as METHODS  # a name of this module, too

if TYPE_CHECKING:
    from .common.anatomy import Predictor, Refiner
    from .common.recipe import Recipe


def find(name: str) -> Method:
    """Line of a method in the table.

    Parameters
    ----------
    name : str
        Of the method.

    Raises
    ------
    ValueError
        There is none of that name; the known ones are listed.
    """
    for method in METHODS:
        if method.name == name:
            return method
    raise ValueError(f'unknown method "{name}": known are {", ".join(m.name for m in METHODS)}')


def find_recipe(name: str) -> tuple[Method, str | None]:
    """Line of a method that is named itself, or by one of its recipes, and the recipe.

    Parameters
    ----------
    name : str
        Such as "cae", or "cae-faithful" of a method that learns from a user's images.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    for method in METHODS:
        if method.fitted and name.startswith(f"{method.name}-"):
            return method, name
    return find(name), None


def folder_of(method: Method) -> Path:
    """Folder with a method's code and README; nothing of it is imported.

    Parameters
    ----------
    method : Method
        Its line in the table.
    """
    spec = find_spec(f".{method.module}", __package__)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{method.name} has no folder {method.module} in {__package__}")
    return Path(spec.origin).parent


def load(
    name: str = "una",
    *,
    device: str = "cpu",
    weights: str | Path | None = None,
    room: int | None = None,
) -> Any:
    """Method that is ready to use; of the task "anatomy" a `common.anatomy.Predictor`.

    Of the task "anomaly2d" a `common.detector.Detector`; without weights it has learned nothing: call `fit`.

    Parameters
    ----------
    name : str
        Of the method; of one that is fitted also of one of its recipes.
    device : str
        A torch device.
    weights : str or Path, optional
        A file, or a name of `weights.store`; default: those that ship, looked for in `SANUM_WEIGHTS` first.
    room : int, optional
        Bytes of memory that the network may take, whole or in slabs (`common.memory_plan`); default what is
        free.

    Raises
    ------
    OutOfMemory
        Not even the smallest slabs fit.
    MissingExtra
        The method needs a library that is not installed.
    ValueError
        Unknown method; weights that are missing, damaged, of another method or version, or not wanted.
    """
    method, named = find_recipe(name)
    if method.fitted:
        given = None if weights is None else resolve(weights)
        return part_of(method, "predict").load(weights=given, device=device, room=room, recipe=named)
    if not method.trained and weights is not None:
        raise ValueError(f'"{name}" takes no weights, got {weights}: leave them out')
    if method.trained and weights is None and method.weights is None:
        raise ValueError(
            f"{name} ships no weights: make them with sanum train {name} --data DATA -o OUT, "
            "and name the file that it writes"
        )
    chosen = weights if weights is not None else method.weights
    file = None if chosen is None else resolve(chosen)
    return part_of(method, "predict").load(weights=file, device=device, room=room)


def second_stage(name: str, first: "Predictor", *, device: str = "cpu") -> "Refiner | None":
    """Second stage of a method, if its weights are there and were trained on these of the first.

    Parameters
    ----------
    name : str
        Of the method.
    first : Predictor
        Its first stage.
    device : str
        A torch device.

    Raises
    ------
    ValueError
        Weights that are damaged, or of another version.
    """
    method = find(name)
    if method.second is None or weights_of(method.second) is None:
        return None
    made: Refiner = part_of(method, "fine_predict").load(
        weights=resolve(method.second), first=first, device=device
    )
    return made if made.first_sha256 == getattr(first, "state_sha256", None) else None


def recipes() -> "dict[str, Recipe]":
    """Every recipe by its name; without those of methods whose extra is not installed."""
    found: dict[str, Recipe] = {}
    for method in METHODS:
        try:
            found |= recipes_of(method)
        except MissingExtra:
            continue  # `recipe` names the extra if one of them is requested
    return found


def recipes_of(method: Method) -> "dict[str, Recipe]":
    """Recipes of one method by their name; none of a method that is not trained.

    Parameters
    ----------
    method : Method
        Its line in the table.

    Raises
    ------
    MissingExtra
        The method needs a library that is not installed.
    """
    if not method.trained:
        return {}
    made: dict[str, Recipe] = part_of(method, "recipe").RECIPES
    return made


def recipe(name: str) -> "Recipe":
    """Recipe of a name.

    Parameters
    ----------
    name : str
        One of `recipes`.

    Raises
    ------
    ValueError
        There is none of that name; the known ones are listed.
    MissingExtra
        It may be of a method whose extra is not installed.
    """
    known = recipes()
    if name in known:
        return known[name]
    for method in METHODS:
        if name == method.name or name.startswith(f"{method.name}-"):
            recipes_of(method)  # says which extra is missing
    raise ValueError(f'unknown recipe "{name}": known are {", ".join(known)}')


def part_of(method: Method, part: str) -> ModuleType:
    """Module of a method's folder, imported now.

    Parameters
    ----------
    method : Method
        Its line in the table.
    part : str
        "predict" or "recipe".

    Raises
    ------
    MissingExtra
        It imports a library that is not installed.
    """
    with needs_extra(method.name, method.extra):
        return import_module(f".{method.module}.{part}", __package__)
