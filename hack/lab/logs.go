package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// logTail is how much of a container's log DumpLogs shows, in bytes.
const logTail = 4 << 10

// DumpLogs writes the state and the end of the log of every pod, for the person
// who reads a failure.
func (l *Lab) DumpLogs(w io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	pods, err := l.Client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		fmt.Fprintln(w, "pods:", err)
		return
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		fmt.Fprintf(w, "--- %s/%s %s %s %s\n", pod.Namespace, pod.Name, pod.Status.Phase, pod.Status.PodIP, waiting(pod))
		for _, c := range pod.Spec.Containers {
			l.dumpLog(w, pod, c.Name)
		}
	}
}

func (l *Lab) dumpLog(w io.Writer, pod *corev1.Pod, container string) {
	log, err := l.Node.Log(pod.Namespace, pod.Name, container)
	if err != nil {
		fmt.Fprintln(w, "   no log:", err)
		return
	}
	defer log.Close()
	data, err := io.ReadAll(log)
	if err != nil {
		fmt.Fprintln(w, "   log:", err)
	}
	if len(data) > logTail {
		data = data[len(data)-logTail:]
	}
	for line := range bytes.Lines(data) {
		fmt.Fprintf(w, "   %s", line)
	}
}

func waiting(pod *corev1.Pod) string {
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Waiting != nil {
			return c.State.Waiting.Reason + ": " + c.State.Waiting.Message
		}
	}
	return ""
}

// LogLines returns the lines that contain text, of all pods of a namespace that
// ever ran under a name with the prefix.
func (l *Lab) LogLines(namespace, prefix, text string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(l.Cluster.Dir(), "node", "log", namespace+"_"+prefix+"*", "*.log"))
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(data) {
			if bytes.Contains(line, []byte(text)) {
				lines = append(lines, string(line))
			}
		}
	}
	return lines, nil
}
