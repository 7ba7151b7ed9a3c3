"""Who takes part in a step: each person by a toss of a coin, which only the secret can tell."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

SECRET_BITS = 128


@dataclass(frozen=True)
class Poisson:
    """Poisson sampling of a finite number of people.

    Parameters
    ----------
    people : int
        N.
    rate : float
        q: each takes part with this chance, whoever else does. N q take part on average.
    secret : int
        What all draws depend on, beside the number of the step.
    """

    people: int
    rate: float
    secret: int

    def chosen(self, step: int) -> list[int]:
        """People of a step, in order; may be none.

        Parameters
        ----------
        step : int
            Counted from 0.
        """
        tosses = np.random.default_rng([self.secret, 0, step]).random(self.people)
        return [int(n) for n in np.flatnonzero(tosses < self.rate)]

    def samples(self, first: int) -> Iterator[list[int]]:
        """Numbers of the samples of each step from one on: n is of person n mod N, and of no other step.

        Parameters
        ----------
        first : int
            Step, counted from 0.
        """
        for step in count(first):
            yield [step * self.people + person for person in self.chosen(step)]


def new_secret() -> int:
    """A secret from the operating system's generator."""
    return secrets.randbits(SECRET_BITS)
