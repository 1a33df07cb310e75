"""Writes mlflow.json: signatures as MLflow's own client writes them. Run with the interpreter of an environment that has
mlflow 3.17.2 and pandas:

    python testdata/signatures/make.py > testdata/signatures/mlflow.json
"""

import datetime
import json

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map, Object, Property, SparkMLVector

iris = pd.DataFrame({"sepal length (cm)": [5.1], "petal width (cm)": [0.2]})
everything = Schema([ColSpec(t, t.name, required=i % 2 == 0) for i, t in enumerate(DataType)])
nested = Schema([
    ColSpec(Array(DataType.string), "tags", required=False),
    ColSpec(Array(Array(DataType.double)), "matrix"),
    ColSpec(Map(DataType.long), "counts"),
    ColSpec(Map(Array(DataType.boolean)), "flags"),
    ColSpec(AnyType(), "extra", required=False),
    ColSpec(SparkMLVector(), "features"),
    ColSpec(Object([
        Property("zip", DataType.string),
        Property("city", DataType.string, required=False),
        Property("at", Object([Property("lat", DataType.double), Property("lon", DataType.float)])),
        Property("history", Array(Object([Property("since", DataType.datetime)])), required=False),
    ]), "address"),
])
params = ParamSchema([
    ParamSpec("temperature", DataType.double, 0.1),
    ParamSpec("small", DataType.double, 1e-05),
    ParamSpec("large", DataType.double, 1e16),
    ParamSpec("whole", DataType.double, 1),
    ParamSpec("single", DataType.float, 0.25),
    ParamSpec("top_k", DataType.integer, 5),
    ParamSpec("seed", DataType.long, 9007199254740993),
    ParamSpec("stop", DataType.string, ["a", "\u00e9\U0001f600\"\\\n"], shape=(-1,)),
    ParamSpec("weights", DataType.double, [1.0, 2.5], shape=(-1,)),
    ParamSpec("greedy", DataType.boolean, True),
    ParamSpec("nothing", DataType.string, None),
    ParamSpec("since", DataType.datetime, datetime.datetime(2024, 1, 31, 12, 30)),
    ParamSpec("options", Object([Property("a", DataType.long), Property("b", DataType.string)]), {"a": 1, "b": "x"}),
])
signatures = {
    "guide": infer_signature(iris, np.array([0])),
    "pandas without names": infer_signature(pd.DataFrame(np.array([[1.5, 2.5]])), pd.DataFrame({"label": ["x"]})),
    "pandas with missing values": infer_signature(pd.DataFrame({"a": [1.0, None], "b": [1, 2]}), None),
    "every type": ModelSignature(everything, Schema([ColSpec(DataType.long)])),
    "nested": ModelSignature(nested, Schema([ColSpec(Array(DataType.float))])),
    "unnamed columns": ModelSignature(Schema([ColSpec("double"), ColSpec("string")])),
    "tensor": infer_signature(np.zeros((3, 28, 28, 1), dtype=np.float32), np.zeros((3, 10), dtype=np.float64)),
    "named tensors": infer_signature(
        {"image": np.zeros((2, 8), dtype=np.uint8), "text": np.array(["a", "b"])}, {"p": np.zeros(2)}),
    "tensor of datetimes": ModelSignature(Schema([TensorSpec(np.dtype("datetime64[ns]"), (-1,))])),
    "tensor of anything": ModelSignature(Schema([TensorSpec(np.dtype("O"), (-1,))])),
    "rows": infer_signature([{"text": "x", "ids": ["1"], "n": {"k": 1}}, {"text": "y", "ids": ["1", "2"], "n": {"k": 2, "l": 0.5}}], ["a"]),
    "escapes": ModelSignature(Schema([ColSpec("double", "gr\u00f6\u00dfe <&> \U0001f600 \"\\\t\x7f")])),
    "params": ModelSignature(Schema([ColSpec("string", "prompt")]), None, params),
    "only params": ModelSignature(params=ParamSchema([ParamSpec("n", "long", 1)])),
}
print(json.dumps({name: s.to_dict() for name, s in signatures.items()}, indent=1))
