"""Tracking, as far as registering models needs it."""

import json
import math
import os

import mlflow
import pytest
import requests
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from conftest import MAJOR


def test_a_run_keeps_what_it_logs(client, experiment):
    with mlflow.start_run(run_name="first", tags={"who": "me"}) as run:
        mlflow.log_param("depth", 3)
        mlflow.log_params({"rate": 0.1, "kind": "tree"})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"accuracy": 0.9, "f1": 0.8})
        mlflow.set_tag("stage", "test")
    got = client.get_run(run.info.run_id)
    assert got.info.status == "FINISHED" and got.info.end_time >= got.info.start_time
    assert got.info.run_name == "first" and got.info.experiment_id == experiment.experiment_id
    assert got.data.params == {"depth": "3", "rate": "0.1", "kind": "tree"}
    assert got.data.metrics == {"loss": 0.2, "accuracy": 0.9, "f1": 0.8}
    assert got.data.tags["who"] == "me" and got.data.tags["stage"] == "test"
    assert got.data.tags["mlflow.runName"] == "first"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(i, 1 / (i + 1)) for i in range(5)]


def test_a_failed_run_is_told_apart(client, experiment):
    with pytest.raises(ZeroDivisionError):
        with mlflow.start_run() as run:
            1 / 0
    assert client.get_run(run.info.run_id).info.status == "FAILED"


def test_a_param_is_logged_once(client, experiment):
    with mlflow.start_run() as run:
        mlflow.log_param("depth", 3)
        mlflow.log_param("depth", 3)
        with pytest.raises(MlflowException, match="[Cc]hang"):
            client.log_param(run.info.run_id, "depth", 4)
    assert client.get_run(run.info.run_id).data.params == {"depth": "3"}


def test_a_batch_is_logged_whole_or_not_at_all(client, experiment):
    with mlflow.start_run() as run:
        client.log_param(run.info.run_id, "depth", "3")
        with pytest.raises(MlflowException):
            client.log_batch(
                run.info.run_id, metrics=[Metric("m", 1.0, 0, 0)], params=[Param("depth", "4")], tags=[RunTag("t", "v")]
            )
    got = client.get_run(run.info.run_id).data
    assert got.metrics == {} and "t" not in got.tags


def test_numbers_that_json_has_none_for(client, experiment):
    with mlflow.start_run() as run:
        mlflow.log_metrics({"up": math.inf, "down": -math.inf, "none": math.nan})
    got = client.get_run(run.info.run_id).data.metrics
    assert math.isinf(got["up"]) or got["up"] > 1e308
    assert got["down"] < -1e308 and math.isnan(got["none"])


def test_searching_runs(client, experiment):
    for i in range(4):
        with mlflow.start_run(run_name=f"r{i}"):
            mlflow.log_param("i", i)
            mlflow.log_metric("score", i / 10)
    ids = [experiment.experiment_id]
    names = lambda runs: [r.info.run_name for r in runs]
    assert names(client.search_runs(ids, "metrics.score > 0.05 AND params.i != '3'", order_by=["metrics.score DESC"])) == ["r2", "r1"]
    assert names(client.search_runs(ids, "attributes.run_name LIKE 'r%' and attributes.status = 'FINISHED'")) == ["r3", "r2", "r1", "r0"]
    page = client.search_runs(ids, max_results=3, order_by=["params.i ASC"])
    assert names(page) == ["r0", "r1", "r2"]
    assert names(client.search_runs(ids, max_results=3, order_by=["params.i ASC"], page_token=page.token)) == ["r3"]
    frame = mlflow.search_runs(ids, order_by=["start_time ASC"])
    assert list(frame["params.i"]) == ["0", "1", "2", "3"] and list(frame["metrics.score"]) == [0.0, 0.1, 0.2, 0.3]
    with pytest.raises(MlflowException):
        client.search_runs(ids, "x') OR (1 = 1")


def test_deleting_and_restoring_runs(client, experiment):
    with mlflow.start_run() as run:
        pass
    client.delete_run(run.info.run_id)
    ids = [experiment.experiment_id]
    assert client.search_runs(ids) == []
    assert len(client.search_runs(ids, run_view_type=ViewType.DELETED_ONLY)) == 1
    with pytest.raises(MlflowException):
        client.log_metric(run.info.run_id, "m", 1)
    client.restore_run(run.info.run_id)
    assert len(client.search_runs(ids)) == 1


def test_experiments(client, name):
    made = client.create_experiment(name, tags={"a": "b"})
    with pytest.raises(MlflowException, match="exists"):
        client.create_experiment(name)
    got = client.get_experiment(made)
    assert (got.name, got.tags, got.lifecycle_stage) == (name, {"a": "b"}, "active")
    client.set_experiment_tag(made, "c", "d")
    client.rename_experiment(made, name + "-new")
    found = client.search_experiments(filter_string=f"name = '{name}-new' AND tags.c = 'd'")
    assert [e.experiment_id for e in found] == [made]
    client.delete_experiment(made)
    assert client.get_experiment(made).lifecycle_stage == "deleted"
    client.restore_experiment(made)
    assert client.get_experiment_by_name(name + "-new").lifecycle_stage == "active"
    assert client.get_experiment_by_name("no such") is None
    assert client.get_experiment("0").name == "Default"
    assert "Default" in [e.name for e in client.search_experiments()]


