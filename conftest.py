"""What hypothesis does in all tests: ``pytest --hypothesis-profile=nightly`` tries ten times as many examples."""

from __future__ import annotations

import contextlib
import os

# The tests of some packages do without hypothesis, and are run where it is not installed.
with contextlib.suppress(ImportError):
    from hypothesis import HealthCheck, Phase, settings

    # How long an example takes says nothing on a machine that does other work as well.
    settings.register_profile(
        "default",
        deadline=None,
        max_examples=200,
        # A change that is tested twice gives the same answer twice; what is new is found at night.
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        # What explains a failure takes ten times as long as to find it.
        phases=set(Phase) - {Phase.explain},
    )
    settings.register_profile(
        "nightly", settings.get_profile("default"), max_examples=2000, derandomize=False, print_blob=True
    )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
