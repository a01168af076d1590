"""Whether a reason to retrain is one: policies over recorded facts."""
