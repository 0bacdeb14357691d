"""scikit-learn's models on the folds of a table: sklearn_folds.py TABLE.csv FOLDS.json

FOLDS.json: {"task", "metric", "tests": [[rows of the test], ...]}; rows are counted from 0, what is not in a test is trained on. The last column is
the target. Prints a line of JSON: scores of each model, one for each fold. Numbers are standardised, missing ones filled with the median beside a mark;
texts are one-hot for linear models, and categories for the histogram's trees. Nothing is fitted on test rows.
"""

import csv
import json
import sys
import warnings

import numpy as np
from sklearn import metrics
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

warnings.simplefilter("ignore")
table, folds = sys.argv[1:]
with open(table, newline="") as file:
    names, *rows = csv.reader(file)
with open(folds) as file:
    job = json.load(file)


def numbers(column):
    try:
        return np.array([float(x) if x != "" else np.nan for x in column])
    except ValueError:
        return None


columns = [[row[i] for row in rows] for i in range(len(names) - 1)]
as_numbers = [numbers(column) for column in columns]
numeric = [i for i, column in enumerate(as_numbers) if column is not None]
texts = [i for i, column in enumerate(as_numbers) if column is None]
x = np.empty((len(rows), len(columns)), dtype=object)
for i, column in enumerate(columns):
    x[:, i] = as_numbers[i] if i in numeric else column
classify = job["task"] == "tabular-classification"
target = [row[-1] for row in rows]
y = np.array([sorted(set(target)).index(t) for t in target]) if classify else np.array(target, dtype=float)

filled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
one_hot = ColumnTransformer([("numbers", filled, numeric), ("texts", OneHotEncoder(handle_unknown="ignore"), texts)], sparse_threshold=0)
plain = ColumnTransformer([("numbers", SimpleImputer(strategy="median", add_indicator=True), numeric), ("texts", OneHotEncoder(handle_unknown="ignore"), texts)], sparse_threshold=0)
ordinal = ColumnTransformer([("texts", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=250), texts), ("numbers", "passthrough", numeric)])
categories = list(range(len(texts)))
if classify:
    models = {
        "logistic regression": make_pipeline(one_hot, LogisticRegression(max_iter=5000)),
        "gradient boosting": make_pipeline(plain, GradientBoostingClassifier(random_state=0)),
        "histogram gradient boosting": make_pipeline(ordinal, HistGradientBoostingClassifier(random_state=0, categorical_features=categories)),
    }
else:
    models = {
        "ridge": make_pipeline(one_hot, RidgeCV(np.logspace(-2, 4, 25))),
        "gradient boosting": make_pipeline(plain, GradientBoostingRegressor(random_state=0)),
        "gradient boosting, 500 trees": make_pipeline(plain, GradientBoostingRegressor(n_estimators=500, learning_rate=0.05, max_depth=4, subsample=0.8, random_state=0)),
        "histogram gradient boosting": make_pipeline(ordinal, HistGradientBoostingRegressor(random_state=0, categorical_features=categories)),
    }

scores = {name: [] for name in models}
for test in job["tests"]:
    train = np.setdiff1d(np.arange(len(rows)), test)
    for name, model in models.items():
        model.fit(x[train], y[train])
        if classify:
            scores[name].append(metrics.roc_auc_score(y[test], model.predict_proba(x[test])[:, 1]))
        else:
            scores[name].append(float(np.sqrt(metrics.mean_squared_error(y[test], model.predict(x[test])))))
print(json.dumps(scores))
