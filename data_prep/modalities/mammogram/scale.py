"""Sizes of mammograms and of their patches (HCT, section 3, technical details)."""

FULL_HEIGHT_PX = 3328
FULL_WIDTH_PX = 2560
PATCH_PX = 512
"""At full resolution."""


def shape_of_images(height: int) -> tuple[int, int]:
    """Height and width of a whole image of this height."""
    return height, round(height * FULL_WIDTH_PX / FULL_HEIGHT_PX)


def patch_side_px(image_height: int) -> int:
    """Side of a patch at the scale of whole images of this height."""
    return round(PATCH_PX * image_height / FULL_HEIGHT_PX)
