"""What the bridge tests share. Rule: a run is repeatable: generated examples are the same each time; nothing is timed."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("unit")
