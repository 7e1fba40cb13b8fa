package prometheus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/loadline/loadline/provider/source"
)

const (
	// maxNames bounds the distinct pairs of series name and label name.
	maxNames = 1 << 20
	// maxElement bounds one series; its labels together are a few kilobytes.
	maxElement = 1 << 20
)

// nameSet is label names by series name.
type nameSet struct {
	names map[string]map[string]struct{}
	size  int
}

// add takes over the names of one series' labels. The map is not kept.
func (n *nameSet) add(series map[string]string) error {
	name := series["__name__"]
	if name == "" {
		return nil
	}
	labels, known := n.names[name]
	if !known {
		labels = map[string]struct{}{}
		n.names[name] = labels
		n.size++
	}
	for label := range series {
		if _, there := labels[label]; !there && label != "__name__" {
			labels[label] = struct{}{}
			n.size++
		}
	}
	if n.size > maxNames {
		return &source.Error{Kind: source.Incomplete, Text: fmt.Sprintf("there are more than %d names of series and labels: narrow the rules' seriesQuery", maxNames)}
	}
	return nil
}

func (n *nameSet) list() []source.Series {
	out := make([]source.Series, 0, len(n.names))
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		out = append(out, source.Series{Name: name, Labels: slices.Sorted(maps.Keys(n.names[name]))})
	}
	return out
}

// stretch ends reading when one element goes on for too long.
type stretch struct {
	io.Reader
	left int
}

func (s *stretch) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if s.left -= n; s.left < 0 {
		return 0, fmt.Errorf("one element has more than %d bytes", maxElement)
	}
	return n, err
}

// decodeSeries reads the body of /api/v1/series one series at a time.
func decodeSeries(body io.Reader) ([]source.Series, error) {
	reader := &stretch{Reader: body, left: maxElement}
	decoder := json.NewDecoder(reader)
	d := &seriesDecoder{json: decoder, next: func() { reader.left = maxElement }, found: nameSet{names: map[string]map[string]struct{}{}}}
	if err := d.delimiter('{'); err != nil {
		return nil, err
	}
	for decoder.More() {
		if err := d.field(); err != nil {
			return nil, err
		}
		d.next()
	}
	if err := d.delimiter('}'); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errors.New("there is something after the answer"), err)
	}
	return d.result()
}

type seriesDecoder struct {
	json     *json.Decoder
	next     func() // to be called after each element
	said     apiError
	warnings []string
	hasData  bool
	found    nameSet
}

func (d *seriesDecoder) result() ([]source.Series, error) {
	switch {
	case d.said.Status == "error":
		return nil, reported(d.said)
	case d.said.Status != "success" || !d.hasData:
		return nil, errors.New("it has no status or no data")
	}
	if err := cut(d.warnings); err != nil {
		return nil, err
	}
	return d.found.list(), nil
}

// field reads one key of the answer and its value.
func (d *seriesDecoder) field() error {
	key, err := d.json.Token()
	if err != nil {
		return err
	}
	switch key {
	case "status":
		return d.json.Decode(&d.said.Status)
	case "errorType":
		return d.json.Decode(&d.said.ErrorType)
	case "error":
		return d.json.Decode(&d.said.Error)
	case "warnings":
		return d.json.Decode(&d.warnings)
	case "data":
		return d.data()
	default:
		return d.json.Decode(new(json.RawMessage))
	}
}

func (d *seriesDecoder) data() error {
	if err := d.delimiter('['); err != nil {
		return err
	}
	d.hasData = true
	series := map[string]string{}
	for d.json.More() {
		clear(series)
		if err := d.json.Decode(&series); err != nil {
			return err
		}
		if err := d.found.add(series); err != nil {
			return err
		}
		d.next()
	}
	return d.delimiter(']')
}

func (d *seriesDecoder) delimiter(want json.Delim) error {
	token, err := d.json.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if token != want {
		return fmt.Errorf("there is %q where %q is needed", excerpt([]byte(fmt.Sprint(token))), want)
	}
	return nil
}
