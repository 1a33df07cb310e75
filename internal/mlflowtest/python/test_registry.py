"""The registry through the stock client: models, versions, stages, aliases, search."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.exceptions import MlflowException, RestException

from conftest import MAJOR


def versions(client, name, n, **kwargs):
    client.create_registered_model(name)
    return [client.create_model_version(name, f"s3://bucket/{name}/{i}", **kwargs) for i in range(1, n + 1)]


def code(raised):
    return raised.value.error_code


def test_models_are_made_read_changed_and_deleted(client, name):
    made = client.create_registered_model(name, tags={"team": "fraud"}, description="first")
    assert (made.name, made.description, made.tags) == (name, "first", {"team": "fraud"})
    got = client.get_registered_model(name)
    assert got.creation_timestamp == made.creation_timestamp > 1_600_000_000_000
    assert client.update_registered_model(name, "second").description == "second"
    client.set_registered_model_tag(name, "team", "risk")
    client.set_registered_model_tag(name, "tier", "1")
    client.delete_registered_model_tag(name, "tier")
    client.delete_registered_model_tag(name, "never there")
    assert client.get_registered_model(name).tags == {"team": "risk"}
    client.rename_registered_model(name, name + "-new")
    client.delete_registered_model(name + "-new")
    with pytest.raises(RestException) as raised:
        client.get_registered_model(name)
    assert code(raised) == "RESOURCE_DOES_NOT_EXIST"


def test_a_name_is_taken_once(client, name):
    client.create_registered_model(name)
    with pytest.raises(RestException) as raised:
        client.create_registered_model(name)
    assert code(raised) == "RESOURCE_ALREADY_EXISTS"


def test_versions_are_numbered_and_never_again_the_same(client, name):
    made = versions(client, name, 3, tags={"a": "b"}, description="d", run_link="http://runs/1")
    assert [v.version for v in made] == ["1", "2", "3"]
    assert all(v.status == "READY" and v.current_stage == "None" and v.run_link == "http://runs/1" for v in made)
    client.delete_model_version(name, "3")
    assert client.create_model_version(name, "s3://bucket/x").version == "4"
    with pytest.raises(RestException) as raised:
        client.get_model_version(name, "3")
    assert code(raised) == "RESOURCE_DOES_NOT_EXIST"
    assert client.get_model_version_download_uri(name, "1") == f"s3://bucket/{name}/1"
    assert client.update_model_version(name, "1", "other").description == "other"
    client.set_model_version_tag(name, "1", "c", "d")
    client.delete_model_version_tag(name, "1", "a")
    assert client.get_model_version(name, "1").tags == {"c": "d"}


def test_stages(client, name):
    versions(client, name, 3)
    assert client.transition_model_version_stage(name, "1", "staging").current_stage == "Staging"
    client.transition_model_version_stage(name, "1", "Production")
    client.transition_model_version_stage(name, "2", "Production")  # both: MLflow's default
    assert [v.version for v in client.get_latest_versions(name, ["Production"])] == ["2"]
    moved = client.transition_model_version_stage(name, "3", "Production", archive_existing_versions=True)
    assert moved.current_stage == "Production"
    stages = {v.version: v.current_stage for v in client.search_model_versions(f"name = '{name}'")}
    assert stages == {"1": "Archived", "2": "Archived", "3": "Production"}
    latest = {v.current_stage: v.version for v in client.get_latest_versions(name)}
    assert latest == {"Archived": "2", "Production": "3"}


@pytest.mark.parametrize(
    "stage, archive, says",
    [("Prod", False, "None, Staging, Production, Archived"), ("Archived", True, "not an Active stage")],
)
def test_a_mistake_about_stages_is_told_at_once(client, name, stage, archive, says):
    versions(client, name, 1)
    begin = time.monotonic()
    with pytest.raises(MlflowException, match=says) as raised:
        client.transition_model_version_stage(name, "1", stage, archive_existing_versions=archive)
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
    assert time.monotonic() - begin < 30, "the client took it for a fault of the server and tried again"


def test_promotions_at_once_leave_one_in_production(client, name):
    versions(client, name, 8)
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda n: client.transition_model_version_stage(name, str(n), "Production", archive_existing_versions=True),
                range(1, 9),
            )
        )
    stages = [v.current_stage for v in client.search_model_versions(f"name = '{name}'")]
    assert sorted(stages) == ["Archived"] * 7 + ["Production"]


def test_versions_made_at_once_have_numbers_of_their_own(client, name):
    client.create_registered_model(name)
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda i: int(client.create_model_version(name, f"s3://b/{i}").version), range(24))
    assert sorted(made) == list(range(1, 25))


def test_aliases(client, name):
    versions(client, name, 2)
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "champion", "2")
    client.set_registered_model_alias(name, "Champion", "1")
    assert client.get_model_version_by_alias(name, "champion").version == "2"
    assert client.get_registered_model(name).aliases == {"champion": "2", "Champion": "1"}
    assert client.get_model_version(name, "2").aliases == ["champion"]
    found = {v.version: v.aliases for v in client.search_model_versions(f"name = '{name}'")}
    assert found == {"1": ["Champion"], "2": ["champion"]}, "searches tell aliases"
    client.delete_registered_model_alias(name, "champion")
    client.delete_registered_model_alias(name, "champion")
    with pytest.raises(MlflowException) as raised:
        client.get_model_version_by_alias(name, "champion")
    assert code(raised) == "INVALID_PARAMETER_VALUE"
    for reserved in ("latest", "v1"):
        with pytest.raises(MlflowException, match="reserved"):
            client.set_registered_model_alias(name, reserved, "1")
    client.delete_model_version(name, "1")
    assert client.get_registered_model(name).aliases == {}


def test_searching_models(client, name):
    for i in range(5):
        client.create_registered_model(f"{name}-{i}", tags={"i": str(i), "odd key": "x"})
    found = client.search_registered_models(f"name LIKE '{name}-%' AND tags.`odd key` = 'x'", order_by=["name DESC"])
    assert [m.name for m in found] == [f"{name}-{i}" for i in (4, 3, 2, 1, 0)]
    page = client.search_registered_models(f"name ILIKE '{name.upper()}-%'", max_results=2)
    names = [m.name for m in page]
    while page.token:
        page = client.search_registered_models(f"name ILIKE '{name.upper()}-%'", max_results=2, page_token=page.token)
        names += [m.name for m in page]
    assert names == [f"{name}-{i}" for i in range(5)]
    assert name + "-0" in [m.name for m in client.search_registered_models()]
    with pytest.raises(MlflowException) as raised:
        client.search_registered_models("nonsense = 'x'")
    assert code(raised) == "INVALID_PARAMETER_VALUE"


def test_searching_versions(client, name):
    versions(client, name, 4)
    client.set_model_version_tag(name, "3", "kind", "good")
    found = client.search_model_versions(f"name = '{name}' AND tags.kind = 'good'")
    assert [v.version for v in found] == ["3"]
    found = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"], max_results=3)
    assert [v.version for v in found] == ["1", "2", "3"] and found.token
    found = client.search_model_versions(f"name = '{name}' AND version_number > 2", order_by=["version_number DESC"])
    assert [v.version for v in found] == ["4", "3"]


def test_copying_a_version(client, name):
    versions(client, name, 1, tags={"a": "b"}, description="d")
    copied = client.copy_model_version(f"models:/{name}/1", name + "-copy")
    assert (copied.name, copied.version, copied.tags, copied.description) == (name + "-copy", "1", {"a": "b"}, "d")
    assert copied.source == f"models:/{name}/1"
    assert client.get_model_version_download_uri(name + "-copy", "1") == f"s3://bucket/{name}/1"


@pytest.mark.parametrize("source", ["/etc", "file:///etc", "../../etc", "s3://b/a/../../x", "http://169.254.169.254/x", "mlflow-artifacts:/x"])
def test_a_source_that_reaches_elsewhere_is_refused(client, name, source):
    client.create_registered_model(name)
    with pytest.raises(MlflowException) as raised:
        client.create_model_version(name, source)
    assert code(raised) == "INVALID_PARAMETER_VALUE"


@pytest.mark.skipif(MAJOR < 3, reason="MLflow 2 sends names with a slash, which no URI of a model can hold")
def test_names_that_no_uri_can_hold_are_refused(client):
    for bad in ("a/b", "a:b", "..", " "):
        with pytest.raises(MlflowException):
            client.create_registered_model(bad)
