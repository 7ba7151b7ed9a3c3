import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from sanum.cli.main import app
from sanum.evaluation import find_cases
from sanum.scan import ScanError
from sanum.synth import dataset
from sanum.synth.dataset import GenerateSettings, generate, replay
from sanum.synth.geometry import identity_geometry
from sanum.synth.record import FORMAT, RecordError, from_json, to_json
from sanum.synth.source import Source

COUNT = 3


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and ".cache" not in p.parts
    }


def records(folder: Path) -> list[Path]:
    return sorted(folder.glob("sub-*/anat/*.json"))


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "set"
    assert generate(source, folder, GenerateSettings(seed=1), count=COUNT) == COUNT
    return folder


def test_shape_of_the_data_set(made):
    assert len(records(made)) == COUNT
    for record in records(made):
        name = record.parts[-3]
        scan = nib.load(record.with_suffix(".nii.gz"))
        truth = made / "derivatives" / "sanum" / name / "anat"
        maps = {p.name.split("_", 1)[1]: nib.load(p) for p in truth.glob("*.nii.gz")}
        assert sorted(maps) == [
            "desc-anomaly_mask.nii.gz",
            "desc-anomaly_probseg.nii.gz",
            "desc-brain_mask.nii.gz",
            "desc-dlmuse_dseg.nii.gz",
            "desc-healthy_T1w.nii.gz",
        ]
        for image in maps.values():
            assert image.shape == scan.shape
            np.testing.assert_array_equal(image.affine, scan.affine)
        assert scan.get_fdata().max() > 0.5
        assert maps["desc-brain_mask.nii.gz"].get_fdata().sum() * 8 / 1000 > 500  # mL
    assert json.loads((made / "dataset_description.json").read_text())["DatasetType"] == "raw"


def test_some_have_an_anomaly(made):
    volumes = [nib.load(p).get_fdata().sum() for p in made.rglob("*desc-anomaly_mask.nii.gz")]
    counts = [len(from_json(p.read_text()).params.shapes) for p in records(made)]
    assert any(v > 0 for v in volumes)
    assert sum(counts) > 0


def test_a_record_keeps_every_bit(made):
    for path in records(made):
        record = from_json(path.read_text())
        assert from_json(to_json(record)) == record
        assert to_json(record) == path.read_text()
        assert all("/" not in (s.mask or "") for s in record.params.shapes)


def test_replay_gives_the_same_bits(made, source, tmp_path):
    for path in records(made):
        replay(path, source, tmp_path)
    again = files_of(tmp_path)
    assert again == {k: v for k, v in files_of(made).items() if k in again}
    assert len(again) == COUNT * 8
    with pytest.raises(RecordError, match="already holds sub-000000"):
        replay(records(made)[0], source, tmp_path)


@pytest.mark.full
def test_workers_and_restarts_change_nothing(made, source, tmp_path):
    folder = tmp_path / "again"
    generate(source, folder, GenerateSettings(seed=1), count=1)
    scan = next(folder.glob("sub-000000/anat/*.nii.gz"))
    before = scan.stat().st_mtime_ns
    told = []
    assert generate(
        source, folder, GenerateSettings(seed=1), count=COUNT, workers=2, on_sample=lambda *x: told.append(x)
    ) == (COUNT - 1)
    assert scan.stat().st_mtime_ns == before
    assert told == [(2, 3), (3, 3)]
    assert files_of(folder) == files_of(made)


def test_an_unfinished_sample_is_made_again(made, source, tmp_path):
    folder = tmp_path / "again"
    generate(source, folder, GenerateSettings(seed=1), count=1)
    records(folder)[0].unlink()  # as if killed before the last file
    assert generate(source, folder, GenerateSettings(seed=1), count=1) == 1
    assert len(records(folder)) == 1


def test_a_partial_record_is_no_record(made, source, tmp_path):
    folder = tmp_path / "again"
    generate(source, folder, GenerateSettings(seed=1), count=1)
    record = records(folder)[0]
    record.rename(record.with_name(".sanum-0123456789ab.json"))  # as if killed while it was written
    assert generate(source, folder, GenerateSettings(seed=1), count=1) == 1


def test_heads_that_cannot_be_used_leave_nothing(source, tmp_path):
    labels = tmp_path / "head_dseg.nii.gz"
    nib.save(nib.Nifti1Image(np.full((9, 9, 9), 999, np.int16), np.eye(4)), labels)
    place = Source(labels, None, tmp_path / "cache")
    with pytest.raises(ValueError, match="--ignore-unknown"):
        generate(place, tmp_path / "set", GenerateSettings(seed=1), count=1)
    assert not (tmp_path / "set").exists()
    labels.write_bytes(labels.read_bytes()[:60])
    with pytest.raises(ValueError, match="can be read whole"):
        generate(place, tmp_path / "set", GenerateSettings(seed=1), count=1)
    labels.write_text("no image")
    with pytest.raises(ValueError, match="can be read whole"):
        generate(place, tmp_path / "set", GenerateSettings(seed=1), count=1)


