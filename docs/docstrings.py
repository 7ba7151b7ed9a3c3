"""Docstrings in the reference: own defaults, types as they are written, doctests as code.

griffe gives all parameters that a docstring names on one line the default of the first, and reads a type as
an expression of Python, so that `"keep-healthy"` became `keep - healthy`. A doctest outside of a section of
examples would be a quotation to Markdown.
"""

import re

import griffe

DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Mends what was read from every docstring."""

    def on_package(self, *, pkg: griffe.Module, **_) -> None:
        """Go through a package that was read."""
        mend(pkg)


def mend(found: griffe.Object) -> None:
    """Correct the docstring of an object, and of all that it holds."""
    if found.docstring is not None:
        found.docstring.parser = "numpy"
        found.docstring.parser_options = {"warn_missing_types": False, "warn_unknown_params": False}
        written = griffe.Docstring(found.docstring.value, parser="numpy").parse(warnings=False)
        # `parsed` is kept once it was asked for, so that what is changed here is what is shown
        for section, plain in zip(found.docstring.parsed, written, strict=True):
            if section.kind is griffe.DocstringSectionKind.parameters:
                for parameter, said in zip(section.value, plain.value, strict=True):
                    if said.annotation and str(parameter.annotation) != said.annotation:
                        parameter.annotation = said.annotation
                    parameter.value = default_of(parameter.name, found)
            elif section.kind is griffe.DocstringSectionKind.text:
                section.value = DOCTEST.sub(r"```python\n\g<0>\n```", section.value)
    for member in found.members.values():
        if not member.is_alias:
            mend(member)


def default_of(name: str, found: griffe.Object) -> str | griffe.Expr | None:
    """Default of a parameter of a function, of a class's `__init__`, or of a data class's field."""
    function = found if found.is_function else found.members.get("__init__")
    if function is not None:
        return function.parameters[name].default if name in function.parameters else None
    field = found.members.get(name)
    value = field.value if field is not None and field.is_attribute else None
    return None if str(value).startswith("field(") else value
