"""Writes the directory iris: a model as MLflow's own client saves it, of which only MLmodel is kept. Run with the
interpreter of an environment that has mlflow 3.17.2 and scikit-learn:

    python mlmodel/testdata/make.py mlmodel/testdata/iris && rm mlmodel/testdata/iris/[!M]*
"""

import sys

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

X, y = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=500).fit(X, y)
signature = infer_signature(X, pd.Series(model.predict(X), name="species"), params={"threshold": 0.5, "labels": ["a", "b"]})
mlflow.sklearn.save_model(model, sys.argv[1], signature=signature, metadata={"team": "botany"})
