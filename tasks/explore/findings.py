"""What follows from the data for the features, in plain sentences with the number behind each.

Sentences hold column names, class names, counts and strengths; never a value of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tasks.explore.calendars import date_findings
from tasks.explore.columns import Numbers, Table, categories, words
from tasks.explore.relations import Relations, correlation, related_groups
from tasks.explore.words import Told
from tasks.report.numbers import count, listing, percent

MISSING = 0.05
"""Share of missing values from which a column is named."""
SKEWED = 2.0
"""Skewness from which a column is named."""
OUTLYING = 0.05
"""Share of rows beyond Tukey's fences from which a column is named (0.7 % of a normal column's lie there)."""
RARE = 0.1
"""Share of the rows, times two over the number of classes, below which a class is called rare."""
UNKNOWN = 0.1
"""Share of the tokens of held-out rows that nobody knows, from which something to do about it is named."""
TELLTALE = 0.99
"""Strength from which a feature is suspected to be the target in disguise."""


def findings(
    table: Table, described: Mapping[str, Numbers], relations: Relations, told: Mapping[str, Told]
) -> tuple[str, ...]:
    """Everything worth knowing before training, the weightiest first."""
    return (
        *_target(table, described),
        *_related(table, relations),
        *_redundant(table, relations),
        *_empty(table, described),
        *_missing(table, described),
        *_shape(table, described),
        *_categorical(table),
        *_images(table),
        *_texts(table),
        *_tokens(told),
        *date_findings(table.dates),
        *_size(table),
    )


def _target(table: Table, described: Mapping[str, Numbers]) -> Iterator[str]:
    unlabelled = int((~table.labelled).sum())
    if unlabelled:
        have = "has" if unlabelled == 1 else "have"
        yield f"{unlabelled:,} of {table.rows:,} rows {have} no {table.target_name}: kept, but never trained on."
    if unlabelled == table.rows or not table.target_name:
        return
    if not table.classes:
        skewness = described[table.target_name].skewness
        if abs(skewness) > SKEWED:
            yield (
                f"The target {table.target_name} is skewed (skewness {skewness:.1f}): a few large errors will weigh "
                "most in a squared loss; consider training.loss: huber."
            )
        return
    counts = np.bincount(table.target[table.labelled].astype(int), minlength=len(table.classes))
    rarest, largest = int(counts.argmin()), int(counts.argmax())
    share = counts[rarest] / counts.sum()
    words = f"class {table.classes[rarest]} has {counts[rarest]:,} of {counts.sum():,} rows ({percent(share)})"
    if len(table.classes) == 1:
        yield f"There is one class only, {table.classes[0]}: nothing can be learned from these rows."
    elif share < RARE * 2 / len(table.classes):
        yield (
            f"The classes are unbalanced: {words}. Judge by f1_macro or roc_auc, not by accuracy, and consider "
            "training.class_weights: balanced or transforms.balance."
        )
    elif counts[largest] <= 1.5 * counts[rarest]:
        yield f"The classes are balanced: from {counts[rarest]:,} to {counts[largest]:,} rows each."
    else:
        yield f"The classes are somewhat unbalanced: {words}, class {table.classes[largest]} {counts[largest]:,}."


def _related(table: Table, relations: Relations) -> Iterator[str]:
    known = {name: value for name, value in relations.with_target.items() if np.isfinite(value)}
    ranked = sorted(known, key=lambda name: (-abs(known[name]), name))
    symbols = {name: "r" if relations.signed and name in table.numeric else "strength" for name in ranked}
    for name in ranked:
        if abs(known[name]) > TELLTALE:
            yield (
                f"{name} almost settles {table.target_name} by itself ({symbols[name]} = {known[name]:.3f}): make sure "
                "that it is known when a prediction is asked for."
            )
    if ranked and abs(known[ranked[0]]) < 0.1:
        strongest = f"{ranked[0]}, {symbols[ranked[0]]} = {known[ranked[0]]:.2f}"
        yield f"No single feature is related to {table.target_name} (the strongest: {strongest})."
    elif ranked:
        best = [f"{name} ({symbols[name]} = {known[name]:.2f})" for name in ranked[:3]]
        yield f"Most related to {table.target_name}: {listing(best)}."


def _redundant(table: Table, relations: Relations) -> Iterator[str]:
    values = {(left, right): value for left, right, value in relations.pairs}
    for names in related_groups(relations.pairs)[:10]:
        mine = [value for pair, value in values.items() if set(pair) <= set(names)]
        if len(names) == 2:
            yield (
                f"{names[0]} and {names[1]} carry the same information (r = {mine[0]:.2f}): consider dropping one, by "
                "hand or by transforms.select: redundancy."
            )
            continue
        keep = max(names, key=lambda name: (abs(np.nan_to_num(relations.with_target.get(name, 0.0))), name))
        best = f"keeping {keep}, the one most related to the target" if table.target_name else "keeping one of them"
        least = min(abs(value) for value in mine)
        yield (
            f"{listing(names, 8)} carry much the same information (linked by |r| from {least:.2f} to "
            f"{max(abs(value) for value in mine):.2f}): consider {best}."
        )


def _empty(table: Table, described: Mapping[str, Numbers]) -> Iterator[str]:
    features = {name: described[name] for name in table.numeric}
    empty = [name for name, numbers in features.items() if numbers.distinct == 0]
    constant = [name for name, numbers in features.items() if numbers.distinct == 1]
    for name, texts in table.categorical.items():
        distinct = len(categories(texts)[0])
        if distinct < 2:
            (constant if distinct else empty).append(name)
    for names, what in ((empty, "no value at all"), (constant, "one value only")):
        if names:
            one = len(names) == 1
            yield (
                f"{listing(names, 8)} {'holds' if one else 'hold'} {what} and {'tells' if one else 'tell'} a model "
                "nothing: consider kind: drop."
            )


def _missing(table: Table, described: Mapping[str, Numbers]) -> Iterator[str]:
    missing = {name: described[name].missing for name in table.numeric}
    missing |= {name: categories(texts)[1] for name, texts in table.categorical.items()}
    missing |= {name: dates.missing for name, dates in table.dates.items()}
    many = [name for name, rows in missing.items() if MISSING * table.rows <= rows < table.rows]
    many.sort(key=lambda name: (-missing[name], name))
    if many:
        named = [f"{name} ({percent(missing[name] / table.rows)})" for name in many]
        yield f"Values are missing in {listing(named, 8)}: see transforms.impute, and ask why they are missing."
    elif not any(missing.values()) and missing and table.rows:
        yield "No value is missing in any feature."


def _shape(table: Table, described: Mapping[str, Numbers]) -> Iterator[str]:
    features = {name: described[name] for name in table.numeric}
    skewed = sorted(
        (n for n, d in features.items() if abs(d.skewness) > SKEWED), key=lambda n: -abs(features[n].skewness)
    )
    if skewed:
        named = [f"{name} (skewness {features[name].skewness:.1f})" for name in skewed]
        yield f"Long tails: {listing(named)}. A log or a rank of these may be easier to learn from."
    outlying = sorted(
        (name for name, numbers in features.items() if numbers.outliers > OUTLYING * table.rows),
        key=lambda name: (-features[name].outliers, name),
    )
    if outlying:
        named = [f"{name} ({percent(features[name].outliers / table.rows)} of the rows)" for name in outlying]
        yield f"Many values far from the middle half: {listing(named)}. Check that they are real before trusting them."


def _categorical(table: Table) -> Iterator[str]:
    for name, texts in table.categorical.items():
        found, missing = categories(texts)
        known = table.rows - missing
        if known >= 20 and len(found) > 0.9 * known:
            yield f"{name} has {len(found):,} values in {known:,} rows, as an identifier has: consider kind: drop."
        elif len(found) > 50:
            yield f"{name} has {len(found):,} categories; the rarer share one column (transforms.max_categories)."


def _images(table: Table) -> Iterator[str]:
    for name, pixels in table.images.items():
        flat = pixels.reshape(len(pixels), -1)
        still = int((np.ptp(flat, axis=0) == 0).sum()) if len(flat) else 0
        if still:
            yield f"{still} of the {flat.shape[1]} pixels of {name} are the same in every image."
        yield from _look_alike(name, flat, table)
        gaps = int((~np.isfinite(flat)).any(axis=1).sum())
        if gaps:
            yield f"{count(gaps, 'image')} of {name} {'has' if gaps == 1 else 'have'} missing pixels."


def _texts(table: Table) -> Iterator[str]:
    for name, texts in table.texts.items():
        lengths = words(texts)
        known = [text for text in texts if text is not None]
        if not lengths.any():
            yield f"{name} holds no word at all."
            continue
        middle, most = (int(np.quantile(lengths, part)) for part in (0.5, 0.95))
        yield (
            f"Half of the texts in {name} have at most {count(middle, 'word')}, 95 % at most {most:,}: a network "
            "should see about as many tokens of each (transforms.text.max_length)."
        )
        copies = len(known) - len(set(known))
        if copies:
            yield f"{count(copies, 'text')} of {name} {'repeats' if copies == 1 else 'repeat'} an earlier one exactly."


def _tokens(told: Mapping[str, Told]) -> Iterator[str]:
    for name, text in told.items():
        if not text.held_out.tokens:
            continue
        share = text.held_out.unknown / text.held_out.tokens
        if not share:
            yield f"Every token of {name} in rows that are held out is among the {text.known:,} of the training rows."
            continue
        yield (
            f"{percent(share)} of the tokens of {name} in rows that are held out are none of the {text.known:,} that "
            "the training rows teach (transforms.text.max_tokens, min_count)"
            + (": more rows, characters or runs of them would leave fewer unknown." if share > UNKNOWN else ".")
        )


def _look_alike(name: str, flat: np.ndarray, table: Table) -> Iterator[str]:
    """The two classes whose mean images are closest; `flat` is [N, pixels]."""
    members = [table.target == code for code in range(len(table.classes))]
    if len(members) < 3 or len(members) > 100 or not all(rows.any() for rows in members) or not np.isfinite(flat).all():
        return
    alike = correlation(np.stack([flat[rows].mean(axis=0, dtype=np.float64) for rows in members], axis=1))
    alike = np.nan_to_num(np.triu(alike, k=1), nan=-1.0)
    first, second = np.unravel_index(int(alike.argmax()), alike.shape)
    pair = f"{table.classes[first]} and {table.classes[second]}"
    yield f"By their mean images, {pair} look most alike (r = {alike[first, second]:.2f}): expect confusions there."


def _size(table: Table) -> Iterator[str]:
    features = len(table.numeric) + len(table.categorical) + len(table.dates)
    rows = int(table.labelled.sum())
    what = "labelled row" if table.target_name else "row"
    if 0 < rows < 10 * features:
        yield (
            f"{count(rows, what)} for {count(features, 'feature')}: a model can learn them by heart; prefer "
            "a small model, dropout or weight decay, and fewer features."
        )
