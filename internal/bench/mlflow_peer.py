"""Times MLflow's SqlAlchemyStore for package bench.

usage: mlflow_peer.py DATABASE MODELS VERSIONS_PER_MODEL

Fills the store, says "ready", and then answers each line "OPERATION COUNT" with the seconds that so many took.
"""

import logging
import random
import sys
import time

logging.disable(logging.CRITICAL)

from mlflow.store.model_registry.dbmodels.models import (  # noqa: E402
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
)
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore  # noqa: E402
from mlflow.entities.model_registry import ModelVersionTag  # noqa: E402


def name(i):
    return f"model-{i:06d}"


def fill(store, models, per_model):
    now = int(time.time() * 1000)
    for i in range(models):
        with store.ManagedSessionMaker() as session:
            rows = [
                SqlRegisteredModel(name=name(i), creation_time=now, last_updated_time=now),
                SqlRegisteredModelAlias(name=name(i), alias="champion", version=per_model - 10),
            ]
            for n in range(1, per_model + 1):
                stage = "Production" if n == per_model - 10 else "None"
                rows.append(
                    SqlModelVersion(
                        name=name(i), version=n, creation_time=now, last_updated_time=now, current_stage=stage,
                        source="s3://bucket/model", storage_location="s3://bucket/model", status="READY",
                    )
                )
                rows.append(SqlModelVersionTag(name=name(i), version=n, key="cohort", value=f"cohort-{n % 20:04d}"))
                rows.append(SqlModelVersionTag(name=name(i), version=n, key="framework", value="sklearn"))
            session.add_all(rows)


def main():
    database, models, per_model = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    store = SqlAlchemyStore("sqlite:///" + database)
    fill(store, models, per_model)
    pick = lambda: name(random.randrange(models))  # noqa: E731
    tags = [ModelVersionTag("cohort", "cohort-0001"), ModelVersionTag("framework", "onnx")]
    turn = 0

    def register():
        store.create_model_version(pick(), "s3://bucket/model", tags=tags)

    def promote():
        nonlocal turn
        turn += 1
        store.transition_model_version_stage(pick(), 1 + turn % 50, "Production", archive_existing_versions=True)

    def alias():
        store.get_model_version_by_alias(pick(), "champion")

    def stage():
        assert len(store.get_latest_versions(pick(), ["Production"])) == 1

    def search():
        assert len(store.search_model_versions(f"name = '{pick()}'", max_results=per_model)) == per_model

    operations = {"register": register, "promote": promote, "alias": alias, "stage": stage, "search": search}
    print("ready", flush=True)
    for line in sys.stdin:
        operation, count = line.split()
        begin = time.perf_counter()
        for _ in range(int(count)):
            operations[operation]()
        print(time.perf_counter() - begin, flush=True)


main()
