"""Pictures of an image feature: the mean image of each class, samples, and where the classes differ."""

from __future__ import annotations

import numpy as np

from tasks.explore.columns import Table
from tasks.explore.relations import correlation_ratio
from tasks.report.histograms import histogram
from tasks.report.images import image_grid
from tasks.report.page import Page
from tasks.report.svg import thin

MOST_CLASSES = 20
PER_CLASS = 3
MOST_PIXELS = 4096
"""Pixels whose relation with the target is computed at most."""


def image_figures(page: Page, name: str, pixels: np.ndarray, table: Table) -> None:
    """Add the pictures of one image feature, float32 [N, H, W], to the page."""
    page.heading(f"{name}: {pixels.shape[1]} × {pixels.shape[2]} pixels", 3)
    if not np.isfinite(pixels).any():
        page.text("No pixel has a value.")
        return
    limits = (float(np.nanmin(pixels)), float(np.nanmax(pixels)))
    rows, labels = samples(table)
    if table.classes:
        classes = [code for code in range(min(len(table.classes), MOST_CLASSES)) if (table.target == code).any()]
        means = np.stack([np.nanmean(pixels[table.target == code], axis=0) for code in classes])
        names = [table.classes[code] for code in classes]
        page.figure(image_grid(means, names, limits=limits), "Mean image of each class", f"Mean {name} of each class")
        page.figure(
            image_grid(pixels[rows], labels, limits=limits), f"{PER_CLASS} images of each class", f"Samples: {name}"
        )
    else:
        caption = "Images from the least to the greatest target" if table.target_name else "Some of the images"
        page.figure(image_grid(pixels[rows], labels, limits=limits), caption, f"Samples of {name}")
    values = pixels[thin(len(pixels), 2000)].reshape(-1)
    page.figure(histogram(values, f"{name}: value of a pixel", (460, 200)), "", f"Histogram of the pixels of {name}")
    if table.classes and pixels[0].size <= MOST_PIXELS and table.labelled.any():
        kept = thin(len(pixels), 5000)
        flat = pixels[kept].reshape(len(kept), -1).astype(np.float64)
        ratios = np.array([correlation_ratio(table.target[kept], flat[:, pixel]) for pixel in range(flat.shape[1])])
        strength = np.nan_to_num(ratios).reshape(1, *pixels.shape[1:])
        caption = "Where classes differ: how much of each pixel's variance lies between them (white: most)"
        page.figure(
            image_grid(strength, ["η"], side=128, limits=(0, 1)), caption, f"Pixels of {name} by their strength"
        )


def samples(table: Table) -> tuple[np.ndarray, list[str]]:
    """Rows to show and their labels: the first three of each class, or twenty spread over the target's range."""
    if table.classes:
        chosen = [
            np.flatnonzero(table.target == code)[:PER_CLASS] for code in range(min(len(table.classes), MOST_CLASSES))
        ]
        by_class = [row for turn in range(PER_CLASS) for rows in chosen for row in rows[turn : turn + 1]]
        return np.array(by_class, dtype=np.int64), [table.classes[int(table.target[row])] for row in by_class]
    known = np.flatnonzero(table.labelled)
    ordered = known[np.argsort(table.target[known], kind="stable")]
    spread = ordered[thin(len(ordered), 20)]
    return spread, [f"{table.target[row]:.4g}" if table.target_name else "" for row in spread]
