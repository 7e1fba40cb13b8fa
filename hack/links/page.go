package links

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// page is what of a Markdown file matters here.
type page struct {
	links   []link
	anchors map[string]bool
}

type link struct {
	line   int // from 1
	target string
}

var (
	inline     = regexp.MustCompile(`\]\(\s*<?([^()\s<>]+)>?(?:\s+"[^"]*")?\s*\)`)
	definition = regexp.MustCompile(`^ {0,3}\[[^\]]+\]:\s+<?([^\s<>]+)>?`)
	attribute  = regexp.MustCompile(`\b(?:href|src)="([^"]+)"`)
	named      = regexp.MustCompile(`\b(?:name|id)="([^"]+)"`)
	codeSpan   = regexp.MustCompile("``[^`]*``|`[^`]*`")
	heading    = regexp.MustCompile(`^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$`)
	linkText   = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	fence      = regexp.MustCompile("^ {0,3}(?:> ?)?(?:[-*] +)?(```+|~~~+)")
	listItem   = regexp.MustCompile(`^\s*(?:[-*+]|[0-9]+[.)])\s`)
)

// parse reads a page. What is in code, fenced, indented or between backticks, is no link.
func parse(text string) page {
	p := page{anchors: map[string]bool{}}
	closes, inList := "", false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if closes != "" {
			if strings.HasPrefix(strings.TrimSpace(line), closes) {
				closes = ""
			}
			continue
		}
		if opens := fence.FindStringSubmatch(line); opens != nil {
			closes = opens[1]
			continue
		}
		switch {
		case listItem.MatchString(line):
			inList = true
		case strings.TrimSpace(line) != "" && !strings.HasPrefix(line, " "):
			inList = false
		case strings.HasPrefix(line, "    ") && !inList:
			continue
		}
		if h := heading.FindStringSubmatch(line); h != nil {
			p.head(h[1])
		}
		prose := codeSpan.ReplaceAllString(line, "")
		for _, of := range []*regexp.Regexp{inline, definition, attribute} {
			for _, found := range of.FindAllStringSubmatch(prose, -1) {
				p.links = append(p.links, link{i + 1, found[1]})
			}
		}
		for _, found := range named.FindAllStringSubmatch(prose, -1) {
			p.anchors[found[1]] = true
		}
	}
	return p
}

// head adds the anchor of a heading: a second one of the same text has a number.
func (p *page) head(text string) {
	base := slug(text)
	name := base
	for n := 1; p.anchors[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	p.anchors[name] = true
}

// slug is the anchor that GitHub gives a heading: letters, digits, - and _ in lower case, and
// a - for each space.
func slug(text string) string {
	text = linkText.ReplaceAllString(text, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(text))
}