def test_masks_that_miss_or_are_empty(source, tmp_path):
    bank = tmp_path / "bank"
    bank.mkdir()
    mask = np.zeros((20, 20, 20), np.uint8)
    nib.save(nib.Nifti1Image(mask, np.eye(4)), bank / "none_mask.nii.gz")
    place = replace(source, lesions=bank)
    with pytest.raises(ValueError, match="holds no lesion"):
        generate(place, tmp_path / "a", GenerateSettings(seed=1), count=6)
    mask[5:9, 5:9, 5:9] = 1
    far = np.eye(4)
    far[:3, 3] = 500
    nib.save(nib.Nifti1Image(mask, far), bank / "none_mask.nii.gz")
    assert generate(place, tmp_path / "b", GenerateSettings(seed=1), count=6) == 6  # noise in its place


def test_a_mask_that_is_not_there_or_not_what_it_was(source, tmp_path):
    bank = tmp_path / "bank"
    bank.mkdir()
    mask = bank / "stroke-000_mask.nii.gz"
    mask.write_bytes(next(source.lesions.glob("*_mask.nii.gz")).read_bytes())
    place = replace(source, lesions=bank)
    generate(place, tmp_path / "a", GenerateSettings(seed=1), count=6)
    record = next(p for p in records(tmp_path / "a") if from_json(p.read_text()).masks)
    assert any(shape.mask for shape in from_json(record.read_text()).params.shapes)
    with pytest.raises(RecordError, match="--lesions"):
        replay(record, Source(source.root, None, source.cache), tmp_path / "b")
    image = nib.load(mask)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine), mask)
    with pytest.raises(RecordError, match=r"stroke-000_mask.nii.gz has changed"):
        replay(record, place, tmp_path / "b")
    with pytest.raises(ValueError, match="other lesions"):
        generate(place, tmp_path / "a", GenerateSettings(seed=1), count=7)


def test_seeds_differ(made, source, tmp_path):
    generate(source, tmp_path, GenerateSettings(seed=2), count=1)
    first, other = (from_json(records(f)[0].read_text()) for f in (made, tmp_path))
    assert first.params != other.params


def test_another_run_is_not_continued(made, source):
    with pytest.raises(ValueError, match="holds a run with seed 1"):
        generate(source, made, GenerateSettings(seed=2), count=COUNT)
    with pytest.raises(ValueError, match="holds a run with other lesions"):
        generate(replace(source, lesions=None), made, GenerateSettings(seed=1), count=COUNT)


def test_a_full_disk_leaves_whole_samples(made, source, tmp_path, monkeypatch):
    folder = tmp_path / "again"
    real, written = dataset.write, []

    def full(scan, path, **options):
        if len(written) == 9:  # in the second sample
            raise ScanError(f"cannot write {path.name}: the disk is full; free some space")
        written.append(path)
        return real(scan, path, **options)

    monkeypatch.setattr(dataset, "write", full)
    with pytest.raises(ScanError, match="disk is full"):
        generate(source, folder, GenerateSettings(seed=1), count=COUNT)
    assert len(records(folder)) == 1
    monkeypatch.setattr(dataset, "write", real)
    assert generate(source, folder, GenerateSettings(seed=1), count=COUNT) == COUNT - 1
    assert files_of(folder) == files_of(made)


def test_preset_and_level(source, tmp_path):
    generate(source, tmp_path, GenerateSettings(seed=1, preset="ct", level="none"), count=1)
    scan = nib.load(next(tmp_path.glob("sub-*/anat/*_ct.nii.gz"))).get_fdata()
    assert 40 < scan.max() <= 80  # HU, cut at the window
    assert from_json(records(tmp_path)[0].read_text()).params.corruption.noise_sigma == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "expected its JSON"),
        (json.dumps({"sanum_generate": FORMAT + 1}), f"version {FORMAT + 1}"),
        (json.dumps({"sanum_generate": FORMAT}), "damaged"),
    ],
)
def test_what_is_no_record(text, says):
    with pytest.raises(RecordError, match=says):
        from_json(text)


def test_a_source_that_is_not_what_it_was(made, source, tmp_path):
    for path in records(made):
        record = from_json(path.read_text())
        other = tmp_path / path.name
        other.write_text(to_json(replace(record, sha256="0" * 64)))
        with pytest.raises(RecordError, match="has changed"):
            replay(other, source, tmp_path)
        other.write_text(to_json(replace(record, anatomy="sub-99/anat/sub-99_T1w.nii.gz")))
        with pytest.raises(RecordError, match="has no sub-99"):
            replay(other, source, tmp_path)


