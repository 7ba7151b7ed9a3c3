"""ms-lesions as one uses it: train, fit, predict, cross-validate, save; and that it sees the rule."""

import csv
from dataclasses import replace

import numpy as np
import pytest

import sanum
from sanum.cli.main import main
from sanum.data.lesion_graphs import PatientLesions, read_lesions
from sanum.learn.loop import TrainingStopped
from sanum.methods.common.training import Start, train
from sanum.methods.graphs.ms_lesions.crossval import BASELINES, NETWORK
from sanum.methods.registry import recipe
from sanum.metrics.ranking import auc
from sanum.synth.lesion_patients import RelationalRule, draw_lesion_patient
from sanum.weights.file import WeightsError, load_weights, save_weights

QUICK = ("loop.steps=12", "validate_every=4", "model.width=8")


def made_up(count, seed=0, **rule):
    rng = np.random.default_rng(seed)
    drawn = [draw_lesion_patient(rng, RelationalRule(**rule)) for _ in range(count)]
    return drawn, [
        PatientLesions(f"p{n}", p.centres_mm, {f"f{k}": x for k, x in enumerate(p.features.T)}, p.active)
        for n, p in enumerate(drawn)
    ]


@pytest.fixture
def tables(tmp_path):
    """Tables as `sanum lesions` and a user would write them."""
    _, patients = made_up(24, features=2)
    folder = tmp_path / "data"
    folder.mkdir()
    with (folder / "lesions.tsv").open("w", newline="") as out:
        write = csv.writer(out, delimiter="\t")
        write.writerow(["participant_id", "id", "x_mm", "y_mm", "z_mm", "f0", "side", "odd"])
        for p in patients:
            for n in range(len(p)):
                row = [*p.centres_mm[n].round(3), p.columns["f0"][n], "left" if n % 2 else "right", "n/a"]
                write.writerow([p.name, n + 1, *row])
    with (folder / "outcomes.tsv").open("w", newline="") as out:
        csv.writer(out, delimiter="\t").writerows(
            [["participant_id", "outcome"], *([p.name, p.outcome] for p in patients)]
        )
    return folder


@pytest.fixture(scope="module")
def fitted():
    _, patients = made_up(30, features=4)
    return sanum.load("ms-lesions").with_settings(*QUICK).fit(patients), patients


