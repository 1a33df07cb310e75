"""What the tests share. The server is the one at MLFLOW_TRACKING_URI; each test makes names of its own, so that several
runs on one server do not meet."""

import logging
import os
import sys
import uuid
import warnings

import pytest

warnings.simplefilter("ignore")
logging.getLogger("mlflow").setLevel(logging.ERROR)

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402

MAJOR = int(mlflow.__version__.split(".")[0])


@pytest.fixture(scope="session", autouse=True)
def server():
    if not os.environ.get("MLFLOW_TRACKING_URI", "").startswith("http"):
        pytest.exit("MLFLOW_TRACKING_URI has to name a server")
    print("MLflow", mlflow.__version__, "Python", sys.version.split()[0], file=sys.stderr)


@pytest.fixture
def client():
    return MlflowClient()


@pytest.fixture
def name():
    return "m-" + uuid.uuid4().hex[:12]


@pytest.fixture(scope="session")
def trained():
    """A classifier of the Iris data, its test rows, and what it predicts for them."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=200).fit(x, y)
    return model, x, model.predict(x)


@pytest.fixture
def experiment(name):
    mlflow.set_experiment("e-" + name)
    yield mlflow.get_experiment_by_name("e-" + name)
    mlflow.set_experiment("Default")


def log_model(model, **kwargs):
    """log_model, whose first arguments changed between MLflow 2 and 3. Pickle, which every version of MLflow reads."""
    import mlflow.sklearn

    path = {"name": "model"} if MAJOR >= 3 else {"artifact_path": "model"}
    return mlflow.sklearn.log_model(model, serialization_format="cloudpickle", **path, **kwargs)
