package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SwitchMode is who moves a Service from one workload to the other.
type SwitchMode string

// The modes.
const (
	// Observed: somebody else changes the selector, and the HPA goes along.
	Observed SwitchMode = "Observed"
	// Managed: Loadline changes it when active asks for that, and not before the other
	// workload has the size for it.
	Managed SwitchMode = "Managed"
)

// Retire is what becomes of a workload that serves no longer.
type Retire string

// What becomes of a workload that serves no longer.
const (
	Keep        Retire = "Keep"
	ScaleToZero Retire = "ScaleToZero"
)

// BlueGreen says that two workloads take turns behind a Service: the one that
// spec.targetRef names, and another. The HPA scales the one whose pods the Service
// selects.
//
// +kubebuilder:validation:XValidation:rule="!has(self.active) || (has(self.mode) && self.mode == 'Managed')",fieldPath=".active",message="active is for mode Managed: with Observed whoever switches changes the selector of the Service"
type BlueGreen struct {
	// Service whose selector tells which of the two serves: the one whose pods have the
	// labels that it selects by.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	Service string `json:"service"`
	// OtherRef is the second workload; spec.targetRef is the first. Which of them is blue
	// and which is green changes with each switch.
	//
	// +kubebuilder:validation:XValidation:rule="self.kind in ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController']",fieldPath=".kind",messageExpression="'the pods of a ' + self.kind + ' are not known: name a Deployment, StatefulSet, ReplicaSet or ReplicationController'"
	OtherRef TargetReference `json:"otherRef"`
	// Mode is Observed: somebody else changes the Service's selector, and the HPA follows
	// with the size that it has. Or Managed: Loadline prepares the other workload, changes
	// the selector, and retires what served before. Managed needs rights that Loadline has
	// only in namespaces where they were given to it.
	//
	// +optional
	// +kubebuilder:default=Observed
	// +kubebuilder:validation:Enum=Observed;Managed
	Mode SwitchMode `json:"mode,omitempty"`
	// Active is the name of the workload that is to serve, in mode Managed: to change it
	// asks for a switch. kubectl loadline switch does.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Active string `json:"active,omitempty"`
	// HeadroomPercent is how much larger than what serves the other workload is to be
	// before a switch, in percent.
	//
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	HeadroomPercent *int32 `json:"headroomPercent,omitempty"`
	// Timeout is how long the other workload may take until it could serve, from 1m to 24h.
	// After that the switch is given up, and the Service was never touched.
	//
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms|us|ns))+$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",messageExpression="self + ' is no time that a workload may take: give 1m to 24h'"
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Soak is how long after a switch the size is held, and with it the way back, from 1m
	// to 24h.
	//
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms|us|ns))+$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",messageExpression="self + ' is no time to soak: give 1m to 24h'"
	Soak *metav1.Duration `json:"soak,omitempty"`
	// Retire is what becomes of the workload that served before, after the soak of a
	// managed switch: ScaleToZero, or Keep, which leaves it as large as it is.
	//
	// +optional
	// +kubebuilder:default=ScaleToZero
	// +kubebuilder:validation:Enum=ScaleToZero;Keep
	Retire Retire `json:"retire,omitempty"`
}

// SwitchPhase is a state of a switch from one workload to the other.
type SwitchPhase string

