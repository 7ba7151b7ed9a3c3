"""Graph, columns, network and pruning of ms-lesions, each against something computed by hand."""

import numpy as np
import pytest
import torch

from sanum.data.lesion_graphs import PatientLesions
from sanum.methods.graphs.ms_lesions.columns import Encoding, learn_encoding
from sanum.methods.graphs.ms_lesions.graph import Graph, GraphConfig, collate, edges, propagation
from sanum.methods.graphs.ms_lesions.model import LesionNet, LesionNetConfig, keep
from sanum.methods.graphs.ms_lesions.recipe import RECIPES, LesionGraphRecipe
from sanum.methods.graphs.ms_lesions.source import LesionSource, strata_of

RNG = np.random.default_rng(0)


def random_graph(n, features=5, outcome=0):
    places = RNG.uniform(-60, 60, (n, 3))
    spread = propagation(places, GraphConfig(neighbours=3)).astype(np.float32)
    return Graph(
        torch.from_numpy(RNG.normal(size=(n, features)).astype(np.float32)), torch.from_numpy(spread), outcome
    )


def said(net, graphs):
    batch = collate(graphs)
    return net(batch["nodes"], batch["spread"], batch["there"])


def made_up(name, n, outcome, **columns):
    rng = np.random.default_rng(sum(map(ord, name)))
    own = {"volume": rng.normal(size=n), **columns}
    return PatientLesions(name, rng.uniform(-60, 60, (n, 3)), own, outcome)


# --- graph


def test_edges_are_those_of_the_k_nearest_and_weights_the_kernels():
    places = RNG.uniform(-60, 60, (30, 3))
    for kernel, weight in (
        ("exponential", lambda d: np.exp(-d / 10)),
        ("gaussian", lambda d: np.exp(-(d**2) / 200)),
    ):
        found = edges(places, GraphConfig(neighbours=4, kernel=kernel))
        for i in range(30):
            distance = np.linalg.norm(places - places[i], axis=1)
            nearest = [j for j in np.argsort(distance) if j != i][:4]
            slow = np.zeros(30)
            slow[nearest] = weight(distance[nearest])
            np.testing.assert_allclose(found[i], slow, rtol=1e-12)
    assert (found != found.T).any()  # directed


def test_few_lesions_hear_of_all_and_one_alone_of_itself():
    assert (edges(RNG.normal(size=(4, 3)), GraphConfig()) > 0).sum() == 12
    for normalised in (False, True):
        np.testing.assert_array_equal(propagation([[1.0, 2, 3]], GraphConfig(normalised=normalised)), [[1.0]])
    together = propagation(np.zeros((3, 3)), GraphConfig())  # three in one place
    np.testing.assert_allclose(together, np.ones((3, 3)))


def test_normalised_propagation_is_that_of_kipf_and_welling():
    places = RNG.uniform(-20, 20, (6, 3))
    own = edges(places, GraphConfig()) + np.eye(6)
    slow = [[own[i, j] / np.sqrt(own[i].sum() * own[j].sum()) for j in range(6)] for i in range(6)]
    np.testing.assert_allclose(propagation(places, GraphConfig(normalised=True)), slow)
    np.testing.assert_allclose(propagation(places, GraphConfig()), own)


# --- network


@pytest.mark.parametrize("gated", [True, False])
def test_padding_and_the_order_of_lesions_change_nothing(gated):
    torch.manual_seed(0)
    net = LesionNet(5, LesionNetConfig(gated=gated)).eval()
    graphs = [random_graph(n) for n in (1, 7, 12)]
    together = said(net, graphs)
    for b, graph in enumerate(graphs):
        n = len(graph.nodes)
        alone = said(net, [graph])
        torch.testing.assert_close(together.logits[b], alone.logits[0])
        torch.testing.assert_close(together.importance[b, :n], alone.importance[0])
        assert not together.kept[b, n:].any()
        assert not together.importance[b, n:].any()
        order = torch.randperm(n)
        turned = said(net, [Graph(graph.nodes[order], graph.spread[order][:, order])])
        torch.testing.assert_close(turned.logits[0], alone.logits[0])
        torch.testing.assert_close(turned.importance[0], alone.importance[0][order])


