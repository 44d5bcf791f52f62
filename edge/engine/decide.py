"""What a tool's finding means for the part: class → severity → verdict, with the reason in words and place."""

from dataclasses import dataclass

from edge.recipe import DefectClass, Recipe, Tool
from models.inspection import Inspection
from vocabulary import Finding, Reason, Verdict

ABOVE = (Verdict.NG, Verdict.RECHECK)


@dataclass(frozen=True, slots=True)
class Decision:
    """One tool's part of the verdict."""

    verdict: Verdict
    defect: DefectClass | None  # None: nothing found, or not inspected
    reasons: list[Reason]


def decide(recipe: Recipe, tool: Tool, found: Inspection) -> Decision:
    """A score above its limit is as bad as its class; one in the grey band is never worse than RECHECK.

    What could not be inspected stays so, whatever the class.
    """
    its = recipe.defect_class(tool.defect_class)
    meant = Verdict(getattr(recipe.severity, its.severity))
    if found.verdict not in ABOVE:
        return Decision(found.verdict, None, named(recipe, tool, found.reasons))
    verdict = Verdict.RECHECK if found.verdict is Verdict.RECHECK and meant is Verdict.NG else meant
    where = place(tool, found.findings)
    text = f"{its.name} ({its.severity}){where}: " if recipe.classes_named else ""
    reasons = [Reason(why.code, f"{text}{why.text}{'' if text else where}") for why in found.reasons]
    return Decision(verdict, its, named(recipe, tool, reasons))


def named(recipe: Recipe, tool: Tool, reasons: list[Reason]) -> list[Reason]:
    """With several tools each reason says whose it is."""
    if len(recipe.tools) == 1:
        return reasons
    return [Reason(why.code, f"{tool.name}: {why.text}") for why in reasons]


def place(tool: Tool, findings: list[Finding]) -> str:
    """The worst finding's box in pixels of the raw picture, and how many more there are."""
    if not findings:
        return ""
    x, y, width, height = in_picture(tool, findings[0])
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f" at {x}, {y} ({width} × {height} px){more}"


def in_picture(tool: Tool, finding: Finding) -> tuple[int, int, int, int]:
    """A finding's box in pixels of the raw picture."""
    x, y, width, height = finding.box
    left, top = tool.region[:2] if tool.region else (0, 0)
    return x + left, y + top, width, height
