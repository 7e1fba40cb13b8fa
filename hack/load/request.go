package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
)

// Get requests path (with its leading slash) of the target.
func Get(path string) Request {
	return func(ctx context.Context, target string) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+path, nil)
	}
}

// CreateReminders creates reminders that are due now, through Remind Me's
// API. Each has the prefix and its number, from 1 on, as its text.
func CreateReminders(prefix string) Request {
	var n atomic.Uint64
	return func(ctx context.Context, target string) (*http.Request, error) {
		body, err := json.Marshal(map[string]string{"text": fmt.Sprintf("%s %d", prefix, n.Add(1))})
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+target+"/reminders", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		return req, nil
	}
}
