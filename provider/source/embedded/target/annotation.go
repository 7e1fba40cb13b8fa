package target

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// The annotations by which pods say where their metrics are. They are everybody's custom,
// and no standard.
const (
	AnnotationScrape = "prometheus.io/scrape"
	AnnotationPort   = "prometheus.io/port"
	AnnotationPath   = "prometheus.io/path"
	AnnotationScheme = "prometheus.io/scheme"
)

func annotations() []string {
	return []string{AnnotationScrape, AnnotationPort, AnnotationPath, AnnotationScheme}
}

// PortName is the name of container ports that have metrics.
const PortName = "metrics"

const (
	defaultPath   = "/metrics"
	defaultScheme = "http"
	maxPath       = 1024
)

// said is what a pod's annotations say.
type said struct {
	scrape *bool  // nil: nothing
	port   uint16 // 0: nothing
	path   string
	scheme string
}

// parseAnnotations reads a pod's annotations. The error is the first that is wrong: its
// owner has to mend that before the pod is scraped.
func parseAnnotations(of map[string]string) (said, error) {
	s := said{path: defaultPath, scheme: defaultScheme}
	if text, ok := of[AnnotationScrape]; ok {
		scrape, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
		if err != nil {
			return said{}, fmt.Errorf("the annotation %s is %s, which is neither true nor false", AnnotationScrape, clip(text))
		}
		s.scrape = &scrape
	}
	if text, ok := of[AnnotationPort]; ok {
		port, err := parsePort(text)
		if err != nil {
			return said{}, fmt.Errorf("the annotation %s is %s, which is no number from 1 to 65535", AnnotationPort, clip(text))
		}
		s.port = port
	}
	if text, ok := of[AnnotationPath]; ok {
		path, err := parsePath(text)
		if err != nil {
			return said{}, fmt.Errorf("the annotation %s is %s, which %w", AnnotationPath, clip(text), err)
		}
		s.path = path
	}
	if text, ok := of[AnnotationScheme]; ok {
		scheme, err := parseScheme(text)
		if err != nil {
			return said{}, fmt.Errorf("the annotation %s is %s, which %w", AnnotationScheme, clip(text), err)
		}
		s.scheme = scheme
	}
	return s, nil
}

func parsePort(text string) (uint16, error) {
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

// parsePath reads the path of a URL, and nothing besides: what follows it there would be
// escaped, and ask for something else than is meant.
func parsePath(text string) (string, error) {
	path := strings.TrimSpace(text)
	switch {
	case path == "":
		return defaultPath, nil
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

// parseScheme reads http or https. Of https the certificate is not verified: it would have
// to be one for the pod's address, which none is, and there is nothing to keep from whoever
// answers in the pod's place. No credentials are sent, and a network in which one can answer
// for another's address falsifies http as well.
func parseScheme(text string) (string, error) {
	switch scheme := strings.ToLower(strings.TrimSpace(text)); scheme {
	case "":
		return defaultScheme, nil
	case "http", "https":
		return scheme, nil
	}
	return "", errors.New("is neither http nor https")
}

// clip quotes what a tenant wrote, no more of it than fits into a line.
func clip(text string) string {
	const most = 60
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}
