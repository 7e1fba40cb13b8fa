package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	profileTime = 10 * time.Second
	maxProfile  = 64 << 20
)

// profile writes a CPU profile of the replica that path asks, made while it is
// asked back to back.
func profile(ctx context.Context, a *access, path *Path, file string) error {
	flooded := make(chan Sample)
	go func() { flooded <- path.Flood(ctx, profileTime+time.Second) }()
	defer func() { <-flooded }()
	url := fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", path.Base, int(profileTime/time.Second))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	patient := *a.admin
	patient.Timeout = profileTime + 10*time.Second
	resp, err := patient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxProfile))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %.300s", url, resp.Status, data)
	}
	return os.WriteFile(file, data, 0o600)
}
