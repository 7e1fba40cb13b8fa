package target

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/loadline/loadline/provider/endpoint"
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

// said is what a pod's annotations say.
type said struct {
	scrape *bool  // nil: nothing
	port   uint16 // 0: nothing
	path   string
	scheme string
}

// declines says whether the pod asks not to be scraped.
func (s said) declines() bool { return s.scrape != nil && !*s.scrape }

// parseAnnotations reads a pod's annotations. The error is the first that is wrong: its
// owner has to mend that before the pod is scraped.
func parseAnnotations(of map[string]string) (said, error) {
	s := said{path: endpoint.DefaultPath, scheme: endpoint.DefaultScheme}
	if text, ok := of[AnnotationScrape]; ok {
		scrape, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
		if err != nil {
			return said{}, fmt.Errorf("the annotation %s is %s, which is neither true nor false", AnnotationScrape, clip(text))
		}
		s.scrape = &scrape
	}
	if text, ok := of[AnnotationPort]; ok {
		port, err := endpoint.ParsePort(text)
		if err != nil {
			return said{}, fmt.Errorf("the annotation %s is %s, which is no number from 1 to 65535", AnnotationPort, clip(text))
		}
		s.port = port
	}
	if text, ok := of[AnnotationPath]; ok {
		path, err := endpoint.ParsePath(text)
		if err != nil {
			return said{}, fmt.Errorf("the annotation %s is %s, which %w", AnnotationPath, clip(text), err)
		}
		s.path = path
	}
	if text, ok := of[AnnotationScheme]; ok {
		scheme, err := endpoint.ParseScheme(text)
		if err != nil {
			return said{}, fmt.Errorf("the annotation %s is %s, which %w", AnnotationScheme, clip(text), err)
		}
		s.scheme = scheme
	}
	return s, nil
}

// clip quotes what a tenant wrote, no more of it than fits into a line.
func clip(text string) string {
	const most = 60
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}
