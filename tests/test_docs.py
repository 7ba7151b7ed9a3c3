"""The pages under docs/ do what they say: their blocks run, the site builds strictly, and nothing is loaded.

The blocks of a page run in their order, in one folder, but for those that `NOT_RUN` names with a reason: of
these, commands and Python are parsed.
"""

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from textwrap import dedent
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import typer
from PIL import Image

import sanum
from sanum import fluid
from sanum.cli.main import app, main
from sanum.cohort.bids.filters import read_filters
from sanum.healthy import demo
from sanum.healthy.grids import on_grid
from sanum.methods import registry
from sanum.scan import write
from sanum.space.grid import covering

from .docs_blocks import BLOCK, BLOCKS, DOCS, HEAVY, NOT_RUN, PAGES

ROOT = Path(__file__).parents[1]
ELSEWHERE = (
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")),
    *sorted((ROOT / "src").rglob("*.md")),
)
WIDEST = 80  # characters of a line of code that the site shows without scrolling
INFO = re.compile(r'(bash|sh|python|json|text)(?: title="[^"]+")?')

# stands for what is called: prints the words that it gets, one command a line
STUBS = """
sanum() { printf "%q " "$@"; echo; }
sbatch() { eval "${@: -1}"; }
torchrun() { while [ "$1" != sanum ]; do shift; done; "$@"; }
"""


def words_of(text):
    """Words of every call of `sanum` in a script, as bash makes them; no program is found, so none runs."""
    words = [shutil.which("bash"), "-c", STUBS + text]
    told = subprocess.run(words, capture_output=True, text=True, env={"PATH": "/nowhere"}).stdout
    return [shlex.split(line) for line in told.splitlines()]


_spec = spec_from_file_location("synth_phantom", Path(__file__).parent / "synth" / "conftest.py")
_phantom = module_from_spec(_spec)
_spec.loader.exec_module(_phantom)
files, lesion_mask = _phantom.files, _phantom.lesion_mask
prepared_subject, source = _phantom.prepared_subject, _phantom.source


@pytest.fixture
def here(source, phantom_predictor, rough_mirror, no_pictures, tmp_path, monkeypatch):
    """The reader's folder: a scan, data to train on. The network, tested elsewhere, takes too long here."""
    real = registry.load

    def load(name="una", **how):
        return phantom_predictor if name == "una" else real(name, **how)

    monkeypatch.setattr(sanum, "load", load)  # the name that is kept once it was asked for
    monkeypatch.setattr(registry, "load", load)
    truth, _ = demo.icbm152()
    small = on_grid(truth, covering(truth.grid, 4.0))
    monkeypatch.setattr(demo, "icbm152", lambda: (small, small.voxels > 0.3))
    folder = tmp_path / "here"
    (folder / "data").mkdir(parents=True)
    for part in source.root.iterdir():
        (folder / "data" / part.name).symlink_to(part)
    (folder / "data" / "lesions").symlink_to(source.lesions)
    write(small, folder / "scan.nii.gz")
    write(small.with_voxels(np.uint8(np.indices(small.grid.shape)[0] == 12)), folder / "lesion.nii.gz")
    for place in ("scans", "bids", "archive"):
        for name in ("sub-01", "sub-02"):
            write(small, folder / place / name / "anat" / f"{name}_T1w.nii.gz")
    write(small, folder / "scans" / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz")
    (folder / "scans/dataset_description.json").write_text('{"Name": "Two", "BIDSVersion": "1.10.0"}')
    for table in ("cohort.tsv", "list.tsv"):
        (folder / table).write_text("path\nscans/sub-01/anat/sub-01_T1w.nii.gz\n")
    rng = np.random.default_rng(0)
    for place, spot in (("normals", 0), ("abnormals", 90)):
        for n in range(12):
            pixels = rng.integers(0, 99, (48, 40), dtype=np.uint8)
            pixels[20:26, 12:18] += np.uint8(spot)
            (folder / place).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / place / f"{n:02}.png")
    monkeypatch.chdir(folder)
    return folder


def lines(text):
    return [line for line in text.replace("\\\n", " ").splitlines() if shlex.split(line, comments=True)]


