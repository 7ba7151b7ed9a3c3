"""What every public function takes; a new one is tested by standing in `CALLS`."""

import inspect

import numpy as np
import pytest
import torch

import sanum.fluid
from sanum.fluid import draw_flow, ellipsoid_shape, flow, on_device, shapes
from sanum.fluid.arguments import as_numbers, as_rng, is_tensor

X, Y, Z = np.ogrid[-1:1:14j, -1:1:12j, -1:1:10j]
DOMAIN = X**2 + Y**2 + Z**2 < 0.9
FLOW = draw_flow(DOMAIN, rng=3, periods=3.0, peak_speed=4.0)
P0 = ellipsoid_shape(DOMAIN, centre_vox=(7, 6, 5), radii_vox=3.0)
CALLS = {
    "border_ramp": (sanum.fluid.border_ramp, {"domain": DOMAIN, "spacing": 2.0, "width_mm": 5.0}),
    "distance_within": (flow.distance_within, {"domain": DOMAIN, "spacing": 2.0, "most_mm": 5.0}),
    "draw_flow": (
        draw_flow,
        {
            "domain": DOMAIN,
            "rng": 5,
            "spacing": 2.0,
            "peak_speed": 3.0,
            "diffusion_length": 1.0,
            "periods": 2.0,
            "ramp": sanum.fluid.border_ramp(DOMAIN, 2.0),
        },
    ),
    "draw_flow_on": (
        on_device.draw_flow_on,
        {
            "domain": DOMAIN,
            "ramp": sanum.fluid.border_ramp(DOMAIN, 2.0),
            "rng": 5,
            "spacing": 2.0,
            "peak_speed": 3.0,
            "diffusion_length": 1.0,
        },
    ),
    "bank_shape": (
        sanum.fluid.bank_shape,
        {"domain": DOMAIN, "masks": [P0 > 0.5, P0], "rng": 5, "flip_axis": 0, "softness_vox": 0.5},
    ),
    "ellipsoid_shape": (
        ellipsoid_shape,
        {"domain": DOMAIN, "centre_vox": (7, 6, 5), "radii_vox": 2.0, "softness_vox": 0.5},
    ),
    "noise_shape": (
        sanum.fluid.noise_shape,
        {"domain": DOMAIN, "rng": 5, "percentile": 90.0, "periods": 2.0, "softness_vox": 0.5},
    ),
    "soften": (shapes.soften, {"mask": P0 > 0.5, "domain": DOMAIN, "sigma_vox": 0.5}),
    "gradient_noise": (
        sanum.fluid.gradient_noise,
        {"shape": (9, 8, 7), "periods": 2.0, "rng": 5, "offset": 0.5, "octaves": 2, "persistence": 0.4},
    ),
    "transport": (
        sanum.fluid.transport,
        {
            "p0": P0,
            "flow": FLOW,
            "duration": 0.2,
            "scheme": "muscl",
            "integrator": "euler",
            "max_steps": 100,
            "share_of_step": 0.9,
            "callback": lambda time, p: None,
        },
    ),
    "trajectory": (sanum.fluid.trajectory, {"p0": P0, "flow": FLOW, "times": (0.1, 0.2)}),
}
PARAMETERS = [(name, argument) for name, (_, given) in CALLS.items() for argument in given]


def numbers_of(result):
    """All arrays of a result."""
    if hasattr(result, "velocity"):
        return [*result.velocity, *result.diffusivity]
    return [getattr(result, "p", result)]


def as_tensors(value):
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return [torch.from_numpy(v) for v in value] if isinstance(value, list) else value


def test_every_public_function_is_here_with_all_that_it_takes():
    public = {n for n in sanum.fluid.__all__ if inspect.isfunction(getattr(sanum.fluid, n))}
    assert public <= CALLS.keys()
    for function, given in CALLS.values():
        taken = [p for p in inspect.signature(function).parameters.values() if p.kind != p.VAR_KEYWORD]
        assert {p.name for p in taken} - given.keys() <= {"edge"}


