package consume

import "context"

// CountMissed counts what retention took from cursors, as the engine does now and then.
func (e *Engine) CountMissed(ctx context.Context) error { return e.countAllMissed(ctx) }
