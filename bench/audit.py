"""How far reconstruction errors react to who was trained on: PCA and an autoencoder on IXI, audited.

Three experiments. `mixing`: everybody is seen by IXI's scanner and by a second, made one; models learn from
24 people of whom 0 to 100 % were seen by the second, and 40 others are scored on both. `people`: sex and age,
with models that learned from people of whom neither is known, or from one group alone. `una`: the shipped
network on IXI's held-out people and on heads of other scanners (minutes; kept in --cache). Tables go to
standard output, one audit of each experiment to -o.
"""

import argparse
import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch.nn import functional as F

from audit_slices import SCANNERS, SIDE, Brain, Scanner, Stack, brains_of, seen_by, with_atrophy, with_lesions
from sanum.data.attributes import parse_by
from sanum.evaluation.audit import Audit, AuditSettings, ScoreTable, audit, write_audit
from sanum.metrics.ranking import auc
from sanum.nets.dense_autoencoder import DenseAutoencoder

TRAIN, SEEDS, LEVELS = 24, (0, 1, 2), (0.0, 0.25, 0.5, 0.75, 1.0)
STEPS, BATCH, RATE = 400, 8, 2e-3
SETTINGS = AuditSettings(resamples=300, permutations=999)
Model = Callable[[Stack], Stack]


def pca(images: Stack, seed: int) -> Model:
    flat = images.reshape(len(images), -1)
    fitted = PCA(min(40, len(images) - 1), random_state=seed, svd_solver="randomized").fit(flat)
    return lambda x: fitted.inverse_transform(fitted.transform(x.reshape(len(x), -1))).reshape(x.shape)


def autoencoder(images: Stack, seed: int) -> Model:
    """Convolutions to a dense code, as in the method `cae`; L2."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = DenseAutoencoder(1, SIDE, (8, 16, 32, 64), code=64, dropout=0.0)
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    x = torch.from_numpy(images)[:, None]
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        batch = x[rng.integers(0, len(x), BATCH)]
        optimizer.zero_grad()
        F.mse_loss(net(batch), batch).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        return lambda one: net(torch.from_numpy(one)[:, None])[:, 0].detach().numpy()


MODELS = {"PCA": pca, "autoencoder": autoencoder}


def score(model: Model, one: Brain, image: Stack) -> float:
    """Mean absolute error in the brain, without its border."""
    return float(np.abs(image - model(image))[one.counts].mean())


def table(rows: Sequence[tuple[str, float, int]], people: dict[str, dict[str, str]]) -> ScoreTable:
    names, scores, labels = zip(*sorted(rows, key=lambda row: (row[0], row[2])), strict=True)
    return ScoreTable(names, np.array(scores), np.array(labels), people, ())


def mixing(brains: Sequence[Brain], scanner: Scanner, output: Path) -> None:
    print("model\tshare\tseed\tFPR 1\tFPR 2\tgap\tlesions 1\tlesions 2\tatrophy 1\tatrophy 2\tgap by lot")
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(brains))
        train, test = [brains[n] for n in order[:TRAIN]], [brains[n] for n in order[TRAIN:]]
        second = {one.name: seen_by(scanner, one, rng) for one in brains}
        sick = {
            (one.name, which): (with_lesions(one, image, rng), with_atrophy(one, image))
            for one in test
            for which, image in (("1", one.image), ("2", second[one.name]))
        }
        for share in LEVELS:
            many = round(share * TRAIN)
            images = np.concatenate([second[b.name] if n < many else b.image for n, b in enumerate(train)])
            for name, learn in MODELS.items():
                model = learn(images, seed)
                rows, atrophied, people = [], [], {}
                for one in test:
                    for which, image in (("1", one.image), ("2", second[one.name])):
                        who = f"{one.name}s{which}"
                        people[who] = {"scanner": which}
                        rows.append((who, score(model, one, image), 0))
                        lesions, atrophy = sick[one.name, which]
                        rows.append((who, score(model, one, lesions), 1))
                        atrophied.append((who, score(model, one, atrophy), 1))
                how = replace(SETTINGS, reference=("scanner", "1"), seed=seed)
                found = audit(table(rows, people), parse_by("scanner"), how)
                normals = [row for row in rows if row[2] == 0]
                print_mixing(name, share, seed, found, normals + atrophied)
                if seed == 0 and share == 0:
                    write_audit(found, output / f"mixing-{name}-{seed}")


def print_mixing(
    name: str, share: float, seed: int, found: Audit, atrophy: Sequence[tuple[str, float, int]]
) -> None:
    real, lot = found.attributes
    areas = []
    for scanner in "12":
        mine = [(score, label) for who, score, label in atrophy if who.endswith(scanner)]
        areas.append(auc(np.array([s for s, _ in mine]), np.array([label for _, label in mine])))
    numbers = [row.numbers for row in real.rows]
    cells = [n["fpr"] for n in numbers] + [real.gaps["fpr"]] + [n["auc_within"] for n in numbers] + areas
    words = [f"{x:.3f}" for x in (*cells, lot.gaps["fpr"])]
    print(name, f"{share:.2f}", seed, *words, sep="\t", flush=True)


def people(brains: Sequence[Brain], known: dict[str, dict[str, str]], output: Path) -> None:
    """Sex and age; of IXI's 64 people here, 26 are known."""
    named = {one.name: one for one in brains}
    here = {name: {"sex": p["sex"], "age": p["age"]} for name, p in known.items() if p["sex"] != "n/a"}
    groups = {
        "unknown": [name for name in named if name not in here],
        "women": [name for name in here if here[name]["sex"] == "F"],
        "below 50": [name for name in here if float(here[name]["age"]) < 50],
        "50 and more": [name for name in here if float(here[name]["age"]) >= 50],
    }
    for trained, pool in groups.items():
        for name, learn in MODELS.items():
            totals: dict[str, list[float]] = {}
            sick: dict[str, list[float]] = {}
            for seed in SEEDS:
                rng = np.random.default_rng(seed)
                chosen = rng.permutation(pool)[: TRAIN if trained == "unknown" else 8]
                model = learn(np.concatenate([named[one].image for one in chosen]), seed)
                for one in sorted(set(here) - set(chosen)):
                    totals.setdefault(one, []).append(score(model, named[one], named[one].image))
                    lesions = with_lesions(named[one], named[one].image, np.random.default_rng(seed))
                    sick.setdefault(one, []).append(score(model, named[one], lesions))
            rows = [(one, float(np.mean(x)), 0) for one, x in totals.items()]
            rows += [(one, float(np.mean(x)), 1) for one, x in sick.items()]
            how = replace(SETTINGS, alpha=0.1, least=8, adjust=("age",))
            found = audit(table(rows, here), parse_by("sex,age:50"), how)
            write_audit(found, output / f"people-{trained.replace(' ', '-')}-{name}")
            print_people(f"{name}, from {trained}", found)


