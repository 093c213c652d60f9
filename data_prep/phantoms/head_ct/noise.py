"""Smooth periodic 3D random fields, and their interpolation on the points of a slice."""

import cv2
import numpy as np

PERIOD_MM = 192.0
CELLS = 64
_TILES_PER_ROW = 8
_TILE = CELLS + 1


class NoiseVolume:
    """Four independent random fields of unit standard deviation, periodic in space.

    The cube of `CELLS` cells a side is laid out as tiles of one image, so that OpenCV's `remap` interpolates
    it: bilinear within two neighbouring tiles, linear between them.

    Args:
        rng: Source of randomness.
        wavelengths_mm: Central wavelength of each of the four fields.
        bandwidth: Relative width of the ring of wavenumbers, per field.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        wavelengths_mm: tuple[float, ...],
        bandwidth: tuple[float, ...],
    ):
        step = PERIOD_MM / CELLS
        frequency = np.fft.fftfreq(CELLS, step)
        half = np.fft.rfftfreq(CELLS, step)
        wavenumber = np.sqrt(
            frequency[:, None, None] ** 2
            + frequency[None, :, None] ** 2
            + half[None, None, :] ** 2
        )
        fields = []
        for wavelength, relative_width in zip(wavelengths_mm, bandwidth, strict=True):
            ring = np.exp(
                -0.5 * ((wavenumber * wavelength - 1.0) / relative_width) ** 2
            )
            ring[0, 0, 0] = 0.0
            white = rng.standard_normal((CELLS, CELLS, CELLS), dtype=np.float32)
            field = np.fft.irfftn(
                np.fft.rfftn(white) * ring, s=(CELLS,) * 3, axes=(0, 1, 2)
            )
            fields.append((field / field.std()).astype(np.float32))

        cube = np.pad(
            np.stack(fields, axis=-1), ((0, 0), (0, 1), (0, 1), (0, 0)), mode="wrap"
        )
        rows = CELLS // _TILES_PER_ROW
        tiles = cube.reshape(rows, _TILES_PER_ROW, _TILE, _TILE, 4)
        self._atlas = np.ascontiguousarray(
            tiles.transpose(0, 2, 1, 3, 4).reshape(
                rows * _TILE, _TILES_PER_ROW * _TILE, 4
            )
        )

    def sample(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
        """Interpolates the four fields at points in mm; `x`, `y`, `z` are float32 of one 2D shape.

        Returns:
            Four float32 arrays of that shape.
        """
        scale = np.float32(CELLS / PERIOD_MM)
        column = np.mod(x * scale, CELLS)
        row = np.mod(y * scale, CELLS)
        depth = np.mod(z * scale, CELLS)
        below = np.minimum(np.floor(depth), CELLS - 1)
        fraction = (depth - below)[..., None]
        lower = self._tile_lookup(column, row, below)
        upper = self._tile_lookup(column, row, np.mod(below + 1, CELLS))
        values = lower + (upper - lower) * fraction
        return [np.ascontiguousarray(values[..., channel]) for channel in range(4)]

    def _tile_lookup(
        self, column: np.ndarray, row: np.ndarray, tile: np.ndarray
    ) -> np.ndarray:
        tile_row = np.floor(tile / _TILES_PER_ROW)
        tile_column = tile - tile_row * _TILES_PER_ROW
        return cv2.remap(
            self._atlas,
            (tile_column * _TILE + column).astype(np.float32),
            (tile_row * _TILE + row).astype(np.float32),
            cv2.INTER_LINEAR,
        )
