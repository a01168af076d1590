"""Source bytes become content-addressed Parquet shards with row ids, and a dataset version.

readers.py       which files a recipe names; their fingerprint; the table of kinds
delimited.py     csv
columnar.py      parquet
bundled.py       scikit-learn's real data
batches.py       which rows are new, which are edits of old ones
stage.py         the stages ingest and version
"""
