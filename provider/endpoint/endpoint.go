package endpoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

const (
	// PortName is the name of container ports that have metrics.
	PortName = "metrics"
	// DefaultPath and DefaultScheme are where metrics are if nothing else is said.
	DefaultPath   = "/metrics"
	DefaultScheme = "http"
)

// maxPath bounds a path, in bytes.
const maxPath = 1024

// ParsePort reads a number from 1 to 65535.
func ParsePort(text string) (uint16, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "+") {
		return 0, strconv.ErrSyntax
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, strconv.ErrSyntax
	}
	return uint16(port), nil
}

// ParsePath reads the path of a URL, and nothing besides: what follows it there would be
// escaped, and ask for something else than is meant. Empty is DefaultPath. The error says
// what the text does or has, such as "does not begin with a slash".
func ParsePath(text string) (string, error) {
	path := strings.TrimSpace(text)
	switch {
	case path == "":
		return DefaultPath, nil
	case !strings.HasPrefix(path, "/"):
		return "", errors.New("does not begin with a slash")
	case strings.HasPrefix(path, "//"):
		return "", errors.New("begins with two slashes, as though it named a host")
	case len(path) > maxPath:
		return "", fmt.Errorf("has more than %d bytes", maxPath)
	case strings.ContainsAny(path, "?#"):
		return "", errors.New("has more than a path: parameters and fragments are not sent")
	case strings.ContainsFunc(path, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }):
		return "", errors.New("has characters that no path has")
	}
	return path, nil
}

// ParseScheme reads http or https; empty is DefaultScheme. Of https the certificate is not
// verified: it would have to be one for the pod's address, which none is, and there is
// nothing to keep from whoever answers in the pod's place. No credentials are sent, and a
// network in which one can answer for another's address falsifies http as well. The error
// says what the text is.
func ParseScheme(text string) (string, error) {
	switch scheme := strings.ToLower(strings.TrimSpace(text)); scheme {
	case "":
		return DefaultScheme, nil
	case "http", "https":
		return scheme, nil
	}
	return "", errors.New("is neither http nor https")
}
