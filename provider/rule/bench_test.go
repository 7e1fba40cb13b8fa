package rule

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// BenchmarkQuery renders a read of some pods by name.
func BenchmarkQuery(b *testing.B) {
	r := one(b, "rules", fmt.Sprintf(podRule, sumBy))
	for _, pods := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) {
			in := QueryInput{Series: "x", Resource: schema.GroupResource{Resource: "pods"}, Namespace: "shop"}
			for i := range pods {
				in.Names = append(in.Names, fmt.Sprintf("web-7d9f8b6c5-%05d", i))
			}
			m := cluster()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Query(m, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
