"""Files are read whatever they are called, by paths that only need cleaning too."""

import os
import random
import urllib.parse

import mlflow
import numpy as np
import pytest
import requests

PARTS = [
    "a", "B", "é", "模", "🙂", " ", ".", "..", "-", "_", "+", "~", "%", "%%", "%2", "%20", "%2F", "%25", "%2525", "%00", "%41", "%C3%A9", "%zz", "20",
    "%step%20%timestamp%1730000000%", "?", "&", "=", ";", ":", "@", "!", "$", "'", '"', "(", ")", "*", ",", "[", "]", "{", "}", "<", ">", "|", "^", "`",
    "http:", "C:", "c:", "file:", "Model:", "mlflow-artifacts:", "％", "x", "25", "a%20b", "a?b", "\u00a0", "\u200d",
]


def random_names(seed, count):
    rng, names = random.Random(seed), set()
    while len(names) < count:
        name = "".join(rng.choice(PARTS) for _ in range(rng.randint(1, 5)))
        if name not in (".", "..") and len(name.encode()) < 60:
            names.add(name)
    return sorted(names)


def put(client, run, path):
    """Stores a file under just this path, as a program that quotes right does."""
    told = path.replace("%", "％25").replace("\\", "％5C").replace("#", "％23").replace("?", "％3F").replace(";", "％3B").replace(":", "％3A")
    url = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/{urllib.parse.quote(told)}"
    requests.put(url, data=path.encode()).raise_for_status()


def contents(directory):
    found = []
    for root, _, files in os.walk(directory):
        for name in files:
            with open(os.path.join(root, name), encoding="utf-8") as f:
                found.append(f.read())
    return sorted(found)


@pytest.fixture
def run(client):
    return client.create_run("0").info.run_id


def test_whatever_is_listed_can_be_read(client, run, name, tmp_path):
    names = [n for n in random_names(5, 150) if "％" not in n]
    paths = sorted(f"files/{n}" for n in names) + [f"files/dir {n}/{n}x" for n in names[:10]] + ["files/a#b", "files/a\\b"]
    for path in paths:
        put(client, run, path)
    assert contents(client.download_artifacts(run, "files", str(tmp_path))) == sorted(paths)
    for f in client.list_artifacts(run, "files"):
        if not f.is_dir:
            assert contents_of(client.download_artifacts(run, f.path, str(tmp_path))) in paths
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run}/files", run)
    to = tmp_path / "version"
    to.mkdir()
    assert contents(mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(to))) == sorted(paths)


def contents_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def test_what_a_client_has_logged_comes_back(client, run, tmp_path):
    (tmp_path / "logged").mkdir()
    for name in ["95%CI_25%30.png", "100%.txt", "a%20b", "50%off", "x+y=z&a.txt", "[1] (2).txt"]:
        (tmp_path / "logged" / name).write_text(name)
        client.log_artifact(run, str(tmp_path / "logged" / name), "logged")
        assert contents_of(client.download_artifacts(run, f"logged/{name}")) == name
    assert len(contents(client.download_artifacts(run, "logged"))) == 6


def test_images_of_all_steps(client, run):
    for step in (5, 10, 20, 41, 100):
        client.log_image(run, np.full((2, 2, 3), step, dtype=np.uint8), key="a", step=step)
    directory = client.download_artifacts(run, "images")
    images = sorted(f for f in os.listdir(directory) if f.endswith(".png"))
    assert len(images) == 5
    for image in images:
        mlflow.artifacts.load_image(os.path.join(directory, image))


def test_paths_that_only_need_cleaning(client, run, name):
    client.log_text(run, "top", "model/top.txt")
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run}/model/", run)
    assert os.listdir(client.download_artifacts(run, ".")) == ["model"]
    assert os.listdir(client.download_artifacts(run, "")) == ["model"]
    assert [f.path.removeprefix("./") for f in client.list_artifacts(run, "./model")] == ["model/top.txt"]
    for uri in (
        f"runs:/{run}/./model/top.txt", f"runs:/{run}/model//top.txt", f"models:/{name}/1/./top.txt", f"models:/{name}/1/top.txt",
    ):
        assert contents_of(mlflow.artifacts.download_artifacts(uri)) == "top", uri
