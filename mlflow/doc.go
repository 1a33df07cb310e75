// Package mlflow speaks MLflow's REST API, both ways: [Handler] serves a registry to stock MLflow clients, and
// [NewClient] is a registry on an MLflow server, this one or the original.
//
//	http.Handle("/", mlflow.Handler(reg, nil)) // then MLFLOW_TRACKING_URI=http://127.0.0.1:5000
//
// The handler speaks the model registry, the part of tracking that registering models needs (experiments, runs, metrics,
// logged models), the artifact proxy and webhooks, as MLflow 2.22 and 3.17 clients use them; GET /docs lists all. Where
// MLflow allows more than the registry does by itself (several versions in Production, deleting what is in use), it
// asks the registry for that; where MLflow answers a user's mistake with a 500, it answers a 400.
package mlflow
