package conformance

import (
	"errors"
	"math"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"google.golang.org/protobuf/encoding/protowire"
)

// series is one time series, its samples at one step from each other.
type series struct {
	labels  labels.Labels
	samples []parser.SequenceValue
}

// parseSeries reads a line such as `requests_total{pod="web-1"} 0+60x20`.
func parseSeries(line string) (series, error) {
	l, samples, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
	switch {
	case err != nil:
		return series{}, err
	case len(samples) == 0:
		return series{}, errors.New("has no samples")
	}
	for _, s := range samples {
		if s.Histogram != nil {
			return series{}, errors.New("native histograms are not sent")
		}
	}
	return series{l, samples}, nil
}

// writeRequest is the body of a remote write, version 1.0
// (https://prometheus.io/docs/specs/prw/remote_write_spec/), of series whose last samples
// are of the time end.
//
// It is written out because the four messages are smaller than the module that has them.
func writeRequest(all []series, end time.Time, step time.Duration) []byte {
	var request []byte
	for _, s := range all {
		var one []byte
		s.labels.Range(func(l labels.Label) {
			pair := appendBytes(appendBytes(nil, 1, []byte(l.Name)), 2, []byte(l.Value))
			one = appendBytes(one, 1, pair)
		})
		for i, v := range s.samples {
			if v.Omitted {
				continue
			}
			at := end.Add(-step * time.Duration(len(s.samples)-1-i)).UnixMilli()
			sample := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(v.Value))
			sample = protowire.AppendVarint(protowire.AppendTag(sample, 2, protowire.VarintType), uint64(at))
			one = appendBytes(one, 2, sample)
		}
		request = appendBytes(request, 1, one)
	}
	return snappy.Encode(nil, request)
}

func appendBytes(to []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, field, protowire.BytesType), value)
}
