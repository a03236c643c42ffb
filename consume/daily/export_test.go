package daily

import "context"

// SetBudgets lets d read fewer lines before it takes a sample.
func SetBudgets(c *Counter, hour, look uint64) { c.hourBudget, c.lookBudget = hour, look }

// CountNow counts as Run does.
var CountNow = func(ctx context.Context, c *Counter) error { return c.count(ctx) }