def test_the_better_half_is_kept_rounded_up():
    score = torch.rand(50, 40)
    there = torch.arange(40) < torch.randint(1, 41, (50, 1))
    for ratio in (0.1, 0.3, 0.5, 0.7, 1.0):
        kept = keep(score, there, ratio)
        for row, mask, chosen in zip(score, there, kept, strict=True):
            n = int(mask.sum())
            k = -(-round(ratio * 10) * n // 10)  # exact ceiling
            assert chosen.sum() == k >= 1
            best = set(sorted(range(n), key=lambda i: -float(row[i]))[:k])
            assert set(chosen.nonzero().flatten().tolist()) == best
    assert keep(torch.ones(1, 3), torch.ones(1, 3, dtype=torch.bool), 0.5).tolist() == [[True, True, False]]


def test_the_gradient_reaches_the_pruning_vector_only_through_the_gate():
    torch.manual_seed(1)
    for gated in (True, False):
        net = LesionNet(5, LesionNetConfig(gated=gated, dropout=0.0))
        torch.nn.functional.cross_entropy(said(net, [random_graph(9)]).logits, torch.tensor([1])).backward()
        if gated:
            assert net.direction.grad.abs().sum() > 1e-6
        else:
            assert net.direction.grad is None
        assert net.enter.weight.grad.abs().sum() > 0


def test_the_layer_is_its_formula():
    torch.manual_seed(0)
    net = LesionNet(5, LesionNetConfig(width=6, hidden=4)).eval()
    graph = random_graph(3)
    x = net.enter(graph.nodes)
    heard = []
    for i in range(3):
        total = sum(graph.spread[i, j] * (net.first.linear.weight @ x[j]) for j in range(3))
        heard.append(net.first.after(total + net.first.bias))
    torch.testing.assert_close(net.first(x, graph.spread), torch.stack(heard))


# --- columns


def test_numbers_are_standardised_words_become_numbers_and_gaps_the_mean():
    one = made_up(
        "a", 3, 0, size=np.array([1.0, 3.0, np.nan]), lobe=np.array(["f", "o", ""]), flat=np.ones(3)
    )
    two = made_up("b", 1, 1, size=np.array([5.0]), lobe=np.array(["f"]), flat=np.ones(1))
    encoding, notes = learn_encoding([one, two], ["size", "lobe", "flat"])
    assert notes == [
        "column size lacks 1 of 4 values: their mean stands in",
        "column lobe lacks 1 of 4 values: they count as none of its words",
        "column flat has one value for all lesions: it is left out",
    ]
    assert encoding.size == 1 + 2 + 3
    sd = np.std([1, 3, 5])
    expected = [[-2 / sd, 1, 0], [0, 0, 1], [0, 0, 0]]
    np.testing.assert_allclose(encoding.encode(one)[:, :3], expected, rtol=1e-6)
    np.testing.assert_allclose(encoding.encode(one)[:, 3:], one.centres_mm / 128, rtol=1e-6)
    assert Encoding.from_list(encoding.as_list()) == encoding
    other = made_up("c", 1, None, size=np.array([2.0]), lobe=np.array(["new"]))
    np.testing.assert_allclose(encoding.encode(other)[0, 1:3], 0)  # an unknown word
    with pytest.raises(ValueError, match="c has no column lobe, which the network has learned from"):
        encoding.encode(made_up("c", 1, None, size=np.array([2.0])))
    with pytest.raises(ValueError, match='column size has "big" where the network has learned from numbers'):
        encoding.encode(made_up("c", 1, None, size=np.array(["big"]), lobe=np.array(["f"])))
    with pytest.raises(ValueError, match="there is no column age: there are volume, size, lobe, flat"):
        learn_encoding([one, two], ["age"])


def test_columns_of_no_use_are_left_out_with_a_word():
    words = np.array([f"w{n}" for n in range(30)])
    columns = {"volume": np.full(30, 7.0), "file": words, "empty": np.full(30, np.nan)}
    encoding, notes = learn_encoding([made_up("a", 30, 0, **columns)])
    assert encoding.size == 3
    assert notes == [
        "column volume has one value for all lesions: it is left out",
        "column file has 30 different words, more than 20: it is left out",
        "column empty has no values: it is left out",
    ]


# --- source


def people(count=12):
    return [made_up(f"p{n}", 1 + (5 * n) % 14, n % 2) for n in range(count)]


def test_normalisation_is_of_those_learned_from_alone():
    everyone = people()
    source = LesionSource(RECIPES["ms-lesions"], everyone[:8], everyone[8:])
    seen = np.concatenate([p.columns["volume"] for p in everyone[:8]])
    (code,) = source.encoding.codes
    assert (code.mean, code.sd) == pytest.approx((seen.mean(), seen.std()))


def test_samples_are_balanced_and_the_patients_stay_where_they_are():
    few = [made_up("rare", 4, 1), *(made_up(f"p{n}", 3, 0) for n in range(9))]
    source = LesionSource(RECIPES["ms-lesions"], few, few)
    before = [graph.nodes.clone() for graph in source.graphs]
    samples = [source.sample(n) for n in range(400)]
    assert np.mean([s.outcome for s in samples]) == pytest.approx(0.5, abs=0.08)
    assert all(torch.equal(a, g.nodes) for a, g in zip(before, source.graphs, strict=True))
    shifts = [s.nodes - before[0] for s in samples if s.outcome == 1]
    assert all(not x[:, :-3].any() for x in shifts)
    assert 0.015 < max(float(x.abs().max()) for x in shifts) <= 0.02 + 1e-6
    torch.testing.assert_close(source.sample(5).nodes, samples[5].nodes)


def test_who_cannot_be_learned_from_is_named():
    with pytest.raises(ValueError, match="no outcome is known of p1"):
        strata_of([made_up("p0", 2, 0), made_up("p1", 2, None)], 1)
    with pytest.raises(ValueError, match="two patients are called p0"):
        strata_of([made_up("p0", 2, 0), made_up("p0", 2, 1)], 1)
    with pytest.raises(ValueError, match=r"expected 2 or more patients with outcome 1, got 1$"):
        LesionSource(RECIPES["ms-lesions"], people(3))
    crowd = PatientLesions("crowd", np.zeros((2001, 3)), {"volume": np.zeros(2001)}, 0)
    with pytest.raises(ValueError, match="crowd has 2001 lesions, expected at most 2000"):
        LesionSource(RECIPES["ms-lesions"], [*people(4), crowd], people(4))
    for settings, sentence in (
        ({"jitter": -1.0}, "jitter must be at least 0"),
        ({"hold_out": 0.0}, "hold_out must be above 0"),
        ({"validate_every": 0}, "validate_every must be at least 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            LesionGraphRecipe("ms-lesions", **settings)
    for bad, sentence in (
        ({"ratio": 0.0}, "ratio"),
        ({"dropout": 1.0}, "dropout"),
        ({"hidden": 1}, "hidden"),
    ):
        with pytest.raises(ValueError, match=f"model.{sentence} must be"):
            LesionNetConfig(**bad)
    for bad in ({"neighbours": 0}, {"length_mm": 0.0}):
        with pytest.raises(ValueError, match=f"graph.{next(iter(bad))} must be"):
            GraphConfig(**bad)
