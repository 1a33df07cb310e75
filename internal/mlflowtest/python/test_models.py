"""Models from log_model to load_model, and the files behind them."""

import os
import pathlib

import mlflow
import numpy
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

from conftest import MAJOR, log_model


def same(uri, trained):
    _, x, wanted = trained
    numpy.testing.assert_array_equal(mlflow.pyfunc.load_model(uri).predict(x), wanted)


def test_a_model_is_logged_registered_and_loaded_by_every_name(client, name, experiment, trained):
    model, x, y = trained
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.97)
        info = log_model(model, registered_model_name=name, signature=infer_signature(x, y), input_example=x[:2])
        log_model(model, registered_model_name=name)
    client.transition_model_version_stage(name, "1", "Production")
    client.set_registered_model_alias(name, "champion", "1")
    for uri in (f"models:/{name}/1", f"models:/{name}/Production", f"models:/{name}@champion", f"models:/{name}/latest",
                f"runs:/{run.info.run_id}/model", info.model_uri):
        same(uri, trained)
    assert client.get_model_version(name, "1").run_id == run.info.run_id
    signature = mlflow.models.get_model_info(f"models:/{name}/1").signature
    assert signature == infer_signature(x, y)


def test_registering_a_logged_model_snapshots_its_files(client, name, experiment, trained):
    model, _, _ = trained
    with mlflow.start_run() as run:
        info = log_model(model)
    version = mlflow.register_model(f"runs:/{run.info.run_id}/model", name)
    assert version.version == "1"
    repo = mlflow.artifacts
    uri = info.model_uri if MAJOR >= 3 else f"runs:/{run.info.run_id}/model"
    files = {f.path for f in repo.list_artifacts(uri)}
    assert any(f.endswith("MLmodel") for f in files)
    # What happens to the run's files afterwards is nothing to the version.
    if MAJOR >= 3:
        where = mlflow.get_logged_model(info.model_id).artifact_location
    else:
        where = f"{run.info.artifact_uri}/model"
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(where).delete_artifacts()
    assert get_artifact_repository(where).list_artifacts() == []
    client.delete_run(run.info.run_id)
    same(f"models:/{name}/1", trained)


def test_a_copy_outlives_its_original(client, name, experiment, trained):
    model, _, _ = trained
    with mlflow.start_run():
        log_model(model, registered_model_name=name)
    client.copy_model_version(f"models:/{name}/1", name + "-copy")
    client.delete_registered_model(name)
    same(f"models:/{name}-copy/1", trained)


def test_autolog(client, experiment, trained):
    from sklearn.linear_model import LogisticRegression

    _, x, y = trained
    mlflow.sklearn.autolog(silent=True, log_models=False)
    try:
        with mlflow.start_run() as run:
            LogisticRegression(max_iter=50).fit(x, y)
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    got = client.get_run(run.info.run_id).data
    assert got.params["max_iter"] == "50" and "training_accuracy_score" in got.metrics


def test_files_of_a_run(client, experiment, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a b+ü&.txt").write_text("strange name")
    (tmp_path / "d" / "empty").write_bytes(b"")
    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path), "files")
        mlflow.log_dict({"a": 1}, "conf/a.json")
        mlflow.log_text("first", "note.txt")
        mlflow.log_text("second", "note.txt")
    paths = lambda path=None: [(f.path, f.is_dir) for f in client.list_artifacts(run.info.run_id, path)]
    assert paths() == [("conf", True), ("files", True), ("note.txt", False)]
    assert paths("files/d") == [("files/d/a b+ü&.txt", False), ("files/d/empty", False)]
    assert paths("nothing") == []
    got = pathlib.Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    assert (got / "files" / "big").read_bytes() == (tmp_path / "big").read_bytes()
    assert (got / "files" / "d" / "a b+ü&.txt").read_text() == "strange name"
    assert (got / "files" / "d" / "empty").read_bytes() == b""
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt") == "second"
    with pytest.raises(MlflowException):
        mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/missing.txt")


def test_multipart_falls_back_to_one_request(experiment, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(5 << 20))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 << 20))
    big = tmp_path / "big"
    big.write_bytes(os.urandom(11 << 20))
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(big))
    got = mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/big", dst_path=str(tmp_path / "out"))
    assert pathlib.Path(got).read_bytes() == big.read_bytes()


def test_a_wrong_name_is_told_at_once(name):
    with pytest.raises(MlflowException):
        mlflow.pyfunc.load_model(f"models:/{name}/Production")
