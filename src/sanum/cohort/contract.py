"""What a job and its results must keep to, so that a later run can go on where it was."""

import json
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

from ..methods.api import OutputSpec
from ..methods.common.saving import file_name, file_names
from ..scan import ScanError
from ..scan.names import printable
from .inputs import Item

OWN_KEYS = ("job", "input", "outputs", "warnings")
"""Fields of every record, whatever the job: no setting, fact or number may have their names."""


def require_own_names(kind: str, names: Collection[str]) -> None:
    """Raise `ValueError` if one of the names is a field of every record.

    Parameters
    ----------
    kind : str
        What has these names, such as "setting".
    names : collection of str
        Of settings, facts or numbers.
    """
    if taken := [key for key in OWN_KEYS if key in names]:
        raise ValueError(f"{kind} {taken[0]}: every record has a field of this name, so rename it")


def settings_as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are read back from a record: a tuple is a list.

    Parameters
    ----------
    settings : mapping
        Of a job.

    Raises
    ------
    ValueError
        A value is no JSON; a name is a field of every record.
    """
    require_own_names("setting", settings)
    return {key: _as_json(key, value) for key, value in settings.items()}


def plain_number(name: str, value: Any) -> float:
    """A number of a result as Python has it; NumPy's scalars become float or int.

    Parameters
    ----------
    name : str
        Of the number, for the message.
    value : float, int or NumPy scalar
        The number.

    Raises
    ------
    ValueError
        It is no number.
    """
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise ValueError(f"number {name}: expected a float or int, got {type(value).__name__}")


def require_known_outputs(specs: Mapping[str, OutputSpec], without: Collection[str]) -> None:
    """Raise `ValueError` if two outputs share a file name, or an output to leave out is none of the job's.

    Parameters
    ----------
    specs : mapping of str to OutputSpec
        The outputs of the job.
    without : collection of str
        Names of outputs that are not written.
    """
    file_names("item", specs)
    if unknown := [name for name in without if name not in specs]:
        raise ValueError(f"unknown output {unknown[0]}: expected one of {', '.join(specs)}")


def require_result(result: Any, item: Item, specs: Mapping[str, OutputSpec]) -> None:
    """Raise `ScanError` unless a result has the name and the outputs that a later run will look for.

    Parameters
    ----------
    result : Result
        What the job gave.
    item : Item
        What it was given.
    specs : mapping of str to OutputSpec
        The outputs of the job.
    """
    item_name = printable(item.path.name)
    if not hasattr(result, "outputs"):
        got = "None" if result is None else type(result).__name__
        raise ScanError(f"{item_name} gave no result: expected a Result, got {got}")
    missing = [name for name in specs if name not in result.outputs]
    unexpected = [name for name in result.outputs if name not in specs]
    if missing or unexpected:
        parts = [f"no output {', '.join(missing)}"] if missing else []
        parts += [f"unexpected output {', '.join(unexpected)}"] if unexpected else []
        raise ScanError(f"{item_name} gave {' and '.join(parts)}: expected {', '.join(specs)}")
    if result.name != item.stem:
        raise ScanError(
            f"{item_name} gave a result with the name {printable(result.name)}: expected the item's stem, "
            f"{printable(item.stem)}"
        )
    for name, spec in specs.items():
        expected, got = (file_name(item.stem, one) for one in (spec, result.outputs[name].spec))
        if got != expected:
            raise ScanError(f"{item_name} gave output {name} as {printable(got)}: expected {expected}")


def _as_json(key: str, value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"setting {key}: expected JSON (text, numbers, lists, mappings), got {value!r:.60}"
        ) from error
