"""Logs models with MLflow's own client for package bench.

usage: mlflow_client.py URL

Answers each line with a number with the seconds that logging so many models took, each registered as a version.
"""

import logging
import sys
import time
import warnings

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")

import mlflow  # noqa: E402
import mlflow.sklearn  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402


def main():
    mlflow.set_tracking_uri(sys.argv[1])
    x, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=200).fit(x, y)
    signature = mlflow.models.infer_signature(x, y)
    for line in sys.stdin:
        begin = time.perf_counter()
        for _ in range(int(line)):
            with mlflow.start_run():
                # Without requirements the client runs a process to find them, which is no matter of the server.
                mlflow.sklearn.log_model(model, name="model", registered_model_name="logged", signature=signature,
                                         pip_requirements=["scikit-learn"], serialization_format="cloudpickle")
        print(time.perf_counter() - begin, file=answers, flush=True)


# The client tells on standard output what it does.
answers, sys.stdout = sys.stdout, sys.stderr
main()
