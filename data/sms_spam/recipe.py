"""Reads the file of the SMS Spam Collection as it is distributed."""


def messages(path):
    """Give a frame with `label` (ham or spam) and `text`, a row for each line of the file.

    It has no header, and a quotation mark in a message is only that, so it is no CSV file.
    """
    from pathlib import Path

    import pandas as pd

    lines = Path(path).read_text(encoding="utf-8").split("\n")
    cells = [line.rstrip("\r").split("\t", 1) for line in lines if line.strip()]
    return pd.DataFrame(cells, columns=["label", "text"])
