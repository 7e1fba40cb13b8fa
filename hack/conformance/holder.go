package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/loadline/loadline/hack/cluster"
)

// holder holds series and answers PromQL about them, as Prometheus' HTTP API does. The
// cases know no more of a source than that, so that another one can run them.
type holder interface {
	URL() string
	// Fill takes series whose last samples are of the time end.
	Fill(ctx context.Context, all []series, end time.Time, step time.Duration) error
	Close() error
}

// prometheus is a process of its own that scrapes nothing and is written to.
type prometheus struct{ *cluster.Prometheus }

func startPrometheus(ctx context.Context) (holder, error) {
	p, err := cluster.StartPrometheus(ctx, cluster.PromOptions{
		ConfigYAML: "global: {}\n", ExtraArgs: []string{"--web.enable-remote-write-receiver"},
	})
	if err != nil {
		return nil, err
	}
	return prometheus{p}, nil
}

func (p prometheus) Fill(ctx context.Context, all []series, end time.Time, step time.Duration) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL()+"/api/v1/write", bytes.NewReader(writeRequest(all, end, step)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Encoding", "snappy")
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return fmt.Errorf("remote write: %s: %s", response.Status, text)
	}
	return nil
}
