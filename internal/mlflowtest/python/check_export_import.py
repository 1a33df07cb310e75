"""mlflow-export-import copies out a model with its aliases, and copies its runs in. It needs a server that answers searches
as MLflow does, without aliases: serve --plain-search. Versions it copies only into servers whose artifacts are files of the
same machine, not into one with an artifact proxy, MLflow's own or ours."""

import json
import os

import mlflow
from mlflow_export_import.model.export_model import ModelExporter
from mlflow_export_import.run.import_run import RunImporter


def test_a_model_is_exported_and_its_run_imported(client, name, tmp_path):
    with mlflow.start_run() as run:
        mlflow.log_param("depth", 3)
        mlflow.log_text("flavors: {}\n", "model/MLmodel")
        mlflow.log_text("weights", "model/weights.txt")
    run_id = run.info.run_id
    client.create_registered_model(name, tags={"team": "risk"}, description="tells fraud")
    for _ in range(2):
        client.create_model_version(name, f"runs:/{run_id}/model", run_id, tags={"trained": "yes"})
    client.set_registered_model_alias(name, "champion", "1")
    client.transition_model_version_stage(name, "2", "Staging")

    done, _ = ModelExporter(client).export_model(name, str(tmp_path))
    assert done
    with open(tmp_path / "model.json", encoding="utf-8") as f:
        model = json.load(f)["mlflow"]["registered_model"]
    assert model["name"] == name and model["description"] == "tells fraud"
    assert sorted((v["version"], v["current_stage"]) for v in model["versions"]) == [("1", "None"), ("2", "Staging")]
    with open(tmp_path / run_id / "artifacts" / "model" / "weights.txt", encoding="utf-8") as f:
        assert f.read() == "weights"

    imported, _ = RunImporter(client, mlmodel_fix=True).import_run(name + "-copy", os.path.join(str(tmp_path), run_id))
    assert client.get_run(imported.info.run_id).data.params == {"depth": "3"}
    with open(client.download_artifacts(imported.info.run_id, "model/weights.txt"), encoding="utf-8") as f:
        assert f.read() == "weights"
