package object

// IdleAfter is when a kind that nobody asks about is given up.
const IdleAfter = idleAfter