def run_line(line, monkeypatch, capfd):
    """Run one line of a shell's block, in this process; what stands before a pipe is its standard input."""
    before, _, command = line.rpartition(" | ")
    given = subprocess.run(["bash", "-c", before], check=True, capture_output=True).stdout
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
    called = words_of(command)
    assert called, f"a command that no test knows how to run: {line}"
    for words in called:
        monkeypatch.setattr("sys.argv", ["sanum", *words])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        assert left.value.code == 0, (line, err)
        assert out, f"{line} printed nothing"


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.full] if page in HEAVY else [])
        for page in sorted({b.page for b in BLOCKS if b.runs})
    ],
)
@pytest.mark.usefixtures("here")
def test_the_blocks_run(page, monkeypatch, capfd):
    for block in BLOCKS:
        if block.page != page or not block.runs:
            continue
        if block.kind == "python":
            exec(compile(block.text, page, "exec"), {})
            continue
        with monkeypatch.context() as patch:
            if array := re.search(r"^#SBATCH --array=1-(\d+)$", block.text, re.MULTILINE):
                for name, value in (("ID", "1"), ("MIN", "1"), ("MAX", array[1]), ("COUNT", array[1])):
                    patch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
            for line in lines(block.text):
                run_line(line, patch, capfd)


def test_what_does_not_run_is_there_and_is_told_why():
    keys = [block.key for block in BLOCKS if block.kind != "text"]
    assert all(keys.count(key) == 1 for key in NOT_RUN), [key for key in NOT_RUN if keys.count(key) != 1]


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.key in NOT_RUN], ids=lambda b: b.page)
def test_what_does_not_run_is_well_formed(block, tmp_path, monkeypatch):
    if block.kind == "python":
        compile(block.text, block.page, "exec")
        return
    monkeypatch.chdir(tmp_path)  # without an environment that a script could activate
    called = words_of(block.text)
    assert bool(called) == bool(re.search(r"(?<!/)\bsanum ", block.text))
    for name, *words in called:
        command = typer.main.get_command(app).commands[name]
        if words[0] in getattr(command, "commands", ()):  # a group
            command, words = command.commands[words[0]], words[1:]
        assert command.make_context(name, words)


def test_json_is_json(tmp_path):
    """Of `sanum bids`, and of Orthanc, which tests/clinic/node/test_routes.py starts with it."""
    found = {b.page: b for b in BLOCKS if b.kind == "json"}
    assert found.keys() == {"how-to/bids.md", "how-to/node.md"}
    json.loads(found["how-to/node.md"].text)
    block = found["how-to/bids.md"]
    (tmp_path / "filter.json").write_text(block.text)
    assert len(read_filters(tmp_path / "filter.json")) == len(json.loads(block.text))


