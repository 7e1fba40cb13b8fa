// Package schedule says when a floor that comes again is in force: five fields of
// cron in a time zone, and a duration.
//
// Whether it is in force is a function of the time alone. A clock that jumps, a
// restart or a lost status leaves nothing to make up for.
package schedule
