"""`--set key=value`: another value somewhere in nested frozen dataclasses, checked against its type."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
LATER = {"later": True}
"""Metadata of a field that came after files had been written: those without it had the default."""
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def override(config: T, settings: Sequence[str]) -> T:
    """`config`, a frozen dataclass, with each of `settings` such as "loop.steps=100" in place.

    Values are those of the field's type: 3, 0.5, true, a word, 16,32 for a tuple, none.

    Parameters
    ----------
    config : dataclass
        Frozen; may hold others.
    settings : sequence of str
        key=value, with a dotted key; the last of several for a key counts.

    Raises
    ------
    ValueError
        No such key, or no such value; the sentence lists those that there are.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f'--set takes key=value, got "{setting}"')
        config = _set(config, key.strip().split("."), text.strip(), key.strip(), flat(config))
    return config


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every value of nested dataclasses by its dotted key.

    Parameters
    ----------
    config : dataclass
        May hold others.
    prefix : str
        Before each key.
    """
    out: dict[str, Any] = {}
    for name, value in ((f.name, getattr(config, f.name)) for f in fields(config)):
        if is_dataclass(value):
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = value
    return out


def later(config: Any) -> dict[str, Any]:
    """Values by dotted key that files from before may lack, each as it was then.

    Parameters
    ----------
    config : dataclass
        Its fields, not those of others within, may have the metadata `LATER`.
    """
    out: dict[str, Any] = {}
    for f in fields(config):
        if "later" in f.metadata:
            default = f.default if f.default_factory is MISSING else f.default_factory()
            out |= flat(default, f"{f.name}.") if is_dataclass(default) else {f.name: default}
    return out


def rebuilt(config: T, values: Mapping[str, Any]) -> T:
    """`config` with every value of `flat` in place, as JSON has them: lists become tuples.

    Parameters
    ----------
    config : dataclass
        Of the same class as the one that `flat` was given.
    values : mapping
        By dotted key.

    Raises
    ------
    ValueError
        Keys that are missing or unknown, or a value that the class refuses.
    """
    known, values = flat(config), {**later(config), **values}
    if odd := sorted(known.keys() ^ values.keys()):
        raise ValueError(f"the value {odd[0]} is {'missing' if odd[0] in known else 'unknown'}")
    new: T = _rebuilt(config, values, "")
    return new


def _rebuilt(config: Any, values: Mapping[str, Any], prefix: str) -> Any:
    new = {}
    for name, value in ((f.name, getattr(config, f.name)) for f in fields(config)):
        if is_dataclass(value):
            new[name] = _rebuilt(value, values, f"{prefix}{name}.")
        else:
            given = values[prefix + name]
            new[name] = tuple(given) if isinstance(given, list) else given
    return replace(config, **new)


def _set(config: Any, path: list[str], text: str, key: str, known: dict[str, Any]) -> Any:
    name, *rest = path
    if name not in {f.name for f in fields(config)} or (rest and not is_dataclass(getattr(config, name))):
        near = get_close_matches(key, known) or [k for k in known if k.split(".")[-1] == key.split(".")[-1]]
        raise ValueError(
            f'unknown key "{key}": '
            + (f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}")
        )
    if rest:
        return replace(config, **{name: _set(getattr(config, name), rest, text, key, known)})
    if is_dataclass(getattr(config, name)):
        within = [k for k in known if k.startswith(f"{key}.")]
        raise ValueError(f'"{key}" has several values: set one of {", ".join(within)}')
    kind = get_type_hints(type(config))[name]
    try:
        return replace(config, **{name: _read(text, kind)})
    except _NotOfType as error:
        raise ValueError(f'{key} takes {error}, got "{text}"') from None


class _NotOfType(Exception):
    """What was expected."""


def _read(text: str, kind: Any) -> Any:
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):  # only "… or None" is in use
        (kind,) = [k for k in inside if k is not types.NoneType]
        try:
            return None if text.lower() == "none" else _read(text, kind)
        except _NotOfType as error:
            raise _NotOfType(f"{error} or none") from None
    if origin is Literal:
        if text in inside:
            return text
        raise _NotOfType(" or ".join(inside))
    if origin is tuple:
        parts = [p.strip() for p in text.split(",")] if text else []
        kinds = [inside[0]] * len(parts) if inside[1:] == (...,) else list(inside)
        try:
            return tuple(_read(p, k) for p, k in zip(parts, kinds, strict=True))
        except (ValueError, _NotOfType) as error:
            count = "" if inside[1:] == (...,) else f"{len(inside)} times "
            what = error if isinstance(error, _NotOfType) else _named(inside[0])
            raise _NotOfType(f"{count}{what}, with commas between") from None
    try:
        return TRUTH[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        raise _NotOfType(_named(kind)) from None


def _named(kind: Any) -> str:
    return " or ".join(get_args(kind)) if get_origin(kind) is Literal else WORDS[kind]
