"""No file and no function is too long to be read at once."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 400, 80
KERNELS = ROOT / "src" / "sanum" / "fluid" / "kernels"  # whose loops are one function each, or slower


def functions(node):
    """Functions at any depth; expressions, which hold none, are not looked into."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield child
            yield from functions(child)


def test_files_and_functions_are_short():
    files = sorted(p for folder in ("src", "tests", "bench", "docs") for p in (ROOT / folder).rglob("*.py"))
    assert len(files) > 200
    long = []
    for path in files:
        text, place = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        if (lines := text.count("\n")) > LINES_OF_A_FILE:
            long.append(f"{place}: {lines} lines")
        for node in functions(ast.parse(text)):
            lines = node.end_lineno - node.lineno + 1
            if lines > LINES_OF_A_FUNCTION and path.parent != KERNELS:
                long.append(f"{place}: {node.name} has {lines} lines")
    assert not long, "\n".join(long)


def test_a_class_name_stands_for_one_thing():
    places = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        if path.name not in ("v1.py", "v2.py"):  # one transform for two versions of a library
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    assert not {name: where for name, where in places.items() if len(where) > 1}
