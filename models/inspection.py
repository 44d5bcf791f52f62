"""From picture to verdict of one package: the same path for evaluate, inspect and the station."""

import time
from dataclasses import dataclass

from models.decision import decide, find
from models.picture_health import Health, HealthLimits, check, measure
from models.runner import Runner
from vocabulary import DataError, Finding, Image, Reason, ScoreMap, Verdict


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one package says of one picture."""

    verdict: Verdict
    reasons: list[Reason]
    score: float | None
    map: ScoreMap | None
    findings: list[Finding]
    health: Health | None
    preprocessed_ns: int | None = None  # monotonic; the picture was found fit to be judged (resizing is in the graph)
    inferred_ns: int | None = None


def inspect(image: Image, runner: Runner, health_limits: HealthLimits | None = None) -> Inspection:
    """Judge one picture. A picture that is no picture of the part is NOT_INSPECTED. Raises ModelError only."""
    try:
        runner.check(image)
    except DataError as err:
        return Inspection(Verdict.NOT_INSPECTED, [Reason("picture_wrong_size", str(err))], None, None, [], None)
    health = measure(image)
    if unhealthy := check(health, health_limits or runner.package.health_limits):
        return Inspection(Verdict.NOT_INSPECTED, unhealthy, None, None, [], health, time.monotonic_ns())
    preprocessed_ns = time.monotonic_ns()
    scores = runner.infer(image)
    inferred_ns = time.monotonic_ns()
    limits = runner.package.limits
    verdict, reason = decide(scores.score, limits)
    findings = [] if verdict is Verdict.OK else find(scores.map, limits, image.shape)
    return Inspection(verdict, [reason], scores.score, scores.map, findings, health, preprocessed_ns, inferred_ns)
