"""Cross-validation: every patient is tested once, by the network, and by baselines that see sums."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ....data.lesion_graphs import PatientLesions
from ....data.stratified import folds_by_strata
from ....metrics.ranking import auc
from ....metrics.statistics import paired_test
from .columns import Encoding
from .source import strata_of

if TYPE_CHECKING:
    from .predictor import ActivityFinding, LesionGraphs

Scores = npt.NDArray[np.float64]
NETWORK = "graph network"
BASELINES = (
    "logistic regression, sum",
    "logistic regression, mean",
    "random forest, sum",
    "random forest, mean",
)


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What was found.

    Parameters
    ----------
    outcomes : (N,) int64
        Of the patients, 0 or 1.
    fold_of : (N,) int64
        In which each patient was tested.
    scores : dict of str to (N,) float64
        Score of each patient, by method.
    findings : tuple of ActivityFinding
        What the network says of each patient.
    """

    outcomes: npt.NDArray[np.int64]
    fold_of: npt.NDArray[np.int64]
    scores: dict[str, Scores]
    findings: "tuple[ActivityFinding, ...]"

    def auc(self, method: str) -> Scores:
        """Area under the ROC curve of each fold, (folds,).

        Parameters
        ----------
        method : str
            Key of `scores`.
        """
        folds = range(int(self.fold_of.max()) + 1)
        own = self.scores[method]
        return np.array([auc(own[self.fold_of == k], self.outcomes[self.fold_of == k]) for k in folds])

    def rows(self) -> list[dict[str, Any]]:
        """Mean and spread over the folds of each method, and p of its difference to the network.

        p is of Wilcoxon's signed-rank test, paired by fold, two-sided; None for the network itself.
        """
        network = self.auc(NETWORK)
        found = []
        for method in self.scores:
            own = self.auc(method)
            p = None if method == NETWORK else paired_test(network, own, list(range(len(own))))
            found.append({"method": method, "auc": float(own.mean()), "sd": float(own.std(ddof=1)), "p": p})
        return found


def crossval(
    model: "LesionGraphs",
    patients: Sequence[PatientLesions],
    *,
    folds: int,
    on_fold: Callable[[int, int], None] | None = None,
) -> CrossValidation:
    """As of `LesionGraphs.crossval`; each fold's network begins anew, with the settings of `model`.

    Parameters
    ----------
    model : LesionGraphs
        Only its settings are used.
    patients : sequence of PatientLesions
        With outcomes.
    folds : int
        At least 3.
    on_fold : function, optional
        Called with how many of how many folds are done.
    """
    strata = strata_of(patients, folds, why=": one for each fold; give fewer folds")
    outcomes = np.array([outcome for outcome, _ in strata])
    fold_of = np.zeros(len(patients), np.int64)
    scores = {name: np.zeros(len(patients)) for name in (NETWORK, *BASELINES)}
    findings: dict[int, ActivityFinding] = {}
    for fold in folds_by_strata(strata, folds=folds, seed=model.config.seed):
        train, held, test = ([patients[n] for n in part] for _, part in fold.sets())
        fitted = model.with_settings().fit(train, held=held)
        places = list(fold.test)
        fold_of[places] = fold.number
        findings |= dict(zip(places, fitted.predict(test), strict=True))
        scores[NETWORK][places] = [findings[n].probability for n in places]
        for name, found in baseline_scores(fitted.encoding, train, test, model.config.seed).items():
            scores[name][places] = found
        if on_fold:
            on_fold(fold.number + 1, folds)
    return CrossValidation(outcomes, fold_of, scores, tuple(findings[n] for n in range(len(patients))))


def baseline_scores(
    encoding: Encoding, train: Sequence[PatientLesions], test: Sequence[PatientLesions], seed: int
) -> dict[str, Scores]:
    """Probability of outcome 1 of each tested patient, by baseline: what a bag of lesions tells.

    Parameters
    ----------
    encoding : Encoding
        Of the same training patients as the network's.
    train, test : sequence of PatientLesions
        Those to learn from have outcomes.
    seed : int
        Of the forests.
    """
    outcomes = [patient.outcome for patient in train]
    bags = [[encoding.encode(patient) for patient in part] for part in (train, test)]
    found = {}
    for name in BASELINES:
        kind, _, how = name.partition(", ")
        seen, unseen = (np.stack([getattr(x, how)(0) for x in part]) for part in bags)
        learner: Any = (
            LogisticRegression(solver="liblinear", class_weight="balanced", random_state=seed)
            if kind == "logistic regression"
            else RandomForestClassifier(200, class_weight="balanced", random_state=seed)
        )
        fitted = make_pipeline(StandardScaler(), learner).fit(seen, outcomes)
        found[name] = fitted.predict_proba(unseen)[:, 1]
    return found
