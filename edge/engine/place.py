"""Part-present and locator of one camera's picture, by the recipe: whether its tools look at all, and where."""

from edge.engine.recipes import ReadyRecipe
from edge.engine.regions import Offset, RegionOutside, seen, shifted
from models.picture_health import check, measure
from models.placement import locate, present, small
from vocabulary import Image, Reason


def place(recipe: ReadyRecipe, camera: str, image: Image) -> Offset | list[Reason]:
    """How far the part lies from where it was taught; or why the picture shows no single part in its place.

    A picture that is not healthy where a tool would look says so instead: in the dark no part is seen either.
    """
    its = recipe.loaded.placements.get(camera)
    if its is None:
        return 0, 0
    if image.shape[:2] != (its.height, its.width):
        text = f"picture has size {image.shape[1]}×{image.shape[0]}, placement was taught on {its.width}×{its.height}"
        return [Reason("picture_wrong_size", f"{text}: check the camera's region")]
    look, range_px = small(image), recipe.loaded.recipe.placement[camera].locate_px
    if why := present(look, its):
        return unhealthy(recipe, camera, image) or [why]
    if range_px is None:
        return 0, 0
    found = locate(look, its, range_px)
    if isinstance(found, Reason):
        return unhealthy(recipe, camera, image) or [found]
    try:
        for tool in recipe.tools:
            if tool.tool.camera == camera:
                seen(shifted(tool.tool, found), image)
    except RegionOutside as err:
        return [Reason("not_located", f"part is {found[0]:+}, {found[1]:+} px off: {err.what}")]
    return found


def unhealthy(recipe: ReadyRecipe, camera: str, image: Image) -> list[Reason]:
    """What is wrong with the picture where the tools would look, were the part in its taught place."""
    try:
        for tool in recipe.tools:
            if tool.tool.camera == camera and (why := check(measure(seen(tool.tool, image)), tool.health)):
                return why
    except RegionOutside as err:
        return [Reason("picture_wrong_size", str(err))]
    return []
