package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// series are the values of one measure, in their order.
type series struct {
	values []float64
	slack  float64 // by so much a measure of its kind may differ for no reason
}

// third is one of the three parts of the values after the first quarter, which warms up.
func (s *series) third(n int) []float64 {
	steady := s.values[len(s.values)/4:]
	return slices.Sorted(slices.Values(steady[n*len(steady)/3 : (n+1)*len(steady)/3]))
}

func median(sorted []float64) float64 { return sorted[len(sorted)/2] }

// grows tells whether the measure is not flat: the last third is a fifth above the first, and still above the second. What
// rose once, as a heap does at its largest burst, does not grow; what leaks at a steady pace does, from a third in all on.
func (s *series) grows() bool {
	if len(s.values) < 30 { // too few to tell
		return false
	}
	first, second, last := median(s.third(0)), median(s.third(1)), median(s.third(2))
	return last > 1.2*first+s.slack && last > 1.05*second
}

// measures are the series by their names.
type measures map[string]*series

func (m measures) add(name string, value, slack float64) {
	if m[name] == nil {
		m[name] = &series{slack: slack}
	}
	m[name].values = append(m[name].values, value)
}

// report is a table of all measures, and names those that grow.
func (m measures) report() (table string, grow []string) {
	var out strings.Builder
	fmt.Fprintf(&out, "%-34s %10s %10s %10s   %10s %10s %10s\n", "", "first: min", "median", "max", "last: min", "median", "max")
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s := m[name]
		if len(s.values) < 12 {
			continue
		}
		fmt.Fprintf(&out, "%-34s", name)
		for _, n := range []int{0, 2} {
			part := s.third(n)
			fmt.Fprintf(&out, " %10.1f %10.1f %10.1f  ", part[0], median(part), part[len(part)-1])
		}
		if s.grows() {
			grow = append(grow, name)
			out.WriteString(" grows")
		}
		out.WriteByte('\n')
	}
	return out.String(), grow
}

// The rule tells a leak from what is flat.
func TestSoakRule(t *testing.T) {
	t.Parallel()
	const n = 200
	of := func(f func(i int) float64) *series {
		s := &series{slack: 2}
		for i := range n {
			s.values = append(s.values, f(i))
		}
		return s
	}
	noise := func(i int) float64 { return float64(i * 7919 % 31) } // of 100
	for name, test := range map[string]struct {
		s    *series
		want bool
	}{
		"flat":                    {of(func(i int) float64 { return 100 + noise(i) }), false},
		"warms up":                {of(func(i int) float64 { return 100 + noise(i) - 90/float64(1+i) }), false},
		"a step":                  {of(func(i int) float64 { return 100 + noise(i) + 60*float64(i*2/n) }), false},
		"a saw":                   {of(func(i int) float64 { return 100 + float64(i%40) }), false},
		"a leak":                  {of(func(i int) float64 { return 100 + noise(i) + 80*float64(i)/n }), true},
		"a leak in the last half": {of(func(i int) float64 { return 100 + noise(i) + 120*float64(max(0, i-n/2))/n }), true},
		"small":                   {of(func(i int) float64 { return 1 + 2*float64(i)/n }), false},
	} {
		if got := test.s.grows(); got != test.want {
			t.Errorf("%s: grows %t", name, got)
		}
	}
}
