package main

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const prSetTimerSlack = 29

// pace makes calls due at equal distances until it is told to stop. Go's own timers are a millisecond coarse while
// nothing runs, so a thread of its own sleeps in the kernel.
type pace struct {
	stopped atomic.Bool
	done    chan struct{}
	planned int
	lags    []int64
}

func startPace(perSecond float64, due func(dueNs int64)) *pace {
	p := &pace{done: make(chan struct{}), lags: make([]int64, 0, 1<<20)}
	go p.run(perSecond, due)
	return p
}

func (p *pace) run(perSecond float64, due func(dueNs int64)) {
	defer close(p.done)
	runtime.LockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 1, 0)
	startNs := nowNs()
	for !p.stopped.Load() {
		dueNs := startNs + int64(float64(p.planned)*1e9/perSecond)
		lateNs := nowNs() - dueNs
		if lateNs < 0 {
			sleepNs(min(-lateNs, 10_000_000))
			continue
		}
		p.planned++
		p.lags = append(p.lags, lateNs)
		due(dueNs)
	}
}

func (p *pace) stop() {
	p.stopped.Store(true)
	<-p.done
}

// sleepNs may wake early. Raw, since Go would hand its processor on at a system call and wait to get one back.
func sleepNs(ns int64) {
	span := syscall.NsecToTimespec(ns)
	_, _, _ = syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&span)), 0, 0)
}
