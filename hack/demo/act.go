package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// scrape is the annotation by which it is found what to scrape.
const scrape = "prometheus.io/scrape"

// act does what a phase begins with, the load aside. It returns when the schedule that
// it wrote begins; the zero time if it wrote none.
func (d *demo) act(ctx context.Context, p Phase) (begins time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	switch p {
	case Lost:
		if err := d.scrapeQueue(ctx, false); err != nil {
			return time.Time{}, err
		}
		begins = nextMinute(time.Now())
		schedule := scheduleAt(begins, d.opts.Script.Schedule.Min)
		patch := map[string]any{"spec": map[string]any{"schedules": []v1alpha1.Schedule{schedule}}}
		return begins, d.lab.MergePolicy(ctx, lab.RemindMeNamespace, d.opts.Script.Schedule.Policy, patch)
	case Back:
		return time.Time{}, d.scrapeQueue(ctx, true)
	}
	return time.Time{}, nil
}

// nextMinute is the first full minute, in UTC, that leaves a policy the time to be read.
func nextMinute(now time.Time) time.Time {
	return now.UTC().Add(lead).Truncate(time.Minute).Add(time.Minute)
}

// scheduleAt is in force from begins, a full minute in UTC, for the least that a schedule
// may last; again a day later, when nobody looks any more.
func scheduleAt(begins time.Time, min int32) v1alpha1.Schedule {
	return v1alpha1.Schedule{
		Name: rush, Start: fmt.Sprintf("%d %d * * *", begins.Minute(), begins.Hour()),
		Duration: metav1.Duration{Duration: rushLasts}, Min: min,
	}
}

// scrapeQueue has the queue's pods, which count the reminders, scraped or not.
// The queue itself and its workers go on.
func (d *demo) scrapeQueue(ctx context.Context, yes bool) error {
	pods := d.lab.Client.CoreV1().Pods(lab.RemindMeNamespace)
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=remindme-queue"})
	if err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return errors.New("the queue of Remind Me has no pod")
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{scrape: fmt.Sprint(yes)}}})
	if err != nil {
		return err
	}
	for _, pod := range list.Items {
		if _, err := pods.Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return err
		}
	}
	return nil
}
