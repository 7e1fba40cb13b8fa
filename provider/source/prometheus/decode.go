package prometheus

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/source"
)

// answer is the body of /api/v1/query.
type answer struct {
	apiError
	Warnings []string `json:"warnings"`
	Data     struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

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

func (p *point) UnmarshalJSON(data []byte) error {
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
	*p = point{time: time.UnixMilli(int64(math.Round(seconds * 1000))), value: value}
	return nil
}

// decodeAnswer decodes an instant query's answer. A scalar becomes one sample
// without labels; any other type but a vector is refused.
func decodeAnswer(body []byte) (source.Answer, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return source.Answer{}, malformed(err)
	}
	switch a.Status {
	case "success":
	case "error":
		return source.Answer{}, reported(a.apiError)
	default:
		return source.Answer{}, malformed(errors.New("it has no status"))
	}
	if err := cut(a.Warnings); err != nil {
		return source.Answer{}, err
	}
	samples, err := decodeResult(a.Data.ResultType, a.Data.Result)
	if err != nil {
		return source.Answer{}, err
	}
	return source.Answer{Samples: samples, Warnings: a.Warnings}, nil
}

func decodeResult(resultType string, result json.RawMessage) ([]source.Sample, error) {
	switch {
	case resultType == "scalar":
		var p *point
		if err := json.Unmarshal(result, &p); err != nil {
			return nil, malformed(err)
		} else if p == nil {
			return nil, malformed(errors.New("the scalar is missing"))
		}
		return []source.Sample{{Labels: labels.EmptyLabels(), Value: p.value, Time: p.time}}, nil
	case resultType != "vector":
		return nil, malformed(fmt.Errorf("the result is of the type %q, where one value for each series is needed: end the query in no range selector", excerpt([]byte(resultType))))
	}
	var elements []element
	if err := json.Unmarshal(result, &elements); err != nil {
		return nil, malformed(err)
	} else if elements == nil {
		return nil, malformed(errors.New("the vector is missing"))
	}
	samples := make([]source.Sample, len(elements))
	for i, e := range elements {
		metric := labels.FromMap(e.Metric)
		switch {
		case e.Value == nil && e.Histogram != nil:
			return nil, malformed(fmt.Errorf("the series %s has a native histogram, not a number: apply histogram_quantile( ), histogram_avg( ) or the like", excerpt([]byte(metric.String()))))
		case e.Value == nil:
			return nil, malformed(fmt.Errorf("the series %s has no value", excerpt([]byte(metric.String()))))
		}
		samples[i] = source.Sample{Labels: metric, Value: e.Value.value, Time: e.Value.time}
	}
	return samples, nil
}

// cut finds the warning that an answer lacks something because of a limit. There
// is no other sign of it in the API. Prometheus, Thanos and Mimir word it alike.
func cut(warnings []string) error {
	for _, warning := range warnings {
		if strings.Contains(warning, "truncated due to limit") {
			return &source.Error{Kind: source.Incomplete, Text: "the source cut its answer: " + excerpt([]byte(warning))}
		}
	}
	return nil
}
