"""Source bytes become content-addressed Parquet shards with row ids, and a dataset version.

readers.py       the table of kinds: what reads a source, and what it is known by
files.py         which files a path of a recipe names; their fingerprint
delimited.py     csv
columnar.py      parquet
lines.py         jsonl
arrays.py        npz
idx.py           idx
database.py      sql
pictures.py      image_folder
grids.py         arrays as columns
bundled.py       sklearn: its real data
own.py           custom: a function of the recipe's folder
batches.py       which rows are new, which are edits of old ones
stage.py         the stages ingest and version
"""
