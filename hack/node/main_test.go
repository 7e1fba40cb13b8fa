package node

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes the test binary the program of the pods that tests run, too.
func TestMain(m *testing.M) {
	if mode := os.Getenv("LOADLINE_TEST_APP"); mode != "" {
		os.Exit(testApp(mode))
	}
	goleak.VerifyTestMain(m)
}