def print_people(title: str, found: Audit) -> None:
    for one in found.attributes:
        for row in one.rows:
            n = row.numbers
            low, high = row.intervals["delta"]
            shown = (n["fpr"], n["delta"], low, high, n["auc_within"], one.explained, one.p)
            cells = [f"{x:.3f}" for x in shown]
            print(title, one.name, one.kind, row.group, row.normals, *cells, sep="\t", flush=True)


def una(data: Path, cache: Path, output: Path) -> None:
    """Mean probability of an anomaly in the brain: volumes of healthy people are all 0."""
    import sanum

    scans = [(path, "HH") for path in sorted((data / "ixi").glob("sub-*/anat/*_T1w.nii.gz"))[-7:]]
    scans += [(path, "elsewhere") for path in sorted((data / "heads-1mm").glob("*_T1w.nii.gz"))]
    scans += [(path, "elsewhere") for path in sorted((data / "normal").glob("*_T1w.mgz"))]
    kept = json.loads(cache.read_text()) if cache.is_file() else {}
    for path, _ in scans:
        if path.name not in kept:
            result = sanum.reconstruct(path, fast=True)
            inside = result.brain.voxels > 0.5
            mean = float(result.anomaly.voxels[inside].mean())
            kept[path.name] = {"mean": mean, "ml": result.numbers["anomaly_ml"]}
            cache.write_text(json.dumps(kept, indent=1))
    who = {path.name.split(".")[0]: {"site": site} for path, site in scans}
    rows = [(path.name.split(".")[0], kept[path.name]["mean"], 0) for path, _ in scans]
    found = audit(table(rows, who), parse_by("site"), replace(SETTINGS, alpha=0.2, least=5))
    write_audit(found, output / "una")
    for name, values in kept.items():
        print(name, f"{values['mean']:.5f}", f"{values['ml']:.2f} mL", sep="\t")
    print_people("una", found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["mixing", "people", "una"], nargs="+")
    parser.add_argument("--scanner", choices=list(SCANNERS), default="harder", help="the second, of mixing")
    parser.add_argument("--data", type=Path, required=True, help="folder with ixi, heads-1mm and normal")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("una.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    with (given.data / "ixi" / "participants.tsv").open(encoding="utf-8") as file:
        known = {row["participant_id"]: row for row in csv.DictReader(file, delimiter="\t")}
    brains = brains_of(given.data / "ixi")
    if "mixing" in given.what:
        mixing(brains, SCANNERS[given.scanner], given.output)
    if "people" in given.what:
        people(brains, known, given.output)
    if "una" in given.what:
        una(given.data, given.cache, given.output)


if __name__ == "__main__":
    main()
