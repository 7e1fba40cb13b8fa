package prometheus

import (
	"errors"
	"strings"

	"github.com/loadline/loadline/provider/source"
)

// keys are the settings of a source of the configuration file, by the flags of the one that
// is of the command line.
var keys = strings.NewReplacer(
	"--prometheus-url", "url",
	"--prometheus-verb", "verb",
	"--prometheus-auth-incluster", "authInCluster",
	"--prometheus-auth-config", "authConfig",
	"--prometheus-ca-file", "caFile",
	"--prometheus-client-tls-cert-file", "certFile",
	"--prometheus-client-tls-key-file", "keyFile",
	"--prometheus-token-file", "tokenFile",
	"--prometheus-username", "username",
	"--prometheus-password-file", "passwordFile",
	"--prometheus-header", "headers",
	"--prometheus-disable-http2", "disableHTTP2",
	"--prometheus-max-answer-bytes", "maxAnswerBytes",
	"--prometheus-max-answer-values", "maxAnswerValues",
	"--prometheus-max-series-bytes", "maxSeriesBytes",
)

// inItsWords is an error about the configuration by the names that its settings have where
// this source is configured.
func (c Config) inItsWords(err error) error {
	if c.Name == "" || err == nil {
		return err
	}
	return errors.New(keys.Replace(err.Error()))
}

// named is the end of a call that says which source it was.
func (c Config) named(err error) error {
	typed, ok := errors.AsType[*source.Error](err)
	if c.Name == "" || !ok {
		return err
	}
	said := *typed
	said.Source, said.Text = c.Name, keys.Replace(said.Text)
	return &said
}
