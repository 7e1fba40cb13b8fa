package prometheus

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkDecodeSeries is a discovery of 200,000 series under 100 names, the size
// at which holding the answer took the predecessor hundreds of megabytes.
func BenchmarkDecodeSeries(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"status":"success","data":[{}`)
	for i := range 200_000 {
		fmt.Fprintf(&body, `,{"__name__":"metric_%d","namespace":"shop","pod":"web-%d","job":"web","instance":"10.0.0.1:8080","path":"/api/v1/reminders","method":"GET","code":"200"}`, i%100, i)
	}
	body.WriteString("]}")
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if found, err := decodeSeries(bytes.NewReader(body.Bytes())); err != nil || len(found) != 100 {
			b.Fatal(len(found), err)
		}
	}
}

// BenchmarkDecodeAnswer is one query's answer for 10,000 pods.
func BenchmarkDecodeAnswer(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}`)
	for i := range 10_000 {
		fmt.Fprintf(&body, `,{"metric":{"pod":"web-%d"},"value":[1700000000.125,"%d.5"]}`, i, i)
	}
	body.WriteString("]}}")
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeAnswer(bytes.NewReader(body.Bytes()), DefaultMaxValues, 0); err != nil {
			b.Fatal(err)
		}
	}
}
