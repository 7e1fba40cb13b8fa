package broker

import (
	"fmt"
	"log/slog"
)

// natsLogger carries the server's messages into the structured log. Fatalf
// does not end the process: Start and the probes report a server that fails.
type natsLogger struct{ log *slog.Logger }

func (l natsLogger) Noticef(f string, v ...any) { l.log.Info(fmt.Sprintf(f, v...), "from", "nats") }
func (l natsLogger) Warnf(f string, v ...any)   { l.log.Warn(fmt.Sprintf(f, v...), "from", "nats") }
func (l natsLogger) Errorf(f string, v ...any)  { l.log.Error(fmt.Sprintf(f, v...), "from", "nats") }
func (l natsLogger) Fatalf(f string, v ...any)  { l.log.Error(fmt.Sprintf(f, v...), "from", "nats") }
func (l natsLogger) Debugf(f string, v ...any)  { l.log.Debug(fmt.Sprintf(f, v...), "from", "nats") }
func (l natsLogger) Tracef(f string, v ...any)  { l.log.Debug(fmt.Sprintf(f, v...), "from", "nats") }
