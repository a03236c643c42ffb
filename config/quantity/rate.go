package quantity

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how many there may be in a time: deliveries to an endpoint, or requests of a sender.
type Rate struct {
	Count int           // at least 1; 0 in the zero value, which stands for no limit
	Per   time.Duration // a second, a minute or an hour
}

// rateUnits are the units of a rate.
var rateUnits = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// maxRate bounds a rate's count.
const maxRate = 1_000_000

var errRate = errors.New("not a rate: write 1 to 1000000 for each s, m or h, such as 10/s, 600/m or 1000/h")

// String returns the rate as [Rate.UnmarshalText] reads it.
func (r Rate) String() string {
	for _, unit := range rateUnits {
		if unit.per == r.Per {
			return strconv.Itoa(r.Count) + "/" + unit.name
		}
	}
	return fmt.Sprintf("%d per %s", r.Count, r.Per)
}

// MarshalText returns what String does.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a rate such as 10/s, 600/m or 1000/h. On an error r keeps its value.
func (r *Rate) UnmarshalText(text []byte) error {
	count, name, _ := strings.Cut(strings.TrimSpace(string(text)), "/")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxRate {
		return errRate
	}
	for _, unit := range rateUnits {
		if unit.name == name {
			*r = Rate{Count: n, Per: unit.per}
			return nil
		}
	}
	return errRate
}
