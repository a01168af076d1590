"""Pictures of image rows: a grid of small grey images with a label under each."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np

from tasks.report.svg import Plot

MOST_IMAGES = 60
"""Images of one grid at most."""


def grey_png(pixels: np.ndarray) -> bytes:
    """Encode grey values uint8 [H, W] as a PNG file (ISO/IEC 15948: 8 bits, no filter, one data chunk)."""
    height, width = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.astype(np.uint8)], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def image_grid(
    images: np.ndarray,
    labels: Sequence[str],
    *,
    columns: int = 10,
    side: int = 64,
    limits: tuple[float, float] | None = None,
) -> str:
    """Images [N, H, W] of any number kind in rows, black at the least and white at the greatest value.

    `limits` fixes these two values, so that grids can be compared; without it they are the grid's own. A
    label under each image, the images `side` pixels wide; at most 60 images.
    """
    shown = np.asarray(images[:MOST_IMAGES], dtype=np.float64)
    low, high = limits or (float(np.nanmin(shown, initial=0.0)), float(np.nanmax(shown, initial=0.0)))
    grey = np.nan_to_num(np.clip((shown - low) / ((high - low) or 1.0), 0, 1)) * 255
    tall = round(side * shown.shape[1] / shown.shape[2])
    lines = -(-len(shown) // columns)
    across = side + 14
    plot = Plot((0, 1), (0, 1), size=(across * min(columns, len(shown)), (tall + 26) * lines))
    for place, (image, label) in enumerate(zip(grey.round().astype(np.uint8), labels, strict=False)):
        x, y = (place % columns) * across, (place // columns) * (tall + 26)
        png = base64.b64encode(grey_png(image)).decode("ascii")
        plot.image((x, y, side, tall), png, label)
        plot.text(x + side / 2, y + tall + 14, label, anchor="middle", most=max(side // 6, 4))
    return plot.svg()
