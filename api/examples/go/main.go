// The cross entropy of one row in Go, with the standard library alone: go run .
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

// problem is the body of a request; leave out what should have its default.
type problem struct {
	Logits  [][]float32 `json:"logits"`
	Targets []int64     `json:"targets"`
	Outputs []string    `json:"outputs,omitempty"`
}

// evaluation is a reply. A mean over no rows is the string "NaN", since JSON has no such number: where that can
// happen, ask for empty_mean "zero" or decode Loss as json.RawMessage.
type evaluation struct {
	Loss   float32     `json:"loss"`
	Grad   [][]float32 `json:"grad"`
	Totals struct {
		LossSum     float64 `json:"loss_sum"`
		Denominator float64 `json:"denominator"`
	} `json:"totals"`
}

// failure is an application/problem+json document.
type failure struct {
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
}

func crossEntropy(client *http.Client, base string, p problem) (evaluation, error) {
	var result evaluation
	body, err := json.Marshal(p)
	if err != nil {
		return result, err
	}
	reply, err := client.Post(base+"/v1/losses/cross_entropy", "application/json", bytes.NewReader(body))
	if err != nil {
		return result, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(reply.Body).Decode(&f); err != nil {
			return result, fmt.Errorf("%s", reply.Status)
		}
		return result, fmt.Errorf("%s: %s (request %s)", f.Code, f.Detail, f.RequestID)
	}
	err = json.NewDecoder(reply.Body).Decode(&result)
	return result, err
}

func main() {
	base := os.Getenv("LOSSD_URL")
	if base == "" {
		base = "http://127.0.0.1:8080"
	}
	client := &http.Client{Timeout: 30 * time.Second}
	result, err := crossEntropy(client, base, problem{
		Logits:  [][]float32{{-0.7715, -0.6205, -0.2562}},
		Targets: []int64{0},
		Outputs: []string{"loss", "grad"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("loss", result.Loss)
	fmt.Print("grad")
	for _, g := range result.Grad[0] {
		fmt.Print(" ", g)
	}
	fmt.Println()
}
