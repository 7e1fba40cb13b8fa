package bench

import (
	"context"
	"fmt"
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
	patient := *a.admin
	patient.Timeout = profileTime + 10*time.Second
	data, err := fetch(ctx, &patient, url, "*/*", maxProfile)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
