package engine

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// generationBits are those of a series' reference in which it says of which head it is.
const generationBits = 48

// head is one TSDB head, from one setting of the clock to the next.
type head struct {
	*tsdb.Head
	*ledger
	dir   string
	users sync.WaitGroup // appenders and queriers
	// making is held while a series is made.
	making sync.Mutex
	// generation tells the head's references from those of the head before. A scrape loop
	// keeps references, and the number of a series then is that of another now.
	generation storage.SeriesRef
}

// openHead makes an empty one.
func openHead(c *Config, generation uint16) (*head, error) {
	dir := filepath.Join(c.Dir, fmt.Sprintf("head-%d", generation))
	if err := os.RemoveAll(dir); err != nil { // what another process has left
		return nil, err
	}
	h := &head{ledger: newLedger(c.MaxSeries, c.MaxSeriesPerTarget), dir: dir, generation: storage.SeriesRef(generation) << generationBits}
	options := tsdb.DefaultHeadOptions()
	options.ChunkDirRoot = dir
	// A chunk of 120 samples is full after ten minutes at an interval of five seconds. Shorter
	// ranges have more chunks, each of which is allocated for more than it has, and cost more
	// than they forget earlier; see BenchmarkBytesPerSeries. Half of the range is how much
	// later than the newest sample one may come: a scrape that takes all of its time-out.
	options.ChunkRange = c.Retention.Milliseconds()
	options.ChunkWriteBufferSize = chunks.MinWriteBufferSize // nothing is written
	options.StripeSize = 1 << 10
	// A query may see a scrape of which a part is there already. What that falsifies is in the
	// next value, and keeping count would be a ring of numbers for each series.
	options.IsolationDisabled = true
	options.SeriesCallback = h.ledger
	var err error
	if h.Head, err = tsdb.NewHead(nil, promslog.NewNopLogger(), nil, nil, options, nil); err != nil {
		return nil, err
	}
	if err := h.Init(math.MinInt64); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// close forgets everything.
func (h *head) close() error {
	// Closing would write to disk what is in memory.
	err := h.Truncate(math.MaxInt64 - 1)
	return errors.Join(err, h.Close(), os.RemoveAll(h.dir))
}

// querier looks at what is held of a time. While old samples are being forgotten, it looks
// at what will be left.
func (h *head) querier(mint, maxt int64) (storage.Querier, error) {
	q, err := tsdb.NewBlockQuerier(tsdb.NewRangeHead(h.Head, mint, maxt), mint, maxt)
	if err != nil {
		return nil, err
	}
	end, again, from := h.IsQuerierCollidingWithTruncation(mint, maxt)
	if !end {
		return q, nil
	}
	if err := q.Close(); err != nil {
		return nil, err
	}
	if !again {
		return storage.NoopQuerier(), nil
	}
	return tsdb.NewBlockQuerier(tsdb.NewRangeHead(h.Head, from, maxt), from, maxt)
}

// used is a querier that uses a head until it is closed.
type used struct {
	storage.Querier
	done func()
}

// Close implements storage.Querier.
func (u *used) Close() error {
	defer u.done()
	return u.Querier.Close()
}
