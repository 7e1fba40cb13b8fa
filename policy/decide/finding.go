package decide

// States of a policy: its conditions in one word.
const (
	// StateEnforced: the HPA is what the policy says.
	StateEnforced = "Enforced"
	// StateDryRun: mode DryRun; status.plan has what would be done.
	StateDryRun = "DryRun"
	// StatePaused: mode Paused; the HPA is frozen at its size.
	StatePaused = "Paused"
	// StateConflict: somebody else scales the target or writes the HPA.
	StateConflict = "Conflict"
	// StateInvalid: the policy cannot become an HPA. One that is there stays as it was.
	StateInvalid = "Invalid"
	// StatePending: the policy waits for its target, for what the cluster supports, for a moment
	// that is safe, or for an HPA that stands still.
	StatePending = "Pending"
)

// Reasons of Ready. Those of the modes have the modes' names.
const (
	// Applied (True): the HPA is what the policy says.
	Applied = "Applied"
	// Paused (False): mode Paused. No metric changes the size.
	Paused = "Paused"
	// DryRunMode (False): mode DryRun. Nothing is written.
	DryRunMode = "DryRun"
	// InvalidSpec (False): a field of the policy is wrong; the message has each with its remedy.
	InvalidSpec = "InvalidSpec"
	// QueryRefused (False): the PromQL of an objective query is not taken.
	QueryRefused = "QueryRefused"
	// KindUnknown (False): the cluster serves no kind of the target's name. Install it, or mend spec.targetRef.
	KindUnknown = "TargetKindUnknown"
	// NotScalable (False): the target's kind has no scale subresource. Name another target.
	NotScalable = "TargetNotScalable"
	// NotFound (False): the target is not there. Make it, or mend spec.targetRef.
	NotFound = "TargetNotFound"
	// ScaleToZeroUnsupported (False): the policy has replicas.min 0, and the cluster takes no such HPA (feature gate
	// HPAScaleToZero), or it has a schedule or a fallback besides, which before Kubernetes 1.37 would leave a target
	// that is at 0 there.
	ScaleToZeroUnsupported = "ScaleToZeroUnsupported"
	// LettingGo (False): the HPA is being let go, as asked for by the annotation loadline.dev/release.
	LettingGo = "LettingGo"
	// FeaturesUnknown (Unknown): what the API server takes in an HPA is not known yet, and the policy depends on it.
	// It is tried again twice a minute.
	FeaturesUnknown = "FeaturesUnknown"
	// NearZero (Unknown): a change waits, ten minutes at most, for the HPA may be about to scale to 0, and a
	// write at that moment could strand the target there.
	NearZero = "NearZero"
	// AtZero (True): somebody has set the target to 0, which switches its HPA off. kubectl scale switches it on.
	AtZero = "TargetAtZero"
	// TargetUnreadable (False): the HPA controller cannot read the target's scale.
	TargetUnreadable = "TargetUnreadable"
	// HPAStopped (False): the HPA does not scale, such as for pods that another HPA's target has, too (AmbiguousSelector),
	// or a scale without a selector.
	HPAStopped = "HPAStopped"
	// ScaleRefused (False): the HPA cannot write the target's size: a right, a webhook or an admission policy.
	ScaleRefused = "ScaleRefused"
	// ApplyRejected (False): the API server refuses the HPA; the message has its words.
	ApplyRejected = "ApplyRejected"
	// ApplyConflict (False): another manager owns fields of the HPA.
	ApplyConflict = "ApplyConflict"
)

// Reasons of Conflict. They are Ready's, too, which then is False, where the conflict keeps us from writing.
const (
	// NoConflict (False): nobody else scales the target or writes the HPA.
	NoConflict = "NoConflict"
	// TwoPolicies (True): another policy scales the target, or is about to. Delete one of the two.
	TwoPolicies = "TwoPolicies"
	// ForeignHPA (True): an HPA that is not the policy's is on the target, or has the policy's name. Delete it, or have it
	// taken over by the annotation loadline.dev/adopt.
	ForeignHPA = "ForeignHPA"
	// FieldOwner (True): Git, Helm or a person goes on writing the HPA. The message has the commands.
	FieldOwner = "FieldOwner"
	// Fight (True): somebody has changed the same fields back three times. They are left alone, and tried again each
	// ten minutes.
	Fight = "Fight"
	// SharedPods (True): pods of the target are those of another HPA's target, too, and both stop.
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
