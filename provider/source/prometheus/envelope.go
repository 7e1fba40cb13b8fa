package prometheus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxElement bounds one series or sample; its labels together are a few kilobytes.
const maxElement = 1 << 20

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

// envelope reads the JSON object that every answer of the API comes in, one
// element of its data at a time: memory does not grow with what is thrown away.
type envelope struct {
	json     *json.Decoder
	reader   *stretch
	said     apiError
	warnings []string
	hasData  bool
}

func newEnvelope(body io.Reader) *envelope {
	reader := &stretch{Reader: body, left: maxElement}
	return &envelope{json: json.NewDecoder(reader), reader: reader}
}

// next is to be called after each element.
func (e *envelope) next() { e.reader.left = maxElement }

// read reads everything. It calls data where the data begins, unless that is null.
// Errors that are no *source.Error mean that the body cannot be read or is no answer.
func (e *envelope) read(data func(first json.Token) error) error {
	if err := e.object(func(key string) error { return e.field(key, data) }); err != nil {
		return err
	}
	if _, err := e.json.Token(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("there is something after the answer"), err)
	}
	switch {
	case e.said.Status == "error":
		return reported(e.said)
	case e.said.Status != "success" || !e.hasData:
		return errors.New("it has no status or no data")
	}
	return nil
}

func (e *envelope) field(key string, data func(json.Token) error) error {
	switch key {
	case "status":
		return e.json.Decode(&e.said.Status)
	case "errorType":
		return e.json.Decode(&e.said.ErrorType)
	case "error":
		return e.json.Decode(&e.said.Error)
	case "warnings":
		return e.json.Decode(&e.warnings)
	case "data":
		first, err := e.token()
		if err != nil || first == nil {
			return err
		}
		e.hasData = true
		return data(first)
	default:
		return e.json.Decode(new(json.RawMessage))
	}
}

// object reads an object and calls field after each key, to read its value.
func (e *envelope) object(field func(key string) error) error {
	first, err := e.token()
	if err != nil {
		return err
	}
	return e.restOfObject(first, field)
}

func (e *envelope) restOfObject(first json.Token, field func(key string) error) error {
	if err := expect(first, json.Delim('{')); err != nil {
		return err
	}
	for e.json.More() {
		key, err := e.token()
		if err != nil {
			return err
		}
		text, _ := key.(string) // the decoder allows no other key
		if err := field(text); err != nil {
			return err
		}
		e.next()
	}
	return e.end('}')
}

// restOfArray reads an array and calls element where each one begins.
func (e *envelope) restOfArray(first json.Token, element func() error) error {
	if err := expect(first, json.Delim('[')); err != nil {
		return err
	}
	for e.json.More() {
		if err := element(); err != nil {
			return err
		}
		e.next()
	}
	return e.end(']')
}

func (e *envelope) end(want json.Delim) error {
	token, err := e.token()
	if err != nil {
		return err
	}
	return expect(token, want)
}

// token is the next token; there has to be one.
func (e *envelope) token() (json.Token, error) {
	token, err := e.json.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return token, err
}

func expect(token json.Token, want json.Delim) error {
	if token != want {
		return fmt.Errorf("there is %q where %q is needed", excerpt([]byte(fmt.Sprint(token))), want)
	}
	return nil
}
