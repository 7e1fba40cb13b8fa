package decide

// States of a policy: its conditions in one word.
const (
	StateEnforced = "Enforced"
	StateDryRun   = "DryRun"
	StatePaused   = "Paused"
	StateConflict = "Conflict"
	StateInvalid  = "Invalid"
	StatePending  = "Pending"
)

// Reasons of Ready. Those of the modes have the modes' names.
const (
	Applied                = "Applied"
	Paused                 = "Paused"
	DryRunMode             = "DryRun"
	InvalidSpec            = "InvalidSpec"
	QueryRefused           = "QueryRefused"
	KindUnknown            = "TargetKindUnknown"
	NotScalable            = "TargetNotScalable"
	NotFound               = "TargetNotFound"
	ScaleToZeroUnsupported = "ScaleToZeroUnsupported"
	LettingGo              = "LettingGo"
	FeaturesUnknown        = "FeaturesUnknown"
	NearZero               = "NearZero"
	AtZero                 = "TargetAtZero"
	TargetUnreadable       = "TargetUnreadable"
	HPAStopped             = "HPAStopped"
	ScaleRefused           = "ScaleRefused"
	ApplyRejected          = "ApplyRejected"
	ApplyConflict          = "ApplyConflict"
)

// Reasons of Conflict. They are Ready's, too, where the conflict keeps us from writing.
const (
	NoConflict  = "NoConflict"
	TwoPolicies = "TwoPolicies"
	ForeignHPA  = "ForeignHPA"
	FieldOwner  = "FieldOwner"
	Fight       = "Fight"
	// SharedPods: pods of the target are those of another HPA's target, too, and both stop.
	SharedPods = "SharedPods"
)

// finding is the answer to one question about a snapshot: why the HPA is not, or is,
// what the policy says.
type finding struct {
	reason, message string
	state           string
	// good: Ready is true all the same.
	good bool
	// waits: Ready is neither true nor false; the time since when is that of the change.
	waits bool
	// conflict: it is the condition Conflict, too.
	conflict bool
	// loses: the HPA has to go.
	loses bool
}
