"""Most parameters of public functions stand in a NumPy-style table: type, shape, unit, meaning."""

import ast
import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "sanum"
OTHERWISE = ("cli/", "fluid/kernels/")  # options have their help, kernels the equations of their page
TABLE = re.compile(r"^\s*Parameters\n\s*-+\n(.*?)(?=^\s*[A-Z]\w+\n\s*-+$|\Z)", re.DOTALL | re.MULTILINE)
ROW = re.compile(r"\s*([\w*`]+(?:\s*,\s*[\w*`]+)*)\s*(?::.*)?$")


def explained(docstring):
    """Names that the table of a docstring has."""
    table = TABLE.search(docstring or "")
    rows = [ROW.match(line) for line in table[1].splitlines()] if table else []
    return {name.strip(" *`") for row in rows if row for name in row[1].split(",")}


def parameters(body, docstring=""):
    """Each public parameter in a module or class, and whether it is explained."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            own = ast.get_docstring(node)
            if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
                fields = [f for f in node.body if isinstance(f, ast.AnnAssign)]
                names = [f.target.id for f in fields if "ClassVar" not in ast.unparse(f.annotation)]
                yield from ((f"{node.name}.{n}", n in explained(own)) for n in names if n[0] != "_")
            yield from parameters(node.body, own)
        elif isinstance(node, ast.FunctionDef) and (
            node.name in ("__init__", "__call__") or not node.name.startswith("_")
        ):
            own = docstring if node.name == "__init__" else ast.get_docstring(node)
            a = node.args
            given = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
            names = [p.arg for p in given if p.arg not in ("self", "cls") and p.arg[0] != "_"]
            yield from ((f"{node.name}.{n}", n in explained(own)) for n in names)


def test_four_in_five_are_explained():
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE).as_posix()
        if not place.startswith(OTHERWISE) and not re.match(r"_[^_]", path.name):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found += [(f"{place}: {name}", known) for name, known in parameters(tree.body)]
    missing = [name for name, known in found if not known]
    assert len(found) > 1000
    assert len(missing) <= 0.2 * len(found), "\n".join(missing)
