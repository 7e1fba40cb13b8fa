// Package query confines a user's PromQL to a namespace, purely.
//
// What is sent to the source is not what the user wrote but what this package
// printed: the expression is parsed, each of its nodes has to be of a known kind, and
// each of its selectors gets the matchers that the administrator enforces. The result
// is parsed again and compared before it is used. What is not known is refused, so
// that a newer PromQL opens nothing before somebody has looked at it.
package query
