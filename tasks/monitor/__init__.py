"""Whether new data still look as they did, and whether the champion still does as well."""
