"""The fenced blocks of the pages under docs/, and which of them only `make test-full` runs, or nothing."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r"^( *)```(.*)\n((?:.*\n)*?)^\1```$", re.MULTILINE)

HEAVY = {
    "detection.md",
    "how-to/atlas.md",
    "how-to/chest-findings.md",
    "how-to/cohort.md",
    "how-to/lesion-graphs.md",
    "how-to/other-viewers.md",
    "how-to/own-data.md",
    "how-to/recover.md",
    "how-to/register.md",
    "how-to/translate.md",
    "tutorial.md",
}
"""Pages whose blocks take from 5 to 17 s: `make test-full` runs them."""

NOT_RUN = {
    ("tutorial.md", "python3 -m venv .venv"): "installs from the network",
    ("how-to/integrations.md", "pip install 'sanum[monai]'"): "installs from the network",
    ("how-to/dicom.md", "sanum reconstruct head -o out --dicom"): "a series: see tests/cli/test_dicom.py",
    ("how-to/dicom.md", "import sanum"): "a series: see tests/clinic/conftest.py",
    ("how-to/dicom.md", "import pydicom"): "results of a series: tests/clinic/test_objects.py runs it",
    ("how-to/node.md", "sanum node --aet SANUM --port 11112 --peer ORTHANC@127.0.0.1:4242 -o node"): (
        "does not end; see tests/clinic/node"
    ),
    ("how-to/node.md", "sanum node --watch incoming --peer ORTHANC@127.0.0.1:4242 -o node"): "does not end",
    ("how-to/node.md", "sanum node --pull http://127.0.0.1:8042/dicom-web -o node \\"): "does not end",
    ("how-to/node.md", "sanum node --peer PACS@pacs.example:2762 --port 2762 --host 0.0.0.0 -o node \\"): (
        "does not end"
    ),
    ("how-to/node.md", "import json"): "Orthanc runs it, in tests/clinic/node/test_routes.py",
    ("how-to/private-training.md", "pip install 'sanum[train,private]'"): "installs from the network",
    ("how-to/private-training.md", "sanum train cae --data normals -o runs/private --set norm=group \\"): (
        "takes minutes; a smaller one runs in tests/methods/common/test_private.py"
    ),
    ("how-to/bids.md", "sanum bids data out participant --nprocs 8 --mem-gb 24 -w /scratch/me"): (
        "eight processes, each with the network that ships; two run in tests/cohort/test_bids.py"
    ),
    ("how-to/cluster.md", "containers/sanum reconstruct scans -o results --shard auto --threads 2"): (
        "needs an image; the script runs in tests/test_container.py"
    ),
    ("how-to/cluster.md", "sanum reconstruct scans -o results --executor dask --workers 4"): (
        "four processes with the network that ships, and a scheduler; see tests/cohort/on_dask.py"
    ),
    ("how-to/recover.md", "sanum train kt-unet-xf --data phantoms -o runs/kt"): (
        "takes a minute; two steps run in tests/methods/recovery/test_kt_nets.py"
    ),
    ("how-to/own-data.md", "sanum train una-small --data data -o runs/try --steps 10"): (
        "takes minutes; two steps run in tests/cli/test_train.py"
    ),
    ("how-to/own-data.md", "sanum train una-compact --data data -o runs/una-compact"): "takes hours",
    ("how-to/own-data.md", "sanum reconstruct scan.nii.gz -o out \\"): "the weights are those hours' result",
    ("cohorts.md", "sbatch --array=1-20 --cpus-per-task=4 \\"): "needs SLURM",
    ("cohorts.md", "sanum reconstruct bids/ -o results --executor dask --workers 4"): "as in cluster.md",
    ("cohorts.md", "from dask_jobqueue import SLURMCluster  # or PBSCluster, SGECluster"): (
        "needs a queue: tests/cohort/test_jobqueue.py runs it on three that it makes"
    ),
    ("generator.md", "sanum generate ../shared/data/ixi --lesions ../shared/data/lesions -o made \\"): (
        "a hundred scans, and labels of whole heads; two scans are made in how-to/own-data.md"
    ),
    ("training.md", "sanum train una-small --data ../shared/data -o runs/small"): "takes minutes to hours",
    ("training.md", "sanum train una --data DATA -o runs/una --device cuda --devices 4"): "needs GPUs",
    ("evaluation.md", "sanum evaluate DATA... -o OUT --compose keep-healthy \\"): "shows the command's form",
    ("evaluation.md", "D=../shared/data"): "real data, 640 scans",
    ("detection.md", "sanum classify fit normals abnormals -o classifier.safetensors"): "takes minutes",
    ("detection.md", "D=../shared/data"): "56 real scans; see test_anatomy_sliced.py",
    ("evaluation.md", "python bench/real.py --data ../shared/data --weights FILE -o runs/real"): "real data",
    ("evaluation.md", "sanum evaluate tests/*-whole tests/*-stripped -o measured/simulated \\"): (
        "takes hours; a small set is measured in tests/cli/test_evaluate.py"
    ),
}
"""Blocks that the tests do not run, by page and first line (without its comment), and why."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    kind: str
    text: str

    @property
    def key(self) -> tuple[str, str]:
        first = next((x for x in self.text.splitlines() if not x.startswith("#")), "")
        return self.page, first if self.kind == "python" else first.split(" #")[0].rstrip()

    @property
    def runs(self) -> bool:
        return self.kind in ("bash", "sh", "python") and self.key not in NOT_RUN


def blocks(page):
    """All fenced blocks of a page."""
    name = page.relative_to(DOCS).as_posix()
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(name, info.partition(" ")[0], dedent(text)) for _, info, text in found]


BLOCKS = [block for page in PAGES for block in blocks(page)]