def test_datasets_are_inputs_of_a_run(client, experiment, trained):
    import pandas

    data = mlflow.data.from_pandas(pandas.DataFrame({"x": [1, 2, 3]}), source="s3://bucket/data.csv", name="numbers")
    with mlflow.start_run() as run:
        mlflow.log_input(data, context="training")
        mlflow.log_input(data, context="training")
    (only,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert only.dataset.name == "numbers" and only.dataset.digest == data.digest
    assert {t.key: t.value for t in only.tags} == {"mlflow.data.context": "training"}


def test_what_the_page_asks_of_many_runs(client, experiment):
    """The routes that only MLflow's page uses, of which there are no methods of the client."""
    ids = []
    for context in ["training", "eval"]:
        with mlflow.start_run() as run:
            for step in range(10):
                mlflow.log_metric("loss", step / 2, step=step)
            client.log_inputs(run.info.run_id, [DatasetInput(Dataset("iris", "d1", "local", "{}"), [InputTag("mlflow.data.context", context)])])
        ids.append(run.info.run_id)
    base = os.environ["MLFLOW_TRACKING_URI"] + "/ajax-api/2.0/mlflow/"

    def asked(path, **params):
        return requests.get(base + "metrics/" + path, params={"metric_key": "loss", **params}, timeout=30)

    points = asked("get-history-bulk", run_id=ids).json()["metrics"]
    assert [(m["run_id"], m["step"], m["value"]) for m in points] == [(i, s, s / 2) for i in sorted(ids) for s in range(10)]
    assert len(asked("get-history-bulk", run_id=ids, max_results=7).json()["metrics"]) == 7
    assert asked("get-history-bulk").status_code == 400
    sample = asked("get-history-bulk-interval", run_ids=ids, max_results=3).json()["metrics"]
    for run_id in ids:
        steps = [m["step"] for m in sample if m["run_id"] == run_id]
        assert steps[0] == 0 and steps[-1] == 9 and len(steps) <= (3 if MAJOR >= 3 else 10)
    assert asked("get-history-bulk-interval", run_ids=ids, start_step=1).status_code == 400
    assert asked("get-history-bulk-interval", run_ids=ids, max_results=0).status_code == 400
    found = requests.post(base + "experiments/search-datasets", json={"experiment_ids": [experiment.experiment_id]}, timeout=30).json()
    assert sorted((d["name"], d["digest"], d["context"]) for d in found["dataset_summaries"]) == [("iris", "d1", "eval"), ("iris", "d1", "training")]


def test_old_clients_say_run_uuid(client, experiment):
    with mlflow.start_run() as run:
        pass
    base = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/"
    requests.post(base + "set-tag", json={"run_uuid": run.info.run_id, "key": "k", "value": "v"}, timeout=30).raise_for_status()
    got = requests.get(base + "get", params={"run_uuid": run.info.run_id}, timeout=30).json()
    assert {"key": "k", "value": "v"} in got["run"]["data"]["tags"]


def test_a_run_has_more_metrics_than_one_call_can_log(client, experiment):
    with mlflow.start_run() as run:
        for at in range(0, 12_000, 1000):
            client.log_batch(run.info.run_id, metrics=[Metric(f"m{i}", i, 0, 0) for i in range(at, at + 1000)])
    assert len(client.get_run(run.info.run_id).data.metrics) == 12_000


def test_a_run_name_is_never_set_to_nothing(client, experiment):
    with mlflow.start_run(run_name="kept") as run:
        client.set_tag(run.info.run_id, "mlflow.runName", "")
    got = client.get_run(run.info.run_id)
    assert got.info.run_name == "kept" and got.data.tags["mlflow.runName"] == "kept"


def test_nested_runs(client, experiment):
    with mlflow.start_run() as parent:
        with mlflow.start_run(nested=True) as child:
            pass
    assert client.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id


def test_what_is_not_there(client, experiment):
    with pytest.raises(MlflowException) as raised:
        client.get_run("0" * 32)
    assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.skipif(MAJOR < 3, reason="MLflow 2 has no logged models")
def test_logged_models(client, experiment):
    with mlflow.start_run() as run:
        model = mlflow.initialize_logged_model(name="net", params={"a": "1"}, tags={"t": "x"})
        mlflow.finalize_logged_model(model.model_id, "READY")
        mlflow.log_metric("acc", 0.5, model_id=model.model_id)
    got = mlflow.get_logged_model(model.model_id)
    assert (got.name, got.status, got.params, got.tags["t"]) == ("net", "READY", {"a": "1"}, "x")
    assert got.source_run_id == run.info.run_id and [m.value for m in got.metrics] == [0.5]
    mlflow.set_logged_model_tags(model.model_id, {"u": "y"})
    mlflow.delete_logged_model_tag(model.model_id, "t")
    found = mlflow.search_logged_models([experiment.experiment_id], filter_string="name = 'net'", output_format="list")
    assert [m.model_id for m in found] == [model.model_id] and found[0].tags["u"] == "y" and "t" not in found[0].tags
    client.delete_logged_model(model.model_id)
    with pytest.raises(MlflowException):
        mlflow.get_logged_model(model.model_id)


@pytest.mark.skipif(MAJOR < 3, reason="MLflow 2 has no logged models")
def test_a_logged_model_tells_its_versions(client, name, experiment):
    with mlflow.start_run():
        model = mlflow.initialize_logged_model(name="net")
        mlflow.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model(name)
    for _ in range(2):
        client.create_model_version(name, f"models:/{model.model_id}", model_id=model.model_id)
    told = json.loads(mlflow.get_logged_model(model.model_id).tags["mlflow.modelVersions"])
    assert [(v["name"], int(v["version"])) for v in told] == [(name, 1), (name, 2)]
