"""What `mkdocs build` does beside Markdown: MathML, the commands' help, pages that live with the code."""

import json
import re
from html import unescape
from itertools import chain
from pathlib import Path

import typer
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from sanum.cli.main import app

ROOT = Path(__file__).parents[1]
UNA = "src/sanum/methods/anatomy/una/"
ELSEWHERE = {
    "una/README.md": UNA,
    "una/MODEL_CARD.md": UNA,
    "CHANGELOG.md": "",
    "CONTRIBUTING.md": "",
    "SECURITY.md": "",
}
"""Pages of the site that are kept where their subject is, and the folder of each."""

COMMANDS = "<!-- commands -->"
_NOT_DESCRIBED = re.compile(r'\s+–\s+<div class="doc-md-description">\s*</div>')
_MATHS = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config) -> Files:
    """Add the pages that are kept elsewhere, and the notebooks as pages."""
    for page, folder in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / folder / Path(page).name)))
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page_of(path)))
    return files


def page_of(notebook: Path) -> str:
    """A notebook as Markdown: its words and its code, with a link to the file itself."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    text = ["".join(cell["source"]) for cell in cells]
    shown = [
        t if cell["cell_type"] == "markdown" else f"```python\n{t}\n```"
        for cell, t in zip(cells, text, strict=True)
    ]
    return "\n\n".join(
        [shown[0], f"*[Download this notebook]({notebook.name}), and run it in Jupyter.*", *shown[1:]]
    )


def on_page_markdown(markdown: str, **_) -> str:
    """Let links lead to those pages, and from there back; put the commands' help where its mark is."""
    markdown = re.sub(rf"\]\(\.\./((?:\.\./)*){UNA}", r"](\1una/", markdown)
    markdown = re.sub(rf"\]\({'../' * UNA.count('/')}docs/", "](../", markdown)
    markdown = re.sub(r"\]\(\.\./((?:\.\./)*(?:SECURITY|CONTRIBUTING)\.md)", r"](\1", markdown)
    markdown = re.sub(r"(\]\([./]*notebooks/[\w-]+)\.ipynb", r"\1.md", markdown)
    markdown = markdown.replace("](docs/", "](")
    return markdown.replace(COMMANDS, commands()) if COMMANDS in markdown else markdown


def on_page_content(html: str, **_) -> str:
    """LaTeX, as `pymdownx.arithmatex` leaves it, to MathML, which browsers draw without a script.

    Parameters whose name and type say all lose the dash before nothing.
    """
    html = _NOT_DESCRIBED.sub("", html)
    return _MATHS.sub(lambda m: mathml(unescape(m[2]), "block" if m[1] == "div" else "inline"), html)


def mathml(latex: str, display: str) -> str:
    """MathML of `latex`; what stands over a letter is an accent, near it."""
    return convert(latex, display=display).replace("<mover><mi>", '<mover accent="true"><mi>')


def commands() -> str:
    """The help of all commands, as Markdown with sections."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="sanum")
    groups = (command.commands[name].commands.values() for name in ("node", "weights"))
    for shown in chain.from_iterable(groups):  # in the list of a group, help is cut short
        text = text.replace(shown.get_short_help_str(), shown.get_short_help_str(limit=200))
    text = text.replace("\\[", "[")  # escaped for the terminal
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return "\n".join(f"## {s}" for s in sections)
