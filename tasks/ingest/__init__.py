"""Source bytes become content-addressed Parquet shards with row ids, and a dataset version."""
