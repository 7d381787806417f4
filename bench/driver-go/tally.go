package main

import (
	"slices"
	"time"
)

var began = time.Now()

// nowNs is the monotonic clock since the driver began.
func nowNs() int64 { return int64(time.Since(began)) }

// tally is what one connection counts; guarded by its lock.
type tally struct {
	started, ok, failed int
	messages            int
	latencies           []int64
	faults              map[string]int
}

const maxFaults = 5

func (t *tally) fail(fault string) {
	t.failed++
	if t.faults == nil {
		t.faults = map[string]int{}
	}
	if len(t.faults) < maxFaults {
		t.faults[fault]++
	}
}

func (t *tally) ended(a *answer, fault string) {
	if fault != "" {
		t.fail(fault)
		return
	}
	t.ok++
	t.latencies = append(t.latencies, nowNs()-a.dueNs)
}

// report is how the calls between start and stop went.
type report struct {
	// From start until the last call had ended.
	Seconds float64 `json:"seconds"`
	// Calls that were due; 0 without a pace.
	Planned int `json:"planned"`
	Started int `json:"started"`
	OK      int `json:"ok"`
	Failed  int `json:"failed"`
	// Good messages of good and bad calls.
	Messages int `json:"messages"`
	// The first different reasons.
	Faults []string `json:"faults"`
	P50Ms  float64  `json:"p50Ms"`
	P99Ms  float64  `json:"p99Ms"`
	P999Ms float64  `json:"p999Ms"`
	MaxMs  float64  `json:"maxMs"`
	// How late the driver itself was with calls that were due.
	LagP99Ms float64 `json:"lagP99Ms"`
	LagMaxMs float64 `json:"lagMaxMs"`
}

func (r *report) add(t *tally) {
	r.Started += t.started
	r.OK += t.ok
	r.Failed += t.failed
	r.Messages += t.messages
	for fault := range t.faults {
		if len(r.Faults) < maxFaults && !slices.Contains(r.Faults, fault) {
			r.Faults = append(r.Faults, fault)
		}
	}
}

// percentileMs is the value that a share of all do not exceed. Sorted upwards; 0 of nothing.
func percentileMs(sorted []int64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := max(0, min(len(sorted)-1, int(float64(len(sorted))*share+0.999999)-1))
	return float64(sorted[at]) / 1e6
}
