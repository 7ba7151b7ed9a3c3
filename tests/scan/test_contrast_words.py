"""Which contrast names speak of; and ordinary words, which speak of none."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanum.scan.contrast import CONTRASTS, Decided
from sanum.scan.contrast_words import contrast_in_words, contrast_named, contrast_of, is_agent


@pytest.mark.parametrize("word", CONTRASTS)
def test_the_house_s_own_words_mean_themselves(word):
    for spelling in (word, word.lower(), word.upper()):
        assert contrast_named(spelling) == word


@pytest.mark.parametrize(
    ("words", "contrast"),
    [
        ("T1w T1 t1n T1-W t1_w UNIT1 inplaneT1 MPRAGE MP2RAGE BRAVO", "T1w"),
        ("T1c t1c t1ce T1CE t1gd T1-Gd T1+C T1wCE t1_post_gd", "T1wCE"),
        ("T2w T2 inplaneT2", "T2w"),
        ("FLAIR flair t2f T2-FLAIR t2flair fla FL", "FLAIR"),
        ("PD PDw pdw", "PD"),
        ("dwi DWI trace TRACEW", "DWI"),
        ("adc ADC", "ADC"),
        ("ct CT NCCT", "CT"),
        ("T2starw T2star", "T2starw"),
    ],
)
def test_other_names(words, contrast):
    assert {contrast_named(word) for word in words.split()} == {contrast}


@pytest.mark.parametrize("word", ["", "flute", "SPACE", "T1map", "t1post", "T3w", "brain", "nobody"])
def test_other_words_mean_no_contrast(word):
    assert contrast_named(word) is None


@pytest.mark.parametrize(
    ("contrast", "names"),
    {
        "T1w": "sub-1_T1w.nii.gz T1.mgz BraTS-GLI-00001-000-t1n.nii.gz sub-1_T1w_brain.nii.gz t1_bet.nii.gz "
        "sub-1_UNIT1.nii sub-1_inplaneT1.nii t1_mni_1mm.nii t1_0.8mm.nii sub-01-T1w.nii T1w_to_MNI152.nii "
        "T1_3D.nii 3DT1.nii patient3T1w.nii sub-1_MP2RAGE.nii mprage.mha t1_n4_reg_mni.nii "
        "sub-1_ce-none_T1w.nii IXI002-Guys-0828-T1.nii.gz T1w_brain_biascorr_iso1mm.nii",
        "T1wCE": "BraTS-GLI-00001-000-t1c.nii.gz BraTS20_001_t1ce.nii UPENN_001_T1-GD.nii T1_Gd.nrrd T1c.nii "
        "t1_post_contrast.nii sub-01_ce-gd_T1w.nii sub-01_ce-gadolinium_T1w_brain.nii.gz",
        "T2w": "BraTS20_001_t2.nii.gz a-t2w.nii sub-1_T2w.nii.gz t2_stripped.nii P1_T1_T2.nii "
        "sub-1_inplaneT2.nii",
        "FLAIR": "sub-1_acq-hi_flair.nii FL.nii FLA.nii 01_FL.nii fl.nii BraTS-GLI-00001-000-t2f.nii.gz "
        "t2_flair.nii T2-FLAIR.nii case01FLAIR.nii.gz sub-1_space-T1w_FLAIR.nii flair_in_mni.nii "
        "P1_T2_FLAIR.nii",
        "PD": "sub-1_PDw.nii.gz IXI002-Guys-0828-PD.nii.gz PD.nii",
        "DWI": "sub-1_dir-AP_dwi.nii.gz sub-1_trace.nii DWI_brain.nii",
        "ADC": "sub-1_adc.nii.gz ADC.nii",
        "CT": "head_desc-8bit_ct.nii.gz CT.nii.gz sub-1_ct.nii head_CT_brain.nii.gz sub-1_ce-iodine_ct.nii",
        "T2starw": "sub-1_T2starw.nii.gz",
    }.items(),
)
def test_file_names(contrast, names):
    assert {name: contrast_of(name) for name in names.split()} == dict.fromkeys(names.split(), contrast)


@pytest.mark.parametrize(
    "name",
    [
        *("scan.nii.gz", "flute.nii", "ctrl_01.nii", "pd_patient_3.nii", "t1_mni_mask.nii", "fact.nii.gz"),
        *(
            "sub-1_dseg.nii.gz",
            "sub-1_desc-T1w_mask.nii.gz",
            "sub-T1w.nii",
            "space-T1w.nii",
            "flair_lesions.nii",
        ),
        *(
            "lesion_fl.nii",
            "FL_patient.nii",
            "pd_brain.nii",
            "trace_1mm.nii",
            "head.nii",
            "brain.nii",
            "mni.nii",
        ),
        *(
            "SPACE.nii",
            "sub-1_SPACE.nii",
            "t1_post.nii",
            "T2_reg_T1.nii",
            "t2_to_t1.nii",
            "flair_in_t1_space.nii",
        ),
        *(
            "T1_vs_T2.nii",
            "T1w_and_FLAIR.nii",
            "NOFLAIR.nii",
            "t1_flair.nii",
            "st1.nii",
            "at2.nii",
            "act.nii",
        ),
        *(
            "project.nii",
            "sect.nii",
            "spectrum.nii",
            "dwight.nii",
            "adcock.nii",
            "petra.nii",
            "t10.nii",
            "t2d.nii",
        ),
        *(
            "sub-01.nii",
            "t1_map.nii",
            "T1map.nii",
            "t1_label.nii",
            "test1.nii",
            "part2.nii",
            "reg.nii",
            "iso.nii",
        ),
        *(
            "sub-1_inv-1_MP2RAGE.nii",
            ".nii.gz",
            "_.nii",
            "-.nii",
            "T1w_brain_mask.nii.gz",
            "sub-1_space-T2w_desc-brain.nii.gz",
        ),
    ],
)
def test_names_that_speak_of_no_contrast(name):
    assert contrast_of(name) is None


@given(st.text(alphabet=string.printable + "äß\u202e\udc80\x00._-", min_size=1, max_size=200))
def test_any_name_has_an_answer(name):
    found = contrast_of("in/" + name.replace("/", "_"))
    assert found is None or contrast_named(found) == found


@pytest.mark.parametrize(
    ("text", "contrast"),
    [
        ("FSE PD AXIAL OBL", "PD"),
        ("t1_mprage_sag_p2_iso", "T1w"),
        ("AX T2 FLAIR", "FLAIR"),
        ("SAG T1 FLAIR", "T1w"),
        ("ep2d_diff_3scan_trace_p2", "DWI"),
        ("ep2d_diff_3scan_trace ADC", "ADC"),
        ("Apparent Diffusion Coefficient (mm2/s)", "ADC"),
        ("DWI ADC", None),
        ("T1 AX +C", "T1wCE"),
        ("AX T1 POST CONTRAST", "T1wCE"),
        ("t1_mprage_km", "T1wCE"),
        ("T1 pre GD", "T1w"),
        ("T1 POST", "T1w"),
        ("PD/T2 TSE", None),
        ("t1_mp2rage_sag_INV2", None),
        ("HEAD", None),
        ("", None),
    ],
)
def test_free_text(text, contrast):
    assert contrast_in_words(text) == contrast


def test_names_of_agents():
    assert all(map(is_agent, ("gadolinium", "gd", "Gadovist 7.5 ml", "GADAVIST", "Yes")))
    assert not any(map(is_agent, ("", "none", "NO", " no contrast", "without", "0", "N/A")))


def test_who_said_it_in_words():
    assert str(Decided("T1wCE", "sidecar")) == "T1wCE, from the JSON file beside it"
    assert str(Decided(None, "user")) == "not told, as you said"
    assert str(Decided(None, "file name")) == "not known"
    assert [Decided(c, "user").told for c in ("CT", "T2starw", None)] == ["CT", "unknown", "unknown"]
    assert Decided().is_open
    assert not Decided(None, "user").is_open
    assert not Decided(None, "values").is_open
