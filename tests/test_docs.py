"""The pages under docs/ do what they say: their blocks run, the site builds strictly, and nothing is loaded.

The blocks of the tutorial and of the how-tos run, in the order of their page, in one folder, but for those
with a title ("takes hours"). What does not run, there and on other pages, is parsed.
"""

import os
import re
import shlex
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer
from PIL import Image

from sanum import demo, fluid
from sanum.cli.main import app, main
from sanum.methods import registry
from sanum.reconstruction import on_grid
from sanum.scan import write
from sanum.space.grid import covering

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r'^```(bash|python)(?: title="([^"\n]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)


def blocks(page, *, run):
    """Kind and text of the blocks that run, or that do not."""
    lesson = page.stem == "tutorial" or page.parent.name == "how-to"
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(kind, text) for kind, title, text in found if run is (lesson and not title)]


def lines(text):
    return [line for line in text.replace("\\\n", " ").splitlines() if shlex.split(line, comments=True)]


_spec = spec_from_file_location("synth_phantom", Path(__file__).parent / "synth" / "conftest.py")
_phantom = module_from_spec(_spec)
_spec.loader.exec_module(_phantom)
files, lesion_mask, source = _phantom.files, _phantom.lesion_mask, _phantom.source


@pytest.fixture
def here(source, phantom_predictor, tmp_path, monkeypatch):
    """The reader's folder: a scan, data to train on. The network, tested elsewhere, takes too long here."""
    monkeypatch.setattr(registry, "load", lambda **_: phantom_predictor)
    truth, _ = demo.icbm152()
    small = on_grid(truth, covering(truth.grid, 4.0))
    monkeypatch.setattr(demo, "icbm152", lambda: (small, small.voxels > 0.3))
    folder = tmp_path / "here"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "ixi").symlink_to(source.root)
    (folder / "data" / "lesions").symlink_to(source.lesions)
    write(small, folder / "scan.nii.gz")
    for name in ("sub-01", "sub-02"):
        write(small, folder / "scans" / name / "anat" / f"{name}_T1w.nii.gz")
    (folder / "scans" / "dataset_description.json").write_text(
        '{"Name": "Two scans", "BIDSVersion": "1.10.0"}'
    )
    (folder / "cohort.tsv").write_text("path\nscans/sub-01/anat/sub-01_T1w.nii.gz\n")
    monkeypatch.chdir(folder)
    return folder


def words_of(line):
    """Words as a shell makes them, wildcards and all."""
    found = [sorted(map(str, Path().glob(w))) if "*" in w else [w] for w in shlex.split(line, comments=True)]
    assert all(found), f"nothing matches in: {line}"
    return [word for words in found for word in words]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, run=True)], ids=lambda p: p.stem)
@pytest.mark.usefixtures("here")
def test_the_blocks_run(page, monkeypatch, capfd):
    for kind, text in blocks(page, run=True):
        if kind == "python":
            exec(compile(text, page.name, "exec"), {})
            continue
        for line in lines(text):
            assert line.startswith("sanum "), f"a command that no test knows how to run: {line}"
            monkeypatch.setattr("sys.argv", words_of(line))
            with pytest.raises(SystemExit) as left:
                main()
            out, err = capfd.readouterr()
            assert left.value.code == 0, (line, err)
            assert out, f"{line} printed nothing"


