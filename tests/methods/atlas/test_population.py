"""Unbiased atlases: phantoms with a known template, then files."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

import sanum
from sanum.data.attributes import parse_by
from sanum.methods.atlas.population import compare as comparing
from sanum.methods.atlas.population import jobs
from sanum.methods.atlas.population.atlas import read_atlas
from sanum.methods.atlas.population.build import Builder, in_turn
from sanum.methods.atlas.population.compare import compare, place, require_contrast
from sanum.methods.atlas.population.config import AtlasConfig
from sanum.methods.atlas.population.lay import add_labels, mean_affine, stretch_of
from sanum.methods.atlas.population.members import Member, group_of, grouped, labelled_alone, members_in
from sanum.methods.atlas.population.norms import norms_of
from sanum.methods.atlas.population.predict import open_atlas
from sanum.methods.atlas.population.prepared import prepare, read_labels
from sanum.methods.atlas.population.subject_files import SubjectFiles
from sanum.scan import Scan, ScanError
from sanum.space.deform import Stage, Target, deform, displacement_at
from sanum.space.similarity import Squares
from sanum.space.velocity import Lattice, compose, identity, jacobian, warp

SPACING = 4.0


def torso(shape, seed=0):
    """A body of 0.5 with organs, and their labels; smooth edges."""
    g = np.random.default_rng(seed)
    x = identity(shape)[0].numpy() / np.reshape(shape, (-1, *[1] * len(shape))) - 0.5
    image = 0.5 / (1 + np.exp(60 * (np.sqrt((x**2).sum(0)) - 0.36)))
    labels = (image > 0.25).astype(np.int32)
    for code in (2, 3, 4, 5):
        centre = g.uniform(-0.2, 0.2, len(shape)).reshape(-1, *[1] * len(shape))
        inside = 1 / (1 + np.exp(60 * (np.sqrt(((x - centre) ** 2).sum(0)) - 0.1)))
        image += (0.1 + 0.09 * code) * inside
        labels[inside > 0.5] = code
    return (image / image.max()).astype(np.float32), labels


def warps(lattice, count, size, seed=0):
    """Velocities whose mean is 0; the last is the most extreme."""
    g = torch.Generator().manual_seed(seed)
    v = torch.randn(count, len(lattice.shape), *lattice.points, generator=g)
    v[-1] *= 2
    v = v - v.mean(0)
    return v * size / displacement_at(v[:1], lattice).norm(dim=1).mean()


def warped(image, velocity, lattice):
    """An image after −v, so that v leads back."""
    return warp(torch.as_tensor(image)[None, None], displacement_at(-velocity, lattice))


def test_the_unbiased_mean_is_nearer_to_the_truth_than_the_naive_one():
    shape = (48, 40)
    lattice = Lattice(shape, 8)
    truth = torch.as_tensor(torso(shape)[0])
    velocities = warps(lattice, 6, 1.0)
    subjects = [warped(truth, v[None], lattice) for v in velocities]
    errors, template = {"reference": float((subjects[-1] - truth).abs().mean())}, subjects[-1]
    starts = [lattice.zeros()] * len(subjects)
    for number in range(2):
        target = Target(template, torch.ones(1, 1, *shape), lattice, Squares(), 1e-3)
        stages = (Stage(2, 30, 0.3),) if number == 0 else (Stage(2, 12, 0.1),)
        found = [deform(target, s, c, stages) for s, c in zip(subjects, starts, strict=True)]
        if number == 0:
            naive = (
                sum(warp(s, displacement_at(v, lattice)) for s, v in zip(subjects, found, strict=True)) / 8
            )
            errors["naive"] = float((naive - truth).abs().mean())
        mean = sum(found) / len(found)
        back = displacement_at(-mean, lattice)
        shifts = [compose(back, displacement_at(v, lattice)) for v in found]
        template = sum(warp(s, u) for s, u in zip(subjects, shifts, strict=True)) / len(subjects)
        starts = [v - mean for v in found]
    errors["unbiased"] = float((template - truth).abs().mean())
    assert errors["unbiased"] < 0.6 * min(errors["naive"], errors["reference"])
    assert (sum(shifts) / len(shifts))[0].norm(dim=0).mean() <= 0.1
    assert min(float(jacobian(u).min()) for u in shifts) > 0


def write_subjects(folder: Path, count: int, shape=(28, 32, 24), size=0.7) -> list[Member]:
    """Phantoms as NIfTI files, the first the most extreme; labels in a folder of their own."""
    truth, labels = torso(shape)
    lattice = Lattice(shape, 8)
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    (folder / "scans").mkdir(parents=True)
    (folder / "labels").mkdir()
    noise = np.random.default_rng(5)
    for n, v in enumerate(warps(lattice, count, size).flip(0)):
        image = warped(truth, v[None], lattice)[0, 0].numpy()
        one_hot = torch.stack([torch.as_tensor(labels == k).float() for k in range(6)])[None]
        own = warp(one_hot, displacement_at(-v[None], lattice))[0].argmax(0).numpy()
        image = 100 * image + noise.normal(0, 1, shape)
        nib.save(nib.Nifti1Image(image.astype(np.float32), affine), folder / "scans" / f"p{n}.nii.gz")
        nib.save(nib.Nifti1Image(own.astype(np.int16), affine), folder / "labels" / f"p{n}.nii.gz")
    return members_in(folder / "scans", str(folder / "labels"))


CONFIG = AtlasConfig(spacing_mm=SPACING, control_mm=32.0, stiffness=0.2, rounds=2, still=0.0, shading=False)


def built(folder: Path, members: list[Member], config=CONFIG):
    """Atlas of them, in turn."""
    work = SubjectFiles(folder / "work", folder / "work" / "prepared")
    return Builder(tuple(members), work, config, in_turn(members), None).build()


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """Phantoms are smooth: few steps do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "STAGES", (Stage(4, 1, 0.1), Stage(2, 25, 0.4)))
        patch.setattr(jobs, "WARM_STAGES", (Stage(2, 10, 0.1),))
        patch.setattr(comparing, "STAGES", (Stage(2, 25, 0.4),))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small atlas and its members."""
    folder = tmp_path_factory.mktemp("atlas")
    members = write_subjects(folder, 3, (24, 28, 20))
    return built(folder, members), members, folder


def test_an_atlas_of_files(made):
    atlas, members, _ = made
    assert all(m.labels is not None for m in members)
    assert list(atlas.names) == [1, 2, 3, 4, 5]
    assert atlas.shares.sum(-1).max() <= 1 + 1e-5
    assert atlas.shares[atlas.region].sum(-1).min() >= 0.5 - 1e-5
    rounds = atlas.about["rounds"]
    assert [r["name"] for r in rounds] == ["affine 1", "affine 2", "velocities 1", "velocities 2"]
    assert rounds[-1]["sharpness"] > rounds[1]["sharpness"]
    assert rounds[-1]["left_vox"] <= 0.1
    assert rounds[-1]["changed"] < rounds[-2]["changed"]
    assert not any(r["still"] for r in rounds)  # no change is below 0


def test_it_is_the_same_when_read_again(made, tmp_path):
    atlas = made[0]
    atlas.save(tmp_path / "a")
    again = read_atlas(tmp_path / "a")
    assert np.abs(again.template - atlas.template).max() < 2e-4 * atlas.template.max()
    assert np.abs(again.shares - atlas.shares).max() <= 0.5 / 255 + 1e-6
    np.testing.assert_array_equal(again.labels, atlas.labels)
    np.testing.assert_array_equal(again.region, atlas.region)
    assert again.about["subjects"] == atlas.about["subjects"]
    assert (again.norms is None) == (atlas.norms is None)
    (tmp_path / "a" / "spread.nii.gz").unlink()
    with pytest.raises(ScanError, match="not whole"):
        read_atlas(tmp_path / "a")
    about = json.loads((tmp_path / "a" / "atlas.json").read_text())
    (tmp_path / "a" / "atlas.json").write_text(json.dumps({**about, "version": 99}))
    with pytest.raises(ScanError, match="version 99, expected 1"):
        read_atlas(tmp_path / "a")


def test_what_is_strange_is_found_and_the_rest_is_not(made):
    atlas, members, _ = made
    scan = Scan(np.asarray(nib.load(members[1].path).dataobj, np.float32), np.diag([SPACING] * 3 + [1.0]))
    plain = compare(atlas, scan)
    assert plain.beyond < 0.02
    there = np.zeros(scan.voxels.shape, bool)
    middle = [n // 2 for n in there.shape]
    there[tuple(slice(m - 2, m + 2) for m in middle)] = True
    odd = scan.with_voxels(np.where(there, 160.0, scan.voxels).astype(np.float32))
    found = compare(atlas, odd, healthy=scan)
    assert np.median(found.z.voxels[there]) > 4
    assert found.beyond < 0.03
    assert np.abs(found.z_atlas.voxels).max() > 4


def test_volumes_of_a_subject_are_those_of_its_labels(made):
    atlas, members, _ = made
    own = np.asarray(nib.load(members[0].labels).dataobj)
    scan = Scan(np.asarray(nib.load(members[0].path).dataobj, np.float32), np.diag([SPACING] * 3 + [1.0]))
    placed = place(atlas, prepare(scan, CONFIG), CONFIG)
    truth = np.array([(own == k).sum() for k in atlas.names]) * SPACING**3 / 1000
    assert placed.volumes_ml.sum() == pytest.approx(truth.sum(), rel=0.05)
    assert np.abs(placed.volumes_ml / truth - 1)[0] < 0.06


@pytest.mark.full
def test_ten_people_in_three_dimensions(tmp_path):
    members = write_subjects(tmp_path, 10)
    atlas = built(tmp_path, members, replace(CONFIG, rounds=4, still=AtlasConfig().still))
    _, labels = torso((28, 32, 24))
    rounds = [r for r in atlas.about["rounds"] if r["name"].startswith("velocities")]
    assert rounds[-1]["left_vox"] <= 0.1
    assert [r["still"] for r in rounds] == [False] * (len(rounds) - 1) + [True]
    assert rounds[-1]["changed"] < 0.5 * rounds[-1]["unsure"]
    # where p of the people have a label, the truth has it about as often
    at = np.argwhere(atlas.region) + np.round((atlas.grid.affine[:3, 3]) / SPACING).astype(int)
    inside = np.all((at >= 0) & (at < labels.shape), axis=1)
    own = labels[tuple(at[inside].T)]
    for column, code in enumerate(atlas.names):
        share = atlas.shares[atlas.region][inside][:, column]
        for low, high in ((0.1, 0.5), (0.5, 0.9)):
            some = (share > low) & (share <= high)
            if some.sum() > 200:
                assert (own[some] == code).mean() == pytest.approx(share[some].mean(), abs=0.2)


def test_linear_shares_of_labels():
    rows = np.full((4, 4, 4), -1)
    rows[1, 1, 1], rows[2, 1, 1] = 0, 1
    counts = torch.zeros(2, 1, 1, 1)
    add_labels(counts, rows, np.array([1.25, 1, 1], np.float32).reshape(3, 1, 1, 1), np.ones((1, 1, 1)))
    assert counts.ravel().tolist() == pytest.approx([0.75, 0.25])


def test_the_mean_of_affines_and_its_stretch():
    g = np.random.default_rng(0)
    stretches = [np.diag([*np.exp(v), 1.0]) for v in g.normal(0, 0.1, (5, 3))]
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    turn[:3, 3] = (3, -5, 7)
    middle = mean_affine([turn @ s for s in stretches])
    expected = turn @ np.diag(np.exp(np.mean([np.log(np.diag(s)) for s in stretches], 0)))
    np.testing.assert_allclose(middle, expected, atol=1e-6)
    centre = np.array([1.0, 2, 3])
    symmetric = stretch_of(middle, centre)
    np.testing.assert_allclose(symmetric[:3, :3] @ centre + symmetric[:3, 3], centre)
    linear = middle[:3, :3] @ np.linalg.inv(symmetric[:3, :3])
    np.testing.assert_allclose(linear @ linear.T, np.eye(3), atol=1e-6)


def test_norms_find_age_and_sex():
    g = np.random.default_rng(1)
    ages, males = g.uniform(20, 80, 60), g.integers(0, 2, 60)
    volumes = (10 + 0.2 * (ages - 50) + 3 * males + g.normal(0, 1, 60))[:, None]
    columns = [{"age": f"{a:.1f}", "sex": "FM"[m]} for a, m in zip(ages, males, strict=True)]
    norms = norms_of(volumes, columns)
    assert norms.terms == ("one", "age", "male")
    assert norms.expected(70, "M")[0] == pytest.approx(17, abs=0.7)
    assert norms.percentile(norms.expected(40, "F"), 40, "F")[0] == pytest.approx(50)
    people = zip(volumes, ages, males, strict=True)
    percentiles = np.array([norms.percentile(v, a, "FM"[m])[0] for v, a, m in people])
    assert ((percentiles > 5) & (percentiles < 95)).mean() == pytest.approx(0.9, abs=0.07)
    assert norms_of(volumes, [{}] * 60).terms == ("one",)
    women = [{"age": str(a), "sex": "F"} for a in range(30, 40)] + [{"sex": "M"}] * 2
    assert norms_of(volumes[:12], women).terms == ("one", "age")
    alike = [{"age": "30", "sex": "F"}] * 10 + [{"age": "40", "sex": "M"}] * 10
    assert norms_of(volumes[:20], alike).terms == ("one", "age")


class TestSubgroups:
    """Who goes where."""

    def member(self, name, **columns):
        return Member(Path(f"sub-{name}_T1w.nii.gz"), None, columns)

    def test_values_and_bands(self):
        split = parse_by("sex,age:40,60")
        told = {"age": "40", "sex": "F"}
        assert "_".join(group_of(one, told) for one in split) == "sex-F_age-40to60"
        assert group_of(split[1], {"Age": "71"}) == "age-60up"
        assert group_of(split[1], {"age": "3"}) == "age-underto40"
        with pytest.raises(ValueError, match='a cut is a number, as in age:40,60, got "old"'):
            parse_by("age:old")
        with pytest.raises(ValueError, match="cuts rise, as in age:40,60, got 60, 40"):
            parse_by("age:60,40")
        assert group_of(parse_by("site")[0], {"site": "../MR/1"}) == "site---MR-1"

    def test_who_is_not_known_is_named(self):
        them = [self.member("1", sex="F"), self.member("2", sex="n/a"), self.member("3")]
        with pytest.raises(ValueError, match=r"2 of 3 subjects \(sub-2: no sex; sub-3: no sex\)"):
            grouped(them, parse_by("sex"))

    def test_small_groups_are_refused(self):
        them = [self.member(str(n), sex="F") for n in range(3)] + [self.member("9", sex="M")]
        with pytest.raises(ValueError, match="at least 3 subjects, and sex-M has 1"):
            grouped(them, parse_by("sex"))
        with pytest.raises(ValueError, match="at least 3 subjects, got 2"):
            grouped(them[:2], ())


class TestBadInput:
    """One sentence each."""

    def scan(self, shape=(12, 12, 12), corner=0.0, contrast=None):
        affine = np.diag([SPACING] * 3 + [1.0])
        affine[:3, 3] = corner
        values = np.random.default_rng(0).random(shape, np.float32)
        return Scan(values, affine, contrast=contrast)

    def test_labels_that_lie_elsewhere(self, tmp_path):
        path = tmp_path / "labels.nii.gz"
        far = self.scan(corner=500.0)
        nib.save(nib.Nifti1Image(np.ones(far.voxels.shape, np.uint8), far.affine), path)
        with pytest.raises(ScanError, match=r"lies on another grid than s\.nii: 0% of its labels"):
            read_labels(path, self.scan().grid, "s.nii")
        nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), path)
        with pytest.raises(ScanError, match="holds no labels"):
            read_labels(path, self.scan().grid, "s.nii")

    def test_another_contrast(self, made):
        with pytest.raises(ScanError, match="the scan is FLAIR and the atlas T1w"):
            require_contrast(replace(made[0], contrast="T1w"), self.scan(contrast="FLAIR"))

    def test_another_part_of_the_body(self, made):
        nowhere = Scan(np.zeros((8, 8, 8), np.uint8), np.diag([SPACING] * 3 + [1.0]))
        with pytest.raises(ScanError, match="lies beyond the scan: are the mask and the scan of one head"):
            made[0].compare(self.scan(), brain=nowhere, healthy=self.scan())

    def test_one_value_everywhere(self):
        flat = Scan(np.ones((8, 8, 8), np.float32), np.eye(4))
        with pytest.raises(ScanError, match="one value everywhere"):
            prepare(flat, CONFIG)

    def test_no_atlas(self, tmp_path):
        with pytest.raises(ScanError, match='no atlas "nobody"'):
            open_atlas("nobody")
        with pytest.raises(ScanError, match="is no atlas: expected a folder with"):
            open_atlas(str(tmp_path))

    def test_labels_that_are_needed(self, tmp_path):
        them = [Member(Path(f"{n}.nii")) for n in range(3)]
        with pytest.raises(ValueError, match="there are no labels"):
            built(tmp_path, them, replace(CONFIG, masked=True))
        with pytest.raises(ValueError, match=r"1 of 3 subjects have no labels, such as 2"):
            built(tmp_path, [*(replace(m, labels=m.path) for m in them[:2]), them[2]])


def test_a_data_set_with_and_without_labels(tmp_path):
    for name in ("1", "2", "3"):
        path = tmp_path / f"sub-{name}" / "anat" / f"sub-{name}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)), path)
    found = members_in(tmp_path)
    assert [m.subject for m in found] == ["sub-1", "sub-2", "sub-3"]
    assert labelled_alone(found) == (found, [])
    map_ = tmp_path / "derivatives" / "x" / "sub-2" / "anat" / "sub-2_dseg.nii.gz"
    map_.parent.mkdir(parents=True)
    map_.write_bytes((tmp_path / "sub-2" / "anat" / "sub-2_T1w.nii.gz").read_bytes())
    those, others = labelled_alone(members_in(tmp_path))
    assert [m.labels for m in those] == [map_]
    assert others == ["sub-1", "sub-3"]


def test_the_atlas_that_ships():
    adults = sanum.load("population")
    assert len(adults.about["subjects"]) == 56
    assert adults.norms.terms == ("one", "age", "male")
    assert set(adults.about["tissues"]) == {"grey matter", "white matter", "fluid"}
    white = adults.tissues[..., 1] > 0.95
    fluid = adults.tissues[..., 2] > 0.95
    assert adults.template[white].mean() > 2 * adults.template[fluid].mean()
    held_out = {"sub-608", "sub-609", "sub-610", "sub-611", "sub-634", "sub-635", "sub-636", "sub-637"}
    assert not held_out & set(adults.about["subjects"])
    ventricles = [n for n, name in enumerate(adults.names.values()) if "LateralVentricle" in name]
    young, old = (adults.norms.expected(age, "F")[ventricles].sum() for age in (45, 70))
    assert old > 1.2 * young
