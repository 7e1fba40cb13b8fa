package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// loadAverage is of the machine, over a minute: how much else runs here.
func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(data), " ")
	return minute
}

// cpuTime is what the machine's CPUs have done since it started, in ticks.
type cpuTime struct{ Busy, All float64 }

func (c cpuTime) Sub(before cpuTime) cpuTime {
	return cpuTime{Busy: c.Busy - before.Busy, All: c.All - before.All}
}

func (c cpuTime) Add(o cpuTime) cpuTime { return cpuTime{Busy: c.Busy + o.Busy, All: c.All + o.All} }

// String is the busy share; no time has none.
func (c cpuTime) String() string {
	if c.All <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*c.Busy/c.All)
}

// machineTime reads /proc/stat; no time where that is not to be had.
func machineTime() cpuTime {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpuTime{}
	}
	c, err := parseStat(data)
	if err != nil {
		return cpuTime{}
	}
	return c
}

// parseStat reads the first line of /proc/stat (proc_stat(5)): user, nice, system,
// idle, iowait, irq, softirq, steal, and guest times, which user and nice contain
// already. What a hypervisor stole was not ours, so it counts as busy.
func parseStat(data []byte) (cpuTime, error) {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return cpuTime{}, errors.New("no line of all CPUs")
	}
	var c cpuTime
	for i, field := range fields[1:9] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return cpuTime{}, err
		}
		c.All += float64(n)
		if i != 3 && i != 4 {
			c.Busy += float64(n)
		}
	}
	return c, nil
}
