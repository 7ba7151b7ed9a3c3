"""The networks: what holds whatever they have learned, their samples, their training, and their files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import sanum
from sanum.kspace.coils import combined, made_up
from sanum.kspace.encoding import CoilEncoding, coils_consistent
from sanum.kspace.fourier import fft
from sanum.kspace.sampling import lattice
from sanum.methods.common.training import Start, train
from sanum.methods.recovery.kt.model import KtNet, KtNetConfig
from sanum.methods.recovery.kt.network import load_network
from sanum.methods.recovery.kt.planes import BothWays
from sanum.methods.recovery.kt.recipe import NETWORKS, RECIPES
from sanum.methods.recovery.kt.sampling import KtSamplingConfig, collated, made_up_sample
from sanum.methods.recovery.kt.source import MADE_UP, TRAIN, VALIDATION, KtSource
from sanum.methods.recovery.kt.stages import from_domain, to_domain
from sanum.weights.file import WeightsError, save_weights

SMALL = KtSamplingConfig(size=16, frames=8, columns=4, coils=(2, 3), acceleration=(2, 4))


def drawn(*shape: int) -> torch.Tensor:
    """Complex128, always the same."""
    real, imaginary = np.random.default_rng(0).normal(size=(2, *shape))
    return torch.complex(torch.from_numpy(real), torch.from_numpy(imaginary))


def random_net(config: KtNetConfig, seed: int = 0) -> KtNet:
    """A network that changes what it sees: its last layers are not 0."""
    torch.manual_seed(seed)
    net = KtNet(replace(config, widths=(8, 8)))
    for part in net.modules():
        if hasattr(part, "last"):
            torch.nn.init.normal_(part.last.weight, std=0.02)
        for carry in getattr(part, "carry", ()):
            torch.nn.init.normal_(carry.weight, std=0.1)
    return net.requires_grad_(False)


@pytest.fixture
def batch():
    """Two samples, one with fewer coils."""
    rngs = [np.random.default_rng([5, n]) for n in range(2)]
    two = [made_up_sample(replace(SMALL, coils=(n, n)), rng) for n, rng in zip((2, 3), rngs, strict=True)]
    return collated(two)


def one_coil(batch):
    """A slice of one coil that sees all alike, and whatever was measured."""
    return batch["kspace"][:1, :1], torch.ones_like(batch["maps"][:1, :1]), batch["mask"][:1]


@pytest.mark.parametrize("domain", ["xt", "xf", "kt"])
def test_a_domain_keeps_norms_and_has_an_inverse(domain):
    x, y = drawn(2, 3, 8, 6, 5)
    there = to_domain(x, domain)
    torch.testing.assert_close(from_domain(there, domain), x)
    torch.testing.assert_close((there.conj() * to_domain(y, domain)).sum(), (x.conj() * y).sum())


def test_coils_are_left_as_measured_and_soft_tends_to_hard():
    x, y = drawn(2, 4, 8, 12, 5)
    mask = lattice(8, 12, 4)
    hard, lines = coils_consistent(x, y, mask), mask[None, :, :, None].expand_as(x)
    k = fft(hard, -2)
    torch.testing.assert_close(k[lines], y[lines], atol=1e-12, rtol=0)
    torch.testing.assert_close(k[~lines], fft(x, -2)[~lines])
    apart = [float((coils_consistent(x, y, mask, nu) - hard).norm()) for nu in (1e-1, 1e-3, 1e-5)]
    np.testing.assert_allclose(apart, apart[0] * np.array([1, 1e-2, 1e-4]))
    torch.testing.assert_close(coils_consistent(x, y, mask, 1.0), x)


@pytest.mark.parametrize("nu", [0.0, 0.3])
def test_coil_by_coil_equals_combined_where_coils_are_known(nu):
    maps = made_up(4, (12, 5), rng=np.random.default_rng(0)).to(torch.complex128)
    x, y = drawn(8, 12, 5), drawn(4, 8, 12, 5)
    encoding = CoilEncoding(maps / maps.abs().square().sum(0).sqrt(), lattice(8, 12, 3))
    each = coils_consistent(encoding.maps[:, None] * x, y, encoding.mask, nu)
    torch.testing.assert_close(combined(each, encoding.maps), encoding.consistent(x, y, nu))


@pytest.mark.parametrize("domains", [("xt",), ("xf", "kt"), ("both",)])
def test_a_network_that_sees_coils_equals_one_that_sees_the_only_coil(batch, domains):
    one, each = (random_net(KtNetConfig(domains, coils=coils)) for coils in (0, 1))
    each.load_state_dict(one.state_dict())
    torch.testing.assert_close(one(*one_coil(batch)), each(*one_coil(batch)))


@pytest.mark.parametrize("coils", [0, 3])
def test_hard_consistency_of_a_network_leaves_measured_lines(batch, coils):
    kspace, maps, mask = one_coil(batch)
    lines = mask[0, :, :, None].expand_as(kspace[0, 0])
    for mean in (True, False):
        found = random_net(KtNetConfig(("xf", "xt"), mean=mean, coils=coils))(kspace, maps, mask)
        torch.testing.assert_close(fft(found[0], -2)[lines], kspace[0, 0][lines], atol=1e-5, rtol=0)
    free = random_net(KtNetConfig(consistency="none", coils=coils))(kspace, maps, mask)
    assert (fft(free[0], -2)[lines] - kspace[0, 0][lines]).abs().max() > 1e-3


def test_soft_consistency_without_doubt_is_hard(batch):
    seen = batch["kspace"], batch["maps"], batch["mask"]
    hard, soft = random_net(KtNetConfig()), random_net(KtNetConfig(consistency="soft"))
    soft.load_state_dict({**hard.state_dict(), "doubt": torch.tensor([-30.0])})
    torch.testing.assert_close(soft(*seen), hard(*seen))
    soft.doubt.fill_(0.0)
    assert (soft(*seen) - hard(*seen)).abs().max() > 1e-4


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("coils", [0, 3])
def test_the_mean_that_is_subtracted_comes_back(batch, mean, coils):
    """All lines, and nothing learned yet: the movie is what was measured."""
    movie, maps = batch["truth"], batch["maps"]
    net = KtNet(KtNetConfig(mean=mean, coils=coils)).requires_grad_(False)
    full = fft(maps[:, :, None] * movie[:, None], -2)
    torch.testing.assert_close(net(full, maps, torch.ones_like(batch["mask"])), movie, atol=1e-5, rtol=0)


def test_a_cascade_of_one_is_the_single_network(batch):
    seen = one_coil(batch)
    for consistency in ("none", "hard"):
        single = random_net(KtNetConfig(consistency=consistency))
        cascade = KtNet(replace(single.config, domains=("xf", "kt"))).requires_grad_(
            False
        )  # the second adds 0
        cascade.stages[0].load_state_dict(single.stages[0].state_dict())
        torch.testing.assert_close(cascade(*seen), single(*seen), atol=1e-5, rtol=1e-4)


def test_complementary_networks_are_one_in_xf_where_only_that_counts(batch):
    seen = one_coil(batch)
    single, both = random_net(KtNetConfig()), random_net(KtNetConfig(("both",)))
    both.stages[0].in_xf.load_state_dict(single.stages[0].unet.state_dict())
    both.stages[0].weight.fill_(40.0)
    torch.testing.assert_close(both(*seen), single(*seen))
    both.stages[0].weight.fill_(0.0)
    assert (both(*seen) - single(*seen)).abs().max() > 1e-4


def test_repeats_share_their_weights_and_remember(batch):
    seen = one_coil(batch)
    once, again = (random_net(KtNetConfig(("both",), repeats=n)) for n in (1, 2))
    again.load_state_dict(once.state_dict())
    remembering = again(*seen)
    for net in (once, again):
        first = net(*seen)
        for carry in net.stages[0].carry:
            carry.weight.zero_()
            carry.bias.zero_()
        assert torch.equal(first, net(*seen)) == (net is once)
    assert (remembering - once(*seen)).abs().max() > 1e-4


def test_a_recurrent_network_hears_of_frames_far_away():
    """Forwards and backwards: its convolutions alone reach six frames."""
    torch.manual_seed(0)
    net = BothWays(1, 1, 8).requires_grad_(False)
    torch.nn.init.normal_(net.last.weight)
    still = torch.zeros(4, 1, 6, 32)
    for at, heard in ((8, 20), (24, 12)):
        moved = still.clone()
        moved[:, :, 2, at] = 10.0
        apart = (net(moved, 4)[0] - net(still, 4)[0]).abs().amax((0, 1, 2))
        assert apart[heard] > 1e-6


def test_brightness_shifts_along_x_and_further_coils_change_nothing(batch):
    net = random_net(KtNetConfig())
    kspace, maps, mask = batch["kspace"], batch["maps"], batch["mask"]
    found = net(kspace, maps, mask)
    torch.testing.assert_close(net(1e4 * kspace, maps, mask), 1e4 * found, rtol=1e-3, atol=1)
    alone = net(kspace[:1, :2], maps[:1, :2], mask[:1])
    torch.testing.assert_close(found[:1], alone)


def test_odd_sizes_and_too_many_coils():
    rng = np.random.default_rng(2)
    kspace = drawn(1, 3, 9, 11, 3).to(torch.complex64)
    maps, mask = made_up(3, (11, 3), rng=rng)[None], torch.from_numpy(rng.uniform(size=(1, 9, 11)) < 0.5)
    assert random_net(KtNetConfig(("kt", "xf")))(kspace, maps, mask).shape == (1, 9, 11, 3)
    with pytest.raises(ValueError, match="at most 2 coils, got 3: choose one that sees the combined image"):
        random_net(KtNetConfig(coils=2))(kspace, maps, mask)


@pytest.mark.parametrize(
    "wrong",
    [
        {"domains": ()},
        {"domains": ("kf",)},
        {"repeats": 0},
        {"widths": (4,)},
        {"consistency": "firm"},
        {"coils": 65},
    ],
)
def test_shapes_that_no_network_has(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}"):
        KtNetConfig(**wrong)


def small(name="kt-unet-xf", **changes):
    recipe = RECIPES[name]
    loop = replace(recipe.loop, steps=2, warmup=0, ema=0.0, save_every=1)
    model = replace(recipe.model, widths=(8,))
    made = replace(recipe, loop=loop, model=model, sampling=SMALL, validation=2, batch_size=2)
    return replace(made, **changes)


def test_a_sample_depends_on_its_number_and_validation_is_apart():
    source, again = (KtSource(small(), Path(MADE_UP)) for _ in range(2))
    first = source.sample(3, TRAIN)
    assert all(torch.equal(x, again.sample(3, TRAIN)[name]) for name, x in first.items())
    assert not torch.equal(first["truth"], source.sample(3, VALIDATION)["truth"])
    assert not torch.equal(first["truth"], source.sample(4, TRAIN)["truth"])
    batch = next(source.batches(iter([range(3, 5)])))
    torch.testing.assert_close(batch["truth"][0], first["truth"])
    measured = first["mask"][:, :, None].expand_as(first["kspace"][0])
    assert (first["kspace"][:, ~measured] == 0).all()


def test_a_training_goes_on_and_its_weights_recover(tmp_path):
    recipe = small()
    whole = train(recipe, Path(MADE_UP), tmp_path / "whole")
    with pytest.raises(RuntimeError, match="stopped after step 1"):
        train(recipe, Path(MADE_UP), tmp_path / "broken", start=Start(stop_after=1))
    resumed = train(recipe, Path(MADE_UP), tmp_path / "broken", start=Start(resume=True))
    assert whole.read_bytes() == resumed.read_bytes()
    network = load_network(whole)
    assert (network.name, network.net.config.widths) == ("unet-xf", (8,))
    kt = sanum.load("kt", weights=whole)
    assert kt.network("unet-xf").weights_sha256 == kt.weights_sha256


@pytest.mark.full
@pytest.mark.parametrize("name", NETWORKS)
def test_one_sample_is_learned_by_heart(name):
    recipe = RECIPES[f"kt-{name}"]
    source = KtSource(
        replace(recipe, validation=1, sampling=replace(recipe.sampling, size=32)), Path(MADE_UP)
    )
    batch = next(source.batches(iter([range(1)])))
    torch.manual_seed(0)
    model = source.build()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for _ in range(35):
        loss = recipe.loss(model, batch)[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0]


def raw_file(path, seed, measured=1, coils=3, maps=True, lines=16):
    rng = np.random.default_rng(seed)
    sample = made_up_sample(replace(SMALL, coils=(coils, coils), columns=16), rng)
    full = fft(fft(sample["maps"][:, None] * sample["truth"], -2), -1)[:, :, :lines]
    full[:, ::measured, ::measured] *= measured == 1
    arrays = {"kspace": full.numpy(), "axes": "coil time ky kx", "frame_ms": 72}
    np.savez(path, **arrays, **({"maps": sample["maps"].numpy()[:, :lines]} if maps else {}))


def test_raw_data_are_learned_from_and_the_last_are_held_out(tmp_path):
    for n, name in enumerate(("sub-a", "sub-b_run-1", "sub-b_run-2")):
        raw_file(tmp_path / f"{name}.npz", n)
    source = KtSource(small(), tmp_path)
    assert source.describe() == {"data": "raw data", "files": 1, "held_out": 2}  # runs of one subject stay
    first = np.load(tmp_path / "sub-a.npz")["kspace"]
    np.testing.assert_array_equal(source.raws[TRAIN][0].kspace[0], first)
    sample = source.sample(0, TRAIN)
    assert sample["truth"].shape == (8, 16, 4)
    full = CoilEncoding(sample["maps"], torch.ones_like(sample["mask"]))
    again = full.forward(sample["truth"]) * sample["mask"][:, :, None]
    torch.testing.assert_close(again, sample["kspace"], atol=1e-4, rtol=1e-4)


def test_raw_data_that_cannot_be_learned_from(tmp_path):
    with pytest.raises(
        ValueError, match="none is not there: expected a folder of raw data, or the word phan"
    ):
        KtSource(small(), tmp_path / "none")
    raw_file(tmp_path / "a.npz", 0)
    with pytest.raises(ValueError, match="at least two subjects, of whom one is held out"):
        KtSource(small(), tmp_path)
    for words, how in (
        ("b.npz is not fully sampled: leave it out", {"measured": 2}),
        ("b.npz has 3 coils and no maps", {"maps": False}),
        ("differ in frames, lines or samples", {"lines": 12}),
    ):
        raw_file(tmp_path / "b.npz", 1, **how)
        with pytest.raises(ValueError, match=words):
            KtSource(small(), tmp_path)


def test_settings_that_make_no_sense():
    for wrong in (
        {"columns": 2},
        {"coils": (3, 2)},
        {"acceleration": (1, 4)},
        {"noise": -1.0},
        {"heart": 2.0},
    ):
        with pytest.raises(ValueError, match=r"must be|at least|expected"):
            KtSamplingConfig(**wrong)
    with pytest.raises(ValueError, match="up to 6 coils, and the network sees 4"):
        replace(RECIPES["kt-multicoil-xf"], model=KtNetConfig(coils=4))
    with pytest.raises(ValueError, match="validation must be at least 1"):
        replace(RECIPES["kt-unet-xf"], validation=0)


@pytest.mark.parametrize(
    "header", [{"recipe": "kt-other"}, {"model": 3}, {"model": {"widths": [8]}}, {"recipe": "kt-unet-xt"}]
)
def test_files_that_hold_another_network(tmp_path, header):
    net, path = random_net(KtNetConfig()), tmp_path / "a.safetensors"
    said = {**RECIPES["kt-unet-xf"].describe(), **header}
    save_weights(path, net.state_dict(), **said)  # of another width than it says
    with pytest.raises(WeightsError, match=r"a\.safetensors does not fit the network kt"):
        load_network(path)
