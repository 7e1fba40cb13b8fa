package prometheus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/source"
)

// element is one element of a vector.
type element struct {
	Metric    map[string]string `json:"metric"`
	Value     *point            `json:"value"`
	Histogram json.RawMessage   `json:"histogram"`
}

// point is [time in seconds, "value"].
type point struct {
	time  time.Time
	value float64
}

// maxSeconds bounds timestamps to what milliseconds and time.Time can hold exactly.
const maxSeconds = 1 << 43

// UnmarshalJSON reads the pair as sources write it, and any other by the way that takes four
// times as long and says what is wrong.
func (p *point) UnmarshalJSON(data []byte) error {
	if p.plain(data) {
		return nil
	}
	return p.any(data)
}

// plain reads a number and a text without escapes. data is valid JSON, as encoding/json hands
// it over. What is not so plain is left to any, and p as it is.
func (p *point) plain(data []byte) bool {
	first, second, _ := bytes.Cut(data, []byte{','})
	first, isArray := bytes.CutPrefix(first, []byte{'['})
	second, ends := bytes.CutSuffix(second, []byte{']'})
	first, second = bytes.TrimSpace(first), bytes.TrimSpace(second)
	text := bytes.Trim(second, `"`)
	if !isArray || !ends || len(second) != len(text)+2 || bytes.ContainsAny(text, `"\`) {
		return false
	}
	seconds, err := strconv.ParseFloat(string(first), 64)
	if err != nil || !(math.Abs(seconds) <= maxSeconds) || first[0] != '-' && (first[0] < '0' || first[0] > '9') {
		return false
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return false
	}
	*p = pointAt(seconds, value)
	return true
}

func pointAt(seconds, value float64) point {
	return point{time: time.UnixMilli(int64(math.Round(seconds * 1000))), value: value}
}

func (p *point) any(data []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil || len(pair) != 2 {
		return errors.New("a value is not a pair of time and value")
	}
	var seconds float64
	if err := json.Unmarshal(pair[0], &seconds); err != nil || string(pair[0]) == "null" || math.Abs(seconds) > maxSeconds {
		return errors.New("a value's time is not a number of seconds")
	}
	var text string
	if err := json.Unmarshal(pair[1], &text); err != nil {
		return errors.New("a value is not a number in a text")
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return errors.New("a value is not a number in a text")
	}
	*p = pointAt(seconds, value)
	return nil
}

// decodeAnswer reads the body of /api/v1/query one sample at a time, at most
// maxValues of them. A scalar becomes one sample without labels; any other type
// but a vector is refused. If most is not 0, the samples after so many are not read.
func decodeAnswer(body io.Reader, maxValues, most int) (source.Answer, error) {
	e := newEnvelope(body)
	r := resultDecoder{envelope: e, maxValues: maxValues, most: most, builder: labels.NewScratchBuilder(8)}
	err := e.read(func(first json.Token) error { return e.restOfObject(first, r.field) })
	if err == nil {
		err = cut(e.warnings)
	}
	if err == nil {
		err = r.complete()
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		return source.Answer{}, err
	}
	return source.Answer{Samples: r.samples, Warnings: e.warnings}, nil
}

// errEnough ends the reading of an answer of which no more is wanted.
var errEnough = errors.New("enough")

type resultDecoder struct {
	*envelope
	maxValues  int
	most       int // samples that are read; 0: all
	resultType string
	early      json.RawMessage // the result, if it came before its type
	builder    labels.ScratchBuilder
	samples    []source.Sample // nil: no result yet
}

func (r *resultDecoder) field(key string) error {
	switch {
	case key == "resultType":
		return r.json.Decode(&r.resultType)
	case key == "result" && r.resultType == "":
		return r.json.Decode(&r.early) // at most maxElement bytes
	case key == "result":
		return r.result()
	}
	return r.json.Decode(new(json.RawMessage))
}

// complete catches up on a result that came before its type, and fails without one.
func (r *resultDecoder) complete() error {
	if r.samples == nil && r.early != nil {
		r.envelope = newEnvelope(bytes.NewReader(r.early))
		if err := r.result(); err != nil {
			return err
		}
	}
	if r.samples == nil {
		return errors.New("the result is missing")
	}
	return nil
}

func (r *resultDecoder) result() error {
	switch r.resultType {
	case "scalar":
		var p *point
		if err := r.json.Decode(&p); err != nil {
			return err
		} else if p == nil {
			return errors.New("the scalar is missing")
		}
		r.samples = []source.Sample{{Labels: labels.EmptyLabels(), Value: p.value, Time: p.time}}
		return nil
	case "vector":
		r.samples = []source.Sample{}
		first, err := r.token()
		if err != nil {
			return err
		} else if first == nil {
			return errors.New("the vector is missing")
		}
		var one element
		return r.restOfArray(first, func() error { return r.sample(&one) })
	}
	if r.resultType == "matrix" || r.resultType == "string" {
		return source.NotValues(r.resultType)
	}
	return malformed(errors.New(source.NotValuesText(r.resultType)))
}

// sample reads one element of a vector into one, which is used again and again.
func (r *resultDecoder) sample(one *element) error {
	if r.most > 0 && len(r.samples) == r.most {
		return errEnough
	}
	clear(one.Metric)
	one.Value, one.Histogram = nil, nil
	if err := r.json.Decode(one); err != nil {
		return err
	}
	r.builder.Reset()
	for name, value := range one.Metric {
		r.builder.Add(name, value)
	}
	r.builder.Sort()
	metric := r.builder.Labels()
	switch {
	case one.Value == nil && one.Histogram != nil:
		return source.NativeHistogram(metric.String())
	case one.Value == nil:
		return malformed(fmt.Errorf("the series %s has no value", excerpt([]byte(metric.String()))))
	case len(r.samples) >= r.maxValues:
		return &source.Error{Kind: source.Oversized, Text: fmt.Sprintf("the answer has more than %d values: aggregate further in the query, or raise --prometheus-max-answer-values", r.maxValues)}
	}
	r.samples = append(r.samples, source.Sample{Labels: metric, Value: one.Value.value, Time: one.Value.time})
	return nil
}

// incomplete is what any warning makes of a list of names: all that a source has to warn of
// there is what is not in it, as when a store of Thanos' does not answer.
func incomplete(warnings []string) error {
	if err := cut(warnings); err != nil || len(warnings) == 0 {
		return err
	}
	return &source.Error{Kind: source.Incomplete, Quotes: true, Text: "the source warns: " + excerpt([]byte(warnings[0]))}
}

// cut finds the warning that an answer lacks something because of a limit. There
// is no other sign of it in the API. Prometheus, Thanos and Mimir word it alike.
func cut(warnings []string) error {
	for _, warning := range warnings {
		if strings.Contains(warning, "truncated due to limit") {
			return &source.Error{Kind: source.Incomplete, Quotes: true, Text: "the source cut its answer: " + excerpt([]byte(warning))}
		}
	}
	return nil
}
