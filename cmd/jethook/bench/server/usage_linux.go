package server

import (
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// Usage is what a child has used so far, nothing of a server that runs already. The rusage of a child would not do: it begins with the peak of its parent, which
// holds every event's time.
func (s *Server) Usage() (u Usage) {
	if s.cmd == nil {
		return u
	}
	p, err := procfs.NewProc(s.cmd.Process.Pid)
	if err != nil {
		return u
	}
	if stat, err := p.Stat(); err == nil {
		u.CPU = new(time.Duration(stat.CPUTime() * float64(time.Second)))
	}
	if status, err := p.NewStatus(); err == nil {
		u.PeakMemory = new(int64(status.VmHWM))
	}
	return u
}

// InMemory reports whether a folder lies in memory, where fsync costs nothing.
func InMemory(dir string) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && (uint32(s.Type) == tmpfs || uint32(s.Type) == ramfs)
}
