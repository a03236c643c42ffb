package status

import "context"

// SetBudgets lets d read fewer lines before it takes a sample.
func SetBudgets(d *Days, hour, look uint64) { d.hourBudget, d.lookBudget = hour, look }

// CountNow counts as Run does.
var CountNow = func(ctx context.Context, d *Days) error { return d.count(ctx) }
