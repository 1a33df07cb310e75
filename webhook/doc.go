// Package webhook tells URLs of a registry's changes, by HTTP POST.
//
//	go webhook.Run(ctx, reg, &webhook.Options{Open: sealer.Open})
//
// Whom to tell of what is in the registry itself (modelregistry.WebhookStore), and so is how far each has been told. Any
// number of processes may run this on one registry: one of them at a time delivers to a webhook, by a lease, and another
// takes over when it ends.
//
// # Promises
//
//   - Every event that happens after a webhook was created is delivered at least once, also across restarts, or counted
//     in its Progress.Failed.
//   - Deliveries to one webhook are made one by one, in the order of commits: so in order for each model. Webhooks do
//     not wait for each other.
//   - A delivery that is repeated has the same ID (X-MLflow-Delivery-Id), by which receivers recognize it.
//   - No connection is made to an address that is not public, whatever names resolve to, unless that is allowed.
//     Redirects are not followed, and proxies are not used.
//
// # What is sent
//
// Deliveries are MLflow's, which in turn are near the Standard Webhooks: a JSON object with the headers
//
//	X-MLflow-Delivery-Id: 0b6b9d4e-…
//	X-MLflow-Timestamp:   1767225600
//	X-MLflow-Signature:   v1,base64(HMAC-SHA256(secret, id + "." + timestamp + "." + body))
//
// the last one if the webhook has a secret. Answers from 200 to 299 accept it. After connection errors, 429 and 5xx it is
// tried again; any other answer, and the last attempt, give it up.
package webhook