def test_the_command_trains_and_its_weights_predict(tables, tmp_path, monkeypatch, capsys):
    sets = [part for setting in QUICK for part in ("--set", setting)]
    words = ["train", "ms-lesions", "--data", tables / "lesions.tsv", "-o", tmp_path / "run", *sets]
    monkeypatch.setattr("sys.argv", ["sanum", *map(str, words), "--device", "cpu", "--quiet"])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    assert left.value.code == 0, err
    assert "column odd has no values: it is left out" in err
    path = tmp_path / "run" / "ms-lesions.safetensors"
    assert out.strip() == str(path)
    patients = read_lesions(tables / "lesions.tsv")
    found = sanum.load("ms-lesions", weights=path).predict(patients)
    for one, patient in zip(found, patients, strict=True):
        assert one.name == patient.name
        assert one.lesions == patient.lesions
        assert 0 < one.probability < 1
        assert ((one.importance > 0) & (one.importance < 1)).all()
        assert one.kept.sum() == -(-len(patient) // 2)
        assert one.importance[one.kept].min() >= one.importance[~one.kept].max(initial=0)
    _, header = load_weights(path)
    assert [code["name"] for code in header["encoding"]] == ["f0", "side"]
    assert "p1" not in str(header)  # no names of patients


def test_a_stopped_training_goes_on_to_the_same_bits(tables, tmp_path):
    quick = replace(recipe("ms-lesions"), loop=replace(recipe("ms-lesions").loop, steps=12), validate_every=4)
    whole = train(quick, tables, tmp_path / "whole")
    with pytest.raises(TrainingStopped):
        train(quick, tables, tmp_path / "broken", start=Start(stop_after=5))
    resumed = train(quick, tables, tmp_path / "broken", start=Start(resume=True))
    assert whole.read_bytes() == resumed.read_bytes()


def test_the_lowest_validation_loss_is_kept(fitted):
    _, patients = made_up(30, features=4)
    losses = {}
    for steps in (4, 8, 12):
        model = sanum.load("ms-lesions").with_settings(
            *QUICK, f"loop.steps={steps}", f"validate_every={steps}"
        )
        found = model.fit(patients[:20], held=patients[20:]).predict(patients[20:])
        chances = [
            f.probability if p.outcome else 1 - f.probability
            for f, p in zip(found, patients[20:], strict=True)
        ]
        losses[steps] = -np.log(chances).mean()
    model = sanum.load("ms-lesions").with_settings(*QUICK).fit(patients[:20], held=patients[20:])
    found = model.predict(patients[20:])
    chances = [
        f.probability if p.outcome else 1 - f.probability for f, p in zip(found, patients[20:], strict=True)
    ]
    assert -np.log(chances).mean() == pytest.approx(min(losses.values()), rel=1e-5)


def test_outcomes_and_the_company_of_others_change_no_prediction(fitted):
    model, patients = fitted
    found = model.predict(patients)
    blind = model.predict([replace(p, outcome=None) for p in patients[:3]])
    for one, other in zip(blind, found, strict=False):
        assert one.probability == pytest.approx(other.probability, rel=1e-5)
        np.testing.assert_allclose(one.importance, other.importance, rtol=1e-5)
    alone = PatientLesions("one", np.zeros((1, 3)), {f"f{k}": np.zeros(1) for k in range(4)})
    (one,) = model.predict([alone])
    assert one.kept.tolist() == [True]
    assert model.predict([]) == []


def test_what_is_saved_is_restored(fitted, tmp_path):
    model, patients = fitted
    path = model.save(tmp_path / "own.safetensors")
    again = sanum.load("ms-lesions", weights=path)
    assert again.config == model.config
    assert (again.weights_name, again.weights_sha256) == (path.name, again.weights_sha256)
    assert [f.probability for f in again.predict(patients)] == [
        f.probability for f in model.predict(patients)
    ]
    save_weights(tmp_path / "other.safetensors", {}, method="mad")
    with pytest.raises(WeightsError, match="holds weights of mad, expected ms-lesions"):
        sanum.load("ms-lesions", weights=tmp_path / "other.safetensors")


def test_recipes_and_what_has_learned_nothing():
    assert not sanum.load("ms-lesions-ungated").config.model.gated
    assert sanum.load("ms-lesions").config.model.gated
    with pytest.raises(
        ValueError, match='unknown recipe "ms-lesions-x": known are ms-lesions, ms-lesions-un'
    ):
        sanum.load("ms-lesions-x")
    with pytest.raises(RuntimeError, match="the network has learned nothing: call fit, or load weights"):
        sanum.load("ms-lesions").predict([])


def test_a_cross_validation_tests_everyone_once_beside_baselines():
    _, patients = made_up(24, features=2)
    done = []
    model = sanum.load("ms-lesions").with_settings(*QUICK)
    found = model.crossval(patients, folds=3, on_fold=lambda n, of: done.append((n, of)))
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert set(found.scores) == {NETWORK, *BASELINES}
    assert [f.name for f in found.findings] == [p.name for p in patients]
    assert np.bincount(found.fold_of).tolist() == [8, 8, 8]
    (network, *others) = found.rows()
    assert network["auc"] == pytest.approx(found.auc(NETWORK).mean())
    assert network["p"] is None
    assert len(others) == 4
    with pytest.raises(
        ValueError, match=r"expected 24 or more patients .* got \d+: one for each fold; give fewer"
    ):
        model.crossval(patients, folds=24)
    assert model.net is None  # the one that was asked has learned nothing


@pytest.mark.full
def test_the_rule_is_seen_and_its_lesions_are_kept():
    """One split of 240 patients; ten folds are in bench/lesion_graph.py."""
    drawn, patients = made_up(340, seed=5)
    model = sanum.load("ms-lesions").fit(patients[:240])
    found = model.predict(patients[240:])
    outcomes = np.array([p.outcome for p in patients[240:]])
    assert auc(np.array([f.probability for f in found]), outcomes) > 0.75
    top, chance = [], []
    for patient, one in zip(drawn[240:], found, strict=True):
        informs = patient.informative
        if informs.any() and not informs.all():
            top.append(informs[np.argsort(-one.importance)[: informs.sum()]].mean())
            chance.append(informs.mean())
    assert np.mean(top) > np.mean(chance) + 0.3