SHOWN = [(kind, text) for page in PAGES for kind, text in blocks(page, run=False)]
COMMANDS = [
    line[line.index("sanum ") :]
    for kind, text in SHOWN
    for line in lines(text)
    if kind == "bash" and re.search(r"(^|[\s\"|])sanum \w", line)
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_other_commands_are_well_formed(line):
    name, *words = shlex.split(line.rstrip('"'), comments=True)[1:]
    assert typer.main.get_command(app).commands[name].make_context(name, words)


def test_the_other_python_blocks_are_python():
    for kind, text in SHOWN:
        if kind == "python":
            compile(text, "docs", "exec")


def test_the_tutorial_shows_what_the_demo_prints():
    """Its figures are those of the model card, so that one cannot be changed without the other."""
    shown = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    inside, of_input = re.search(r"mean error inside the lesion: (\S+) \(input (\S+)\)", shown).groups()
    dice = re.search(r"Dice of the anomaly mask: (\S+)", shown)[1]
    card = (ROOT / "src/sanum/methods/una/MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"error inside the lesion {inside} (input {of_input}), Dice of the anomaly {dice}" in card


@pytest.mark.parametrize("name", ["demo.png", "tutorial-report.jpg", "tutorial-lesion.jpg"])
def test_pictures_of_results_show_the_weights_that_ship(name):
    """The scripts that make them write the weights' SHA-256 into them (docs/stamp.py)."""
    with Image.open(DOCS / "img" / name) as picture:
        said = picture.info.get("weights-sha256") or picture.info.get("comment", b"").decode()
    shipped = (ROOT / "src/sanum/methods/una/weights/una-compact.sha256").read_text(encoding="utf-8").strip()
    script = "make_pictures.py" if name == "demo.png" else "make_tutorial_pictures.py"
    assert said.split()[-1:] == [shipped], (
        f"docs/img/{name} shows other weights than those that ship: run docs/{script}"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_links_lead_to_files_of_the_repository(page):
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


class Seen(HTMLParser):
    """Ids, links, and what a browser would load, of one page."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.links, self.loads = set(), set(), set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        elif tag == "link":
            self.loads.add(found["href"])
        elif "src" in found:
            self.loads.add(found["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """What `make docs` builds: every file of its folder by path."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert built.returncode == 0, built.stdout + built.stderr
    return {p: Seen(p) for p in folder.rglob("*.html") if p.name != "404.html"}


def test_every_page_is_in_the_site(site):
    """A strict build fails for pages that the navigation leaves out; those kept elsewhere are there too."""
    folder = next(p.parent for p in site if p.name == "CHANGELOG.html")
    wanted = [p.relative_to(DOCS).with_suffix(".html") for p in PAGES]
    assert {folder / p for p in wanted} <= set(site)
    assert {folder / "una" / "MODEL_CARD.html", folder / "una" / "index.html"} <= set(site)


def test_links_anchors_and_pictures_are_there(site):
    for page, seen in site.items():
        for link in seen.links | seen.loads:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.is_file(), f"{page.name}: {link}"
            if parts.fragment and target in site and not parts.fragment.startswith("__"):
                assert unquote(parts.fragment) in site[target].ids, f"{page.name}: {link}"


def test_nothing_is_loaded_from_elsewhere(site):
    for page, seen in site.items():
        loaded = [x for x in seen.loads if urlsplit(x).netloc]
        assert not loaded, f"{page.name} loads {loaded}"


def test_equations_became_mathml(site):
    page = next(p for p in site if p.name == "method.html")
    text = page.read_text(encoding="utf-8")
    assert text.count('display="block"') == (DOCS / "explanation" / "method.md").read_text().count("$$") / 2
    assert not [p.name for p in site if 'class="arithmatex"' in p.read_text(encoding="utf-8")]


def test_the_reference_has_every_command_and_the_public_face(site):
    pages = {p.stem: p.read_text(encoding="utf-8") for p in site if p.parent.name == "reference"}
    for name, command in typer.main.get_command(app).commands.items():
        assert f'id="sanum-{name}"' in pages["commands"]
        for option in {o for p in command.params for o in p.opts if o.startswith("--")}:
            assert option in pages["commands"]
    assert all(f">{name}" in pages["fluid"] for name in fluid.__all__)
    assert 'id="sanum.reconstruction.reconstruct"' in pages["sanum"]


def test_the_reference_has_defaults_and_types_as_written(site):
    """griffe alone gives names on one line the first one's default, and makes sums of hyphens."""
    pages = {p.stem: p.read_text(encoding="utf-8") for p in site if p.parent.name == "reference"}
    text = {name: re.sub(r"<[^>]+>|\s", "", unescape(page)) for name, page in pages.items()}
    assert "lambda_c(float,default:2.0)" in text["una"]
    assert not [name for name, page in pages.items() if "<blockquote>" in page]  # doctests are code
    assert 'compose("anatomy","keep-healthy"or"keep-lesion",default:\'anatomy\')' in text["sanum"]
