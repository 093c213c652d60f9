"""Rectangles of mammograms: of one size, padded where they reach beyond the image, flipped, made smaller."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.modalities.mammogram.breast import Breast


class Box(NamedTuple):
    """A box in pixels: its first column and row, its width and height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Frame:
    """A rectangle of an image that becomes an image of its own.

    Attributes:
        left, top: Its first column and row in the image; may lie outside.
        width, height: Its size in pixels of the image.
        flipped: Whether left and right change places.
        out_width, out_height: Size of what it becomes, at most its own.
    """

    left: int
    top: int
    width: int
    height: int
    flipped: bool
    out_width: int
    out_height: int

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The frame's content, uint16 of shape `(out_height, out_width)`; 0 outside the image."""
        cut = np.zeros((self.height, self.width), image.dtype)
        rows, columns = image.shape
        top, bottom = max(self.top, 0), min(self.top + self.height, rows)
        left, right = max(self.left, 0), min(self.left + self.width, columns)
        if top < bottom and left < right:
            inside = image[top:bottom, left:right]
            cut[
                top - self.top : bottom - self.top, left - self.left : right - self.left
            ] = inside

        if self.flipped:
            cut = cut[:, ::-1]
        size = (self.out_width, self.out_height)
        if size == (self.width, self.height):
            return np.ascontiguousarray(cut)

        return cv2.resize(np.ascontiguousarray(cut), size, interpolation=cv2.INTER_AREA)

    def moved(self, box: Box) -> Box | None:
        """A box of the image in pixels of the frame's content, cut at its edges; None where it is outside."""
        left, right = box.x - self.left, box.x + box.width - self.left
        if self.flipped:
            left, right = self.width - right, self.width - left
        top, bottom = box.y - self.top, box.y + box.height - self.top
        across, down = self.out_width / self.width, self.out_height / self.height
        left, right = (
            round(min(max(x, 0), self.width) * across) for x in (left, right)
        )
        top, bottom = (round(min(max(y, 0), self.height) * down) for y in (top, bottom))
        if right <= left or bottom <= top:
            return None
        return Box(left, top, right - left, bottom - top)


def frame_of_breast(
    breast: Breast,
    side: str,
    flip: bool,
    size: tuple[int, int],
    out_size: tuple[int, int],
) -> Frame:
    """The frame of a whole image: from the chest wall outwards, the breast at mid height.

    Args:
        breast: Where the breast lies.
        side: "left" or "right", where the chest wall is.
        flip: Whether an image with the chest wall at the right is flipped.
        size: Width and height of the frame, in pixels of the image.
        out_size: Width and height of what it becomes.
    """
    width, height = size
    left = breast.left if side == "left" else breast.right - width
    top = (breast.top + breast.bottom - height) // 2
    return Frame(left, top, width, height, flip and side == "right", *out_size)


def frame_around(
    centre: tuple[float, float],
    image_shape: tuple[int, int],
    flipped: bool,
    side_px: int,
    out_px: int,
) -> Frame:
    """The square frame of a patch: centred, but moved to lie inside the image.

    Args:
        centre: x and y in pixels.
        image_shape: Rows and columns, neither less than `side_px`.
        flipped: Whether left and right change places.
        side_px: Its side in pixels of the image.
        out_px: Side of what it becomes.
    """
    left, top = (
        min(max(round(middle - side_px / 2), 0), most - side_px)
        for middle, most in zip(centre, image_shape[::-1], strict=True)
    )
    return Frame(left, top, side_px, side_px, flipped, out_px, out_px)