// The phases, in their order. An observed switch has only Soak; those after which
// nothing is left to do are Complete and Aborted.
const (
	// Preflight: it is looked whether the switch can be made at all.
	Preflight SwitchPhase = "Preflight"
	// Prescale: the other workload is brought to the size.
	Prescale SwitchPhase = "Prescale"
	// Waiting: until its pods serve.
	Waiting SwitchPhase = "Waiting"
	// Holding: the HPA's minimum is brought to the size.
	Holding SwitchPhase = "Holding"
	// Flipping: the Service's selector is changed.
	Flipping SwitchPhase = "Flipping"
	// Retargeting: the HPA is moved, once the Service's endpoints are of the other workload.
	Retargeting SwitchPhase = "Retargeting"
	// Soaking: both keep their size.
	Soaking SwitchPhase = "Soaking"
	// Retiring: what served before is scaled to 0.
	Retiring SwitchPhase = "Retiring"
	// Complete: the switch has been made.
	Complete SwitchPhase = "Complete"
	// Reverting: it is given up, and the other workload gets back the size that it had.
	Reverting SwitchPhase = "Reverting"
	// Aborted: it was given up before the Service was touched.
	Aborted SwitchPhase = "Aborted"
)

// BlueGreenState is which of the two workloads serves, and how the last switch fared.
type BlueGreenState struct {
	// Serving is the name of the workload that the HPA scales: the one that the Service
	// selects or, where it selects neither or both, the one that it selected last.
	//
	// +optional
	Serving string `json:"serving,omitempty"`
	// Doubt is why it is not known which one serves, for people.
	//
	// +optional
	Doubt string `json:"doubt,omitempty"`
	// Handled is the last request for a switch that was carried out or given up.
	//
	// +optional
	Handled string `json:"handled,omitempty"`
	// Switch is the one on its way, or the last one.
	//
	// +optional
	Switch *Switch `json:"switch,omitempty"`
}

// Switch is one from a workload to the other.
type Switch struct {
	// From is the name of the workload that served before.
	From string `json:"from"`
	// To is the name of the one that is to serve, or does.
	To string `json:"to"`
	// Managed: Loadline makes it. Otherwise somebody else has.
	//
	// +optional
	Managed bool `json:"managed,omitempty"`
	// Request is what was asked for last of a managed one, in the words of
	// status.blueGreen.handled.
	//
	// +optional
	Request string `json:"request,omitempty"`
	// Phase is how far it is: Preflight, Prescale, Waiting, Holding, Flipping, Retargeting,
	// Soaking, Retiring and Complete or, where it is given up, Reverting and Aborted.
	Phase SwitchPhase `json:"phase"`
	// Since is when the phase began.
	Since metav1.Time `json:"since"`
	// Started is when the switch did.
	Started metav1.Time `json:"started"`
	// Flipped is when the Service was seen to select the other workload.
	//
	// +optional
	Flipped *metav1.Time `json:"flipped,omitempty"`
	// Needed is how many pods the load needs, by what serves it. It only grows.
	//
	// +optional
	Needed int32 `json:"needed,omitempty"`
	// Size is how many pods the other workload has to have: with the headroom, and at most
	// replicas.max.
	//
	// +optional
	Size int32 `json:"size,omitempty"`
	// Back is, of a switch that takes back the one before, the size that that one held: up to
	// there what serves is as large as it was made, and not as the load needs.
	//
	// +optional
	Back *int32 `json:"back,omitempty"`
	// Before is the size that it had before it was prescaled.
	//
	// +optional
	Before *int32 `json:"before,omitempty"`
	// Message is what it waits for, or why it was given up, for people.
	//
	// +optional
	Message string `json:"message,omitempty"`
}

// Scaled is what the HPA scales: the target or, of two that take turns, the one that the
// status says serves.
func (p *AutoscalingPolicy) Scaled() TargetReference {
	b, s := p.Spec.BlueGreen, p.Status.BlueGreen
	if b != nil && s != nil && s.Serving == b.OtherRef.Name {
		return b.OtherRef
	}
	return p.Spec.TargetRef
}

// Managing is the managed switch that is under way; nil if there is none.
func (s *BlueGreenState) Managing() *Switch {
	if s == nil || s.Switch == nil || !s.Switch.Managed || s.Switch.Phase.Over() {
		return nil
	}
	return s.Switch
}

// Over says whether nothing is left to do in a phase.
func (p SwitchPhase) Over() bool { return p == Complete || p == Aborted }
