// Command realnode builds what a real node needs, and runs commands where they can start
// one.
package main

import "github.com/loadline/loadline/hack/netns"

func main() { netns.Main("realnode", enterName, newCommand().ExecuteContext) }