@pytest.mark.parametrize("name", [n for n, (_, given) in CALLS.items() if "rng" in given])
def test_an_integer_is_a_seed(name):
    function, given = CALLS[name]
    for rng in (np.random.default_rng(5), np.int64(5)):
        for a, b in zip(
            numbers_of(function(**given)), numbers_of(function(**{**given, "rng": rng})), strict=True
        ):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "argument"),
    [(n, a) for n, a in PARAMETERS if a in ("spacing", "periods", "radii_vox", "offset")],
)
def test_one_number_stands_for_all_axes(name, argument):
    function, given = CALLS[name]
    each = {**given, argument: (given[argument],) * 3}
    for a, b in zip(numbers_of(function(**given)), numbers_of(function(**each)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [n for n, (_, g) in CALLS.items() if {"domain", "p0"} & g.keys()])
def test_tensors_in_tensors_out_with_the_same_numbers(name):
    function, given = CALLS[name]
    arrays, tensors = (
        numbers_of(function(**g)) for g in (given, {key: as_tensors(value) for key, value in given.items()})
    )
    for a, b in zip(arrays, tensors, strict=True):
        assert is_tensor(b)
        np.testing.assert_array_equal(np.asarray(a), b.numpy())


@pytest.mark.parametrize("argument", ["ramp", "masks", "mask"])
def test_the_domain_decides_the_kind(argument):
    for name, wanted in PARAMETERS:
        if wanted == argument and name != "draw_flow_on":
            function, given = CALLS[name]
            result = function(**{**given, argument: as_tensors(given[argument])})
            for a, b in zip(numbers_of(result), numbers_of(function(**given)), strict=True):
                assert isinstance(a, np.ndarray)
                np.testing.assert_array_equal(a, b)


def test_a_flow_of_tensors_moves_an_array_and_the_other_way_round():
    expected = sanum.fluid.transport(P0, FLOW, duration=0.2).p
    np.testing.assert_array_equal(sanum.fluid.transport(P0, FLOW.to("cpu"), duration=0.2).p, expected)
    mixed = sanum.fluid.transport(torch.from_numpy(P0), FLOW, duration=0.2).p
    np.testing.assert_array_equal(mixed.numpy(), expected)


def test_a_flow_takes_one_spacing():
    one = sanum.fluid.Flow(DOMAIN, 2.0, FLOW.velocity, FLOW.diffusivity)
    assert one.spacing_mm == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(("name", "argument"), PARAMETERS)
def test_what_is_wrong_is_named(name, argument):
    function, given = CALLS[name]
    if (name, argument) in (("draw_flow_on", "domain"), ("draw_flow_on", "ramp")):
        pytest.skip("tensors are torch's to check")
    for bad in (object(), "many"):
        with pytest.raises((TypeError, ValueError), match=argument.removesuffix("s")):
            function(**{**given, argument: bad})


@pytest.mark.parametrize(
    ("name", "argument", "bad"),
    [
        *(
            (n, "spacing", bad)
            for n in ("border_ramp", "draw_flow")
            for bad in (0, -1.0, (1, 2), np.nan, None)
        ),
        *((n, "rng", bad) for n in ("draw_flow", "noise_shape") for bad in (-1, 1.5, True, None)),
        *(
            (n, "domain", bad)
            for n in ("draw_flow", "ellipsoid_shape")
            for bad in (P0, DOMAIN[0, 0], DOMAIN & False)
        ),
        *((n, "softness_vox", bad) for n in ("bank_shape", "noise_shape") for bad in (-1, np.inf, np.nan)),
        ("draw_flow", "ramp", P0[1:]),
        ("draw_flow", "periods", (2.0, 2.0)),
        ("bank_shape", "flip_axis", 3),
        ("transport", "p0", P0.astype(np.float16)),
        ("transport", "max_steps", 0),
        ("border_ramp", "width_mm", 0),
        ("gradient_noise", "shape", (4, 2.5)),
        ("gradient_noise", "offset", 2.0),
        ("trajectory", "times", (0.1, np.nan)),
    ],
)
def test_values_out_of_range_are_named(name, argument, bad):
    function, given = CALLS[name]
    with pytest.raises((TypeError, ValueError), match=argument):
        function(**{**given, argument: bad})


def test_helpers_leave_good_values_alone():
    rng = np.random.default_rng(0)
    assert as_rng(rng) is rng
    assert as_numbers(np.array([1.0, 2.0]), 2, "x") == (1.0, 2.0)
    assert as_numbers(-1, 2, "x", positive=False) == (-1.0, -1.0)
