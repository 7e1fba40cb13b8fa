// Package webhook judges what the API server asks about before it stores it, for what
// the expressions of a ValidatingAdmissionPolicy cannot: whether the PromQL and the cron
// of an AutoscalingPolicy can be read, and whether a Service is about to select fewer
// ready pods than serve now (mode 40, green-cold).
//
// The judges are pure, but for [Gate], which asks its [Facts] what the request does not
// say. [NewHandler] speaks admission.k8s.io/v1 for them. Nobody is locked out: only what
// is created or changed is refused, and whatever goes wrong here lets the write pass,
// with a warning where there is still somebody to warn.
package webhook
