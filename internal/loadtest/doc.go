// Package loadtest has many clients at once use an MLflow handler over HTTP, and looks whether the registry keeps its promises
// meanwhile and afterwards. It asserts nothing about times.
//
// MODELREGISTRY_TEST_THOROUGH has the load last a minute on SQLite and a directory, and 20 seconds on Postgres and S3,
// instead of 3 seconds each.
package loadtest
