// The cross entropy of one row over the Open Inference Protocol with binary tensors, with the standard library alone:
// go run ./oip
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

const lengthHeader = "Inference-Header-Content-Length"

type tensor struct {
	Name       string         `json:"name"`
	Shape      []int          `json:"shape,omitempty"`
	Datatype   string         `json:"datatype,omitempty"`
	Parameters map[string]int `json:"parameters,omitempty"`
}

type document struct {
	Inputs     []tensor       `json:"inputs"`
	Outputs    []tensor       `json:"outputs"`
	Parameters map[string]any `json:"parameters"`
}

// encode returns the document and after it the tensors, in its order.
func encode(logits []float32, shape []int, targets []int64) (length int, body []byte, err error) {
	text, err := json.Marshal(document{
		Inputs: []tensor{
			{"logits", shape, "FP32", map[string]int{"binary_data_size": 4 * len(logits)}},
			{"targets", shape[:1], "INT64", map[string]int{"binary_data_size": 8 * len(targets)}},
		},
		Outputs:    []tensor{{Name: "loss"}, {Name: "grad"}},
		Parameters: map[string]any{"binary_data_output": true},
	})
	if err != nil {
		return 0, nil, err
	}
	data := bytes.NewBuffer(text)
	_ = binary.Write(data, binary.LittleEndian, logits) // a buffer takes all
	_ = binary.Write(data, binary.LittleEndian, targets)
	return len(text), data.Bytes(), nil
}

// decode returns the F32 outputs by name.
func decode(length int, body []byte) (map[string][]float32, error) {
	var reply document
	if err := json.Unmarshal(body[:length], &reply); err != nil {
		return nil, err
	}
	found, data := map[string][]float32{}, bytes.NewReader(body[length:])
	for _, output := range reply.Outputs {
		values := make([]float32, output.Parameters["binary_data_size"]/4)
		if err := binary.Read(data, binary.LittleEndian, values); err != nil {
			return nil, err
		}
		found[output.Name] = values
	}
	return found, nil
}

func infer(client *http.Client, url string, length int, body []byte) (map[string][]float32, error) {
	request, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Header.Set(lengthHeader, strconv.Itoa(length))
	reply, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return nil, err
	}
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", reply.Status, text)
	}
	length, err = strconv.Atoi(reply.Header.Get(lengthHeader))
	if err != nil || length > len(text) {
		return nil, fmt.Errorf("the reply has no bytes after its document: %s", text)
	}
	return decode(length, text)
}

func main() {
	base := os.Getenv("LOSSD_URL")
	if base == "" {
		base = "http://127.0.0.1:8080"
	}
	length, body, err := encode([]float32{-0.7715, -0.6205, -0.2562}, []int{1, 3}, []int64{0})
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Timeout: 30 * time.Second}
	result, err := infer(client, base+"/v2/models/cross_entropy/infer", length, body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("loss", result["loss"][0])
	fmt.Print("grad")
	for _, g := range result["grad"] {
		fmt.Print(" ", g)
	}
	fmt.Println()
}