class TestCommand:
    def run(self, *words):
        return CliRunner().invoke(app, ["generate", *map(str, words)])

    def test_makes_and_replays(self, source, tmp_path):
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            (tmp_path / name / ".cache").symlink_to(source.cache)
        done = self.run(source.root, "-o", tmp_path / "a", "-n", 1, "--seed", 3)
        assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / "a"))
        assert "1 of 1 heads prepared" in done.stderr
        assert "1 of 1 samples" in done.stderr
        record = records(tmp_path / "a")[0]
        again = self.run(source.root, "-o", tmp_path / "b", "--replay", record, "--quiet")
        assert again.exit_code == 0
        assert Path(again.stdout.strip()).read_bytes() == record.with_suffix(".nii.gz").read_bytes()

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("-n", "0"), "-n"),
            (("--preset", "t3w"), "known are"),
            (("--level", "awful"), "known are"),
            (("--lesions", "nowhere"), "_mask.nii.gz"),
            (("--replay", "nowhere.json"), "nowhere.json"),
            (("--spacing", "0.1"), "0.5"),
        ],
    )
    def test_wrong_use(self, source, tmp_path, words, says):
        done = self.run(source.root, "-o", tmp_path / "a", *words)
        assert done.exit_code == 2
        assert says in done.stderr
        assert not records(tmp_path / "a")

    def test_a_source_without_subjects(self, tmp_path):
        done = self.run(tmp_path, "-o", tmp_path / "a")
        assert done.exit_code == 2
        assert "parcellation" in done.stderr
        assert not (tmp_path / "a").exists()


def test_a_test_set_is_of_what_no_training_saw(source, lesion_mask, tmp_path):
    (tmp_path / "lesions").mkdir()
    for name in ("sub-06", "sub-07", "sub-08"):
        for file in (f"{name}/anat/{name}_T1w", f"derivatives/dlmuse/{name}/{name}_dseg"):
            link = tmp_path / "ixi" / f"{file}.nii.gz"
            link.parent.mkdir(parents=True)
            link.symlink_to(source.root / f"{file.replace(name, 'sub-07')}.nii.gz")
    for name in ("stroke-000", "stroke-090"):
        (tmp_path / "lesions" / f"{name}_mask.nii.gz").write_bytes(lesion_mask.read_bytes())
    out = tmp_path / "t1w"
    out.mkdir()
    source.cache.mkdir(exist_ok=True)
    (out / ".cache").symlink_to(source.cache)
    words = ["generate", tmp_path, "--test-set", "--hold-out", "2", "--as-scanned", "stripped"]
    words += ["--preset", "t1w", "--level", "none"]
    ran = CliRunner().invoke(app, [*map(str, words), "-o", str(out), "-n", "3", "--quiet"])
    assert ran.exit_code == 0, ran.output
    mixed = CliRunner().invoke(app, [*map(str, words), "-o", str(out), "--lesions", str(out)])
    assert "leave --lesions out" in mixed.output
    cases = find_cases(out)
    assert [c.subject for c in cases] == ["sub-07", "sub-08", "sub-07"]
    assert not any(c.healthy for c in cases)
    told = [from_json(p.read_text()) for p in records(out)]
    assert {name for r in told for name, _ in r.masks} <= {"stroke-090_mask.nii.gz"}
    for case, record in zip(cases, told, strict=True):
        assert record.params.geometry == identity_geometry()
        scan, truth, lesion, brain = (nib.load(f).get_fdata() for f in case.files)
        assert not scan[ndimage.binary_dilation(brain > 0, iterations=2) == 0].any()
        p = nib.load(case.lesion.with_name(f"{case.name}_desc-anomaly_probseg.nii.gz")).get_fdata()
        healthy = (brain > 0) & (p < 1e-4)
        gain = scan[healthy].mean() / truth[healthy].mean()
        np.testing.assert_allclose(scan[healthy], gain * truth[healthy], atol=0.01)  # the T1w itself
        assert np.abs(scan - gain * truth)[lesion > 0].mean() > 0.05


def test_only_what_is_named_is_a_source(source):
    first, mask = source.pairs()[0][0], source.bank()[0]
    some = replace(source, only=(first, mask))
    assert [pair[0] for pair in some.pairs()] == [first]
    assert some.bank() == [mask]
    with pytest.raises(ValueError, match="_mask"):
        replace(source, only=(first,)).bank()


def test_a_share_of_healthy_samples(source, tmp_path):
    generate(source, tmp_path, GenerateSettings(seed=1, healthy=1.0), count=2)
    assert all(c.healthy for c in find_cases(tmp_path))
    next(tmp_path.glob("derivatives/sanum/sub-000001/anat/*healthy_T1w.nii.gz")).unlink()
    with pytest.raises(ValueError, match="sub-000001 lacks sub-000001_desc-healthy_T1w"):
        find_cases(tmp_path)
