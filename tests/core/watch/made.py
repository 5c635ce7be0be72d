"""Made-up scores and features that NannyML and Evidently were run on too."""

import numpy as np


def made() -> dict[str, np.ndarray]:
    """4,000 rows: the first half is the reference, the second half has moved."""
    random = np.random.default_rng(7)
    truth = random.random(4_000) < 0.3
    logit = random.normal(np.where(truth, 1.0, -1.0), 1.0)
    scores = (1 / (1 + np.exp(-0.5 * logit))).round(6)
    amount = random.gamma(2, 10, 4_000)
    kind = random.integers(0, 5, 4_000).astype(float)
    amount[2_000:] *= 1.2
    kind[2_500:] = np.minimum(kind[2_500:], 3)
    return {"truth": truth, "score": scores, "amount": amount, "kind": kind}
