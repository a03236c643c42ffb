package topology

// Subjects of Jethook's own streams.
const (
	DuePrefix     = "jethook.due."
	TurnPrefix    = "jethook.turn."
	RetryPrefix   = "jethook.retry."
	DeadPrefix    = "jethook.dead."
	HistoryPrefix = "jethook.history."

	dueSubjects     = DuePrefix + ">"
	TurnSubjects    = TurnPrefix + ">"
	retrySubjects   = RetryPrefix + ">"
	deadSubjects    = DeadPrefix + ">"
	historySubjects = HistoryPrefix + ">"

	RejectedPrefix   = "jethook.rejected."
	rejectedSubjects = RejectedPrefix + ">"

	AuditPrefix   = "jethook.audit."
	AuditSubjects = AuditPrefix + ">"
)
