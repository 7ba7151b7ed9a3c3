"""A rule of the two witnesses, near those that are learned."""

from dataclasses import replace

from sanum.healthy.rule import Promise, Rule

PROMISE = Promise(shift=0.0, ml=1.0, alpha=0.1, scans=9, on="made scans")
RULE = Rule(
    base=-2.4,
    network=0.4,
    residual=0.8,
    around=0.2,
    one_sided=0.1,
    alone_base=-0.5,
    alone=0.9,
    promises={"unknown": PROMISE, "T1w": replace(PROMISE, shift=0.5, scans=16, on="real scans")},
)