@pytest.mark.parametrize("page", [*PAGES, *ELSEWHERE], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_block_is_one_that_is_looked_at(page):
    """A fence of a kind that no test knows fails; so does a command that is only indented."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^ *(?:```|~~~)(.*)$", text, re.MULTILINE)
    found = BLOCK.findall(text)
    assert len(fences) == 2 * len(found), "a fence is not closed"
    known = {"README.md": r"bash|console|sh|python"}.get(page.name if page.parent == ROOT else "", INFO)
    if page.parent.name == "una" or page.name == "CHANGELOG.md":
        assert not found, "no test runs the blocks of this file"
    unknown = [info for _, info, _ in found if not re.fullmatch(known, info)]
    assert not unknown, f"no test looks at blocks like these: {unknown}"
    wide = [line for *_, block in found for line in dedent(block).splitlines() if len(line) > WIDEST]
    assert page in ELSEWHERE or not wide, f"more than {WIDEST} characters are cut off in the site: {wide}"
    assert not re.search(r"^ {4,}(?:\$ |>>> |sanum |pip )", BLOCK.sub("", text), re.MULTILINE)


def test_the_tutorial_shows_what_the_demo_prints():
    """Its figures are those of the model card, so that one cannot be changed without the other."""
    shown = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    inside, of_input = re.search(r"mean error inside the lesion: (\S+) \(input (\S+)\)", shown).groups()
    dice = re.search(r"Dice of the anomaly mask: (\S+)", shown)[1]
    card = (ROOT / "src/sanum/methods/anatomy/una/MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"error inside the lesion {inside} (input {of_input}), Dice of the anomaly {dice}" in card


def test_the_volumes_in_what_the_numbers_mean_are_those_of_the_model_card():
    said = (DOCS / "explanation" / "numbers.md").read_text(encoding="utf-8")
    card = (ROOT / "src/sanum/methods/anatomy/una/MODEL_CARD.md").read_text(encoding="utf-8")
    for patient, words in (("ms1", "{} to {} mL where 8 are true"), ("glioma1", "{} to {} where 30 are")):
        found = [
            float(x) for x in re.findall(rf"^\| sub-{patient}_.*?\| .*? \| (.*?) \|", card, re.MULTILINE)
        ]
        assert words.format(round(min(found)), round(max(found))) in said


GALLERY = sorted((DOCS / "img" / "gallery").glob("*.jpg"))


@pytest.mark.parametrize(
    "name",
    ["demo.jpg", "tutorial-report.jpg", "tutorial-lesion.jpg", *(f"gallery/{p.name}" for p in GALLERY)],
)
def test_pictures_of_results_show_the_weights_that_ship(name):
    """The scripts that make them write the weights' SHA-256 into them (docs/stamp.py)."""
    with Image.open(DOCS / "img" / name) as picture:
        said = picture.info.get("weights-sha256") or picture.info.get("comment", b"").decode()
    shipped = (
        (ROOT / "src/sanum/methods/anatomy/una/weights/una-compact.sha256")
        .read_text(encoding="utf-8")
        .strip()
    )
    assert said.split()[-1:] == [shipped], (
        f"{name} shows other weights than those that ship: run docs/make_pictures.py, make_gallery.py"
    )


def test_the_gallery_says_what_was_measured_and_stays_small():
    """Each picture is on the page, and below it the numbers of its row."""
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    with (DOCS / "img" / "gallery" / "numbers.tsv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert [p.stem for p in GALLERY] == sorted(row["case"] for row in rows)
    assert sum(p.stat().st_size for p in GALLERY) <= 600_000
    for row in rows:
        said = text.partition(f"img/gallery/{row['case']}.jpg")[2].partition("\n## ")[0]
        assert f"{row['found_ml']} mL" in said, row["case"]
        assert row["true_ml"] in ("n/a", *re.findall(r"[0-9.]+", said)), row["case"]
        assert row["dice"] == "n/a" or f"Dice {row['dice']}" in said, row["case"]
        assert ("No warning" in said) == (row["warnings"] == "none"), row["case"]


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


def test_the_search_works_in_a_page_that_is_opened_as_a_file(site):
    """Every page loads our stand-in for a worker, the index is a script, and a browser finds a word."""
    page = next(p for p in site if p.name == "cohort.html")
    assert all(any(x.endswith("iframe-worker.js") for x in seen.loads) for seen in site.values())
    assert (page.parents[1] / "search" / "search_index.js").is_file()
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no Chromium to try it in")
    words = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={page.parents[1]}-browser",
        "--virtual-time-budget=20000",
        "--dump-dom",
        f"{page.as_uri()}?q=diffusivity",
    ]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300).stdout
    assert re.search(r"[1-9]\d* matching documents?", shown)


def test_equations_became_mathml(site):
    for page in ("explanation/method", "explanation/numbers", "fluid"):
        text = next(p for p in site if p.as_posix().endswith(f"/{page}.html")).read_text(encoding="utf-8")
        source = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        assert text.count('display="block"') == source.count("$$") / 2 > 0
    assert not [p.name for p in site if 'class="arithmatex"' in p.read_text(encoding="utf-8")]


def test_the_reference_has_every_command_and_the_public_face(site):
    pages = {p.stem: p.read_text(encoding="utf-8") for p in site if p.parent.name == "reference"}
    for name, command in typer.main.get_command(app).commands.items():
        assert f'id="sanum-{name}"' in pages["commands"]
        for option in {o for p in command.params for o in p.opts if o.startswith("--")}:
            assert option in pages["commands"]
    assert all(f">{name}" in pages["fluid"] for name in fluid.__all__)
    assert 'id="sanum.healthy.reconstruction.reconstruct"' in pages["sanum"]


def test_the_reference_has_defaults_and_types_as_written(site):
    """griffe alone gives names on one line the first one's default, and makes sums of hyphens."""
    pages = {p.stem: p.read_text(encoding="utf-8") for p in site if p.parent.name == "reference"}
    text = {name: re.sub(r"<[^>]+>|\s", "", unescape(page)) for name, page in pages.items()}
    assert "lambda_c(float,default:2.0)" in text["una"]
    assert not [name for name, page in pages.items() if "<blockquote>" in page]  # doctests are code
    assert 'compose("anatomy","keep-healthy"or"keep-lesion",default:\'anatomy\')' in text["sanum"]
