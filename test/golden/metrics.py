"""Makes metrics.json: values of scikit-learn (and NumPy where it has no such metric) for src/metrics/golden.test.ts.

python3 -m venv VENV && VENV/bin/pip install scikit-learn
VENV/bin/python test/golden/metrics.py > test/golden/metrics.json
"""

import json
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m

warnings.simplefilter("ignore")


def calibration_error(y, p, w, bins):
    confidence, right = p.max(1), p.argmax(1) == y
    error = 0.0
    for low, high in zip(np.arange(bins) / bins, np.arange(1, bins + 1) / bins):
        inside = (confidence > low) & (confidence <= high)
        if w[inside].sum() > 0:
            gap = np.average(right[inside], weights=w[inside]) - np.average(confidence[inside], weights=w[inside])
            error += w[inside].sum() / w.sum() * abs(gap)
    return error


def brier(y, p, labels, w):
    if len(labels) == 2:
        return 2 * m.brier_score_loss(y, p[:, 1], sample_weight=w)
    return m.brier_score_loss(y, p, labels=labels, sample_weight=w, scale_by_half=False)


def one_against_rest(y, p, classes, score):
    asked = [1] if classes == 2 else [c for c in range(classes) if 0 < (y == c).sum() < len(y)]
    return float(np.mean([score(y == c, p[:, c]) for c in asked]))


def area(y, p, classes, w):
    return one_against_rest(y, p, classes, lambda t, s: m.roc_auc_score(t, s, sample_weight=w))


def sensitivity(y, score, w, specificity):
    fpr, tpr, _ = m.roc_curve(y, score, sample_weight=w, drop_intermediate=False)
    return tpr[1 - fpr >= specificity - 1e-12].max()


def classification(seed, n, classes, absent, weighted, sharpness):
    random = np.random.default_rng(seed)
    y = random.integers(0, classes - absent, n)
    logits = random.normal(size=(n, classes)) + sharpness * np.eye(classes)[y]
    p = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).round(5).astype(np.float32)
    p64 = p.astype(np.float64)
    w = random.integers(0, 5, n) / 2 if weighted else np.ones(n)
    labels, predicted = list(range(classes)), p.argmax(1)
    scores = {}
    for average in ["macro", "weighted", "micro"]:
        for zero in [0, 1]:
            precision, recall, f1, _ = m.precision_recall_fscore_support(
                y, predicted, labels=labels, average=average, sample_weight=w, zero_division=zero
            )
            scores[f"{average}{zero}"] = {"precision": precision, "recall": recall, "f1": f1}
    per_class = m.precision_recall_fscore_support(y, predicted, labels=labels, sample_weight=w, zero_division=0)
    return {
        "classes": classes,
        "labels": y.tolist(),
        "probabilities": [float(f"{x:.5f}") for x in p.ravel()],
        "weights": w.tolist(),
        "accuracy": m.accuracy_score(y, predicted, sample_weight=w),
        "top2Accuracy": m.top_k_accuracy_score(y, p, k=2, labels=labels, sample_weight=w) if classes > 2 else 1,
        "crossEntropy": m.log_loss(y, p64 / p64.sum(1, keepdims=True), labels=labels, sample_weight=w),
        "brierScore": brier(y, p64 / p64.sum(1, keepdims=True), labels, w),
        "areaUnderRoc": area(y, p, classes, w),
        "sensitivityAt80Specificity": one_against_rest(y, p, classes, lambda t, s: sensitivity(t, s, w, 0.8)),
        "calibrationError": calibration_error(y, p64, w, 10),
        "confusionMatrix": m.confusion_matrix(y, predicted, labels=labels, sample_weight=w).ravel().tolist(),
        "scores": scores,
        "perClass": {k: v.tolist() for k, v in zip(["precision", "recall", "f1", "support"], per_class)},
    }


def regression(seed, n, outputs):
    random = np.random.default_rng(seed)
    target = random.normal(size=(n, outputs)).round(4).astype(np.float32)
    prediction = (target + random.normal(size=(n, outputs)) / 3).round(4).astype(np.float32)
    w = random.integers(1, 5, n) / 2
    return {
        "outputs": outputs,
        "targets": [float(f"{x:.4f}") for x in target.ravel()],
        "predictions": [float(f"{x:.4f}") for x in prediction.ravel()],
        "weights": w.tolist(),
        "meanSquaredError": m.mean_squared_error(target.astype(np.float64), prediction.astype(np.float64), sample_weight=w),
        "meanAbsoluteError": m.mean_absolute_error(target.astype(np.float64), prediction.astype(np.float64), sample_weight=w),
    }


print(
    json.dumps(
        {
            "madeWith": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
            "classification": [
                classification(1, 60, 3, 0, False, 1.5),
                classification(2, 60, 5, 2, True, 1.0),
                classification(3, 25, 2, 0, True, 0.5),
            ],
            "regression": [regression(4, 20, 1), regression(5, 15, 3)],
        }
    )
)
