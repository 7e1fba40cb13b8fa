package query

import "fmt"

// Problem is a reason for which an expression is refused.
type Problem struct {
	// Message says what is wrong.
	Message string
	// Remedy says what to do about it; empty where the message says it all.
	Remedy string
}

func (p Problem) Error() string {
	if p.Remedy == "" {
		return p.Message
	}
	return p.Message + ": " + p.Remedy
}

// maxProblems is how many are said of one expression. They go into a condition.
const maxProblems = 5

// problems collects them, each once.
type problems struct{ list []Problem }

func (p *problems) add(remedy, format string, args ...any) {
	one := Problem{Message: fmt.Sprintf(format, args...), Remedy: remedy}
	if len(p.list) >= maxProblems {
		return
	}
	for _, other := range p.list {
		if other == one {
			return
		}
	}
	p.list = append(p.list, one)
}

// clip keeps what a user wrote short in a message.
func clip(s string) string {
	const most = 160
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
