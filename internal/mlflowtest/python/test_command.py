"""The mlflow command's verbs for experiments, runs and artifacts."""

import json
import os

import mlflow
import mlflow.cli
from click.testing import CliRunner


def command(*args, cwd):
    """Runs mlflow with arguments, in this process: starting one takes seconds."""
    before = os.getcwd()
    os.chdir(cwd)
    try:
        done = CliRunner().invoke(mlflow.cli.cli, args, catch_exceptions=False)
    finally:
        os.chdir(before)
    assert done.exit_code == 0, done.output
    return done.output


def test_experiments_runs_and_artifacts(client, name, tmp_path):
    command("experiments", "create", "-n", name, cwd=tmp_path)
    experiment = client.get_experiment_by_name(name).experiment_id
    assert name in command("experiments", "search", cwd=tmp_path)
    with mlflow.start_run(experiment_id=experiment, run_name="by hand") as run:
        mlflow.log_metric("m", 1.5)
    assert "by hand" in command("runs", "list", "--experiment-id", experiment, cwd=tmp_path)
    output = command("runs", "describe", "--run-id", run.info.run_id, cwd=tmp_path)
    told = json.loads(output[output.index("{") :])
    assert told["data"]["metrics"] == {"m": 1.5}
    (tmp_path / "file.txt").write_text("text")
    command("artifacts", "log-artifact", "--local-file", "file.txt", "--run-id", run.info.run_id, cwd=tmp_path)
    assert "file.txt" in command("artifacts", "list", "--run-id", run.info.run_id, cwd=tmp_path)
    command("artifacts", "download", "--run-id", run.info.run_id, "--artifact-path", "file.txt", "--dst-path", "out", cwd=tmp_path)
    assert (tmp_path / "out" / "file.txt").read_text() == "text"
    command("runs", "delete", "--run-id", run.info.run_id, cwd=tmp_path)
    command("runs", "restore", "--run-id", run.info.run_id, cwd=tmp_path)
    command("experiments", "csv", "-x", experiment, "-o", "runs.csv", cwd=tmp_path)
    assert run.info.run_id in (tmp_path / "runs.csv").read_text()
    command("experiments", "rename", "-x", experiment, "--new-name", name + "-new", cwd=tmp_path)
    command("experiments", "delete", "-x", experiment, cwd=tmp_path)
    command("experiments", "restore", "-x", experiment, cwd=tmp_path)
    assert client.get_experiment(experiment).name == name + "-new"
