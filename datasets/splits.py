"""Splits that never tear a group apart."""

import random
from collections.abc import Sequence

from vocabulary import DataError


def grouped_folds(groups: Sequence[str], folds: int, seed: int = 0) -> list[list[int]]:
    """Indices of `folds` held-out parts of nearly equal size, each group whole in one. Raises DataError: too few."""
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    if len(members) < folds:
        raise DataError(
            f"{len(members)} groups for {folds} folds", "more parts, or a group column that tells parts apart"
        )
    order = sorted(members)
    random.Random(seed).shuffle(order)  # noqa: S311  a split, not a secret
    order.sort(key=lambda group: -len(members[group]))
    held: list[list[int]] = [[] for _ in range(folds)]
    for group in order:
        min(held, key=len).extend(members[group])
    return held
