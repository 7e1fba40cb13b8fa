package adapter

import "net/http"

// stackRoom is what a read needs below the place where its stack grows, in bytes.
const stackRoom = 10 << 10

// growStack has the goroutine's stack grow at once to what an answer needs. A request has two
// goroutines of its own, net/http's and the one of the library's time limit, and runs below
// some thirty filters; their stacks would else be copied at 2, 4 and 8 KiB, each time from
// deeper down. That was a tenth of what a read costs.
//
//go:noinline
func growStack() {
	var room [stackRoom]byte
	touch(&room)
}

//go:noinline
func touch(room *[stackRoom]byte) { room[0] = 1 }

// withRoom grows the stack of net/http's goroutine.
func withRoom(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		growStack()
		next.ServeHTTP(w, r)
	})
}
