"""Makes drift.json: SciPy's two-sample Kolmogorov-Smirnov statistic and NumPy's stability index for src/bundle/profile/drift.test.ts.

python3 -m venv VENV && VENV/bin/pip install scipy
VENV/bin/python test/golden/drift.py > test/golden/drift.json
"""

import json

import numpy as np
import scipy
from scipy.stats import ks_2samp


def index(p, q):
    p, q = np.maximum(1e-4, p / p.sum()), np.maximum(1e-4, q / q.sum())
    return float(((q - p) * np.log(q / p)).sum())


def whole(random, low, high, n, m, shift):
    """Few distinct values: bins of one value each, so that the statistic is SciPy's to the last digit."""
    a, b = random.integers(low, high, n), random.integers(low, high, m) + shift
    b = np.clip(b, low, high - 1)
    return a.astype(float), b.astype(float)


random = np.random.default_rng(5)
cases = [
    ("whole numbers, the same", *whole(random, 0, 40, 900, 400, 0)),
    ("whole numbers, shifted", *whole(random, 0, 40, 900, 400, 9)),
    ("two values", *whole(random, 0, 2, 300, 300, 0)),
    ("normal, the same", random.normal(size=900), random.normal(size=300)),
    ("normal, shifted", random.normal(size=900), random.normal(loc=0.5, size=300)),
    ("normal, wider", random.normal(size=900), random.normal(scale=2, size=300)),
    ("far beyond", random.normal(size=1000), random.normal(loc=50, size=200)),
    ("exponential", random.exponential(size=900), random.exponential(scale=1.3, size=300)),
]
samples = [
    {
        "name": name,
        "reference": a.round(3).tolist(),
        "live": b.round(3).tolist(),
        "ks": float(ks_2samp(a.round(3), b.round(3)).statistic),
        "exact": len(np.unique(a)) <= 100,
    }
    for name, a, b in cases
]
counts = [random.integers(0, 60, (2, k)) for k in (2, 5, 10, 30)]
tables = [{"reference": a.tolist(), "live": b.tolist(), "psi": index(a, b)} for a, b in counts]
tables.append({"reference": [90, 10, 0], "live": [50, 20, 30], "psi": index(np.array([90, 10, 0]), np.array([50, 20, 30]))})
print(json.dumps({"scipy": scipy.__version__, "samples": samples, "tables": tables}))
