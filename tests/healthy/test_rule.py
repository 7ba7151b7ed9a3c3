"""The rule in the header of the weights: as it was written, or refused in one sentence."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanum.healthy.network import network
from sanum.healthy.reconstruction import reconstruct
from sanum.healthy.rule import KEY, rule_from, rule_of, to_header
from sanum.methods import registry
from sanum.weights.file import WeightsError, load_weights, save_weights
from sanum.weights.store import resolve

from .rules import PROMISE, RULE

HEADER = to_header(RULE)


def test_it_is_read_as_it_was_written():
    assert rule_from(json.loads(json.dumps(HEADER))) == RULE


def test_a_contrast_without_a_promise_has_that_of_the_unknown():
    assert RULE.promise("T1w").scans == 16
    assert RULE.promise("bold") == RULE.promise(None) == RULE.promise("FLAIR") == PROMISE


def test_a_promise_in_words():
    assert str(PROMISE) == "at most 1 mL in 90% of healthy scans, by 9 made scans"


WRONG = [
    ([], "expected a table of"),
    ({k: v for k, v in HEADER.items() if k != "base"}, "expected a table of"),
    (HEADER | {"more": 1}, "expected a table of"),
    (HEADER | {"network": -0.1}, r"network is -0.1, expected a number from 0 to 100"),
    (HEADER | {"around": True}, "around is True"),
    (HEADER | {"base": float("nan")}, "base is nan"),
    (HEADER | {"base": 10**400}, "base is 1000"),
    (HEADER | {"base": float("-inf")}, "base is -inf"),
    (HEADER | {"alone": "much"}, "alone is 'much'"),
    (HEADER | {"promises": {}}, '"unknown"'),
    (HEADER | {"promises": None}, '"unknown"'),
    (HEADER | {"promises": {**HEADER["promises"], "T9w": {}}}, "'T9w', which is no contrast"),
    (HEADER | {"promises": {"unknown": {"ml": 1}}}, "the promise of unknown is no table of"),
    (HEADER | {"promises": {"unknown": HEADER["promises"]["T1w"] | {"alpha": 1.5}}}, "alpha of unknown"),
    (HEADER | {"promises": {"unknown": HEADER["promises"]["T1w"] | {"ml": -1}}}, "ml of unknown is -1"),
    (HEADER | {"promises": {"unknown": HEADER["promises"]["T1w"] | {"scans": 0}}}, "on how many scans"),
    (HEADER | {"promises": {"unknown": HEADER["promises"]["T1w"] | {"on": 3}}}, "on how many scans"),
]


@pytest.mark.parametrize(("said", "why"), WRONG)
def test_what_is_no_rule_is_refused(said, why):
    with pytest.raises(ValueError, match=why):
        rule_from(said)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(HEADER)), JSON)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_value_of_json_does_worse_than_a_refusal(name, value):
    with contextlib.suppress(ValueError):
        assert getattr(rule_from(HEADER | {name: value}), name) == pytest.approx(value)


class TestWeights:
    @pytest.fixture
    def shipped(self):
        state, description = load_weights(resolve("una-compact"))
        return state, {k: v for k, v in description.items() if k not in ("format", KEY)}

    def test_a_network_has_the_rule_of_its_file(self, shipped, tmp_path):
        save_weights(tmp_path / "w.safetensors", shipped[0], **shipped[1], **{KEY: HEADER})
        predictor = registry.load(weights=tmp_path / "w.safetensors")
        assert rule_of(predictor) == RULE
        plain = registry.load(weights="una-compact")
        for x, y in zip(predictor.net.parameters(), plain.net.parameters(), strict=True):
            assert torch.equal(x, y)

    def test_a_broken_rule_is_one_sentence_before_any_scan(self, shipped, tmp_path):
        save_weights(tmp_path / "w.safetensors", shipped[0], **shipped[1], **{KEY: HEADER | {"alone": -1}})
        with pytest.raises(
            WeightsError, match=r"^w.safetensors has a rule .* \(alone is -1, .*\); take an"
        ) as e:
            network(weights=tmp_path / "w.safetensors", device="cpu")
        assert "\n" not in str(e.value)

    def test_a_method_that_knows_of_no_rule_has_none(self, phantom_predictor):
        assert rule_of(phantom_predictor) is None

    @pytest.mark.usefixtures("rough_mirror")
    def test_a_predictor_with_a_broken_rule_is_refused_too(self, phantom, phantom_predictor):
        phantom_predictor.witnesses = {"base": 1}
        with pytest.raises(WeightsError, match="cannot be used"):
            reconstruct(phantom, predictor=phantom_predictor)


@pytest.mark.usefixtures("rough_mirror")
class TestMainJob:
    def test_without_a_rule_the_network_stands_alone_and_the_record_says_so(self, phantom, phantom_predictor):
        result = reconstruct(phantom, predictor=phantom_predictor)
        assert result.provenance["witnesses"] == "network alone: these weights have no rule"
        np.testing.assert_array_equal(result.anomaly.voxels, result.network.voxels)
        np.testing.assert_array_equal(result.anomaly_mask.voxels, result.network.voxels > 0.5)
        assert result.network.voxels.max() > 0.9
        assert not any("anomaly map" in w for w in result.warnings)

    def test_with_a_rule_both_are_heard(self, phantom, phantom_predictor):
        phantom_predictor.witnesses = to_header(replace(RULE, base=-1.0))
        result = reconstruct(phantom, predictor=phantom_predictor)
        assert result.provenance["witnesses"].startswith(
            "network and own contrast; mask: at most 1 mL in 90%"
        )
        np.testing.assert_array_equal(result.anomaly_mask.voxels, result.anomaly.voxels > 0.5)
        assert (result.anomaly.voxels != result.network.voxels).any()
        assert result.residual.grid.same_as(phantom.grid)
        assert result.residual.voxels.any()
