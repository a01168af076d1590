"""What all stages share: recipe, contracts, errors, hashing, plan, seeds, statistics."""
