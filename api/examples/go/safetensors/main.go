// The cross entropy of one row as safetensors, both ways, with the standard library alone: go run ./safetensors
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
	"time"
)

const media = "application/x-safetensors"

// entry describes a tensor; its offsets count from the end of the header.
type entry struct {
	Dtype   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

// encode writes eight bytes of length, the header in JSON, then the tensors: targets first, so that the server
// evaluates rows as they arrive.
func encode(logits [][]float32, targets []int64) ([]byte, error) {
	var data bytes.Buffer
	if err := binary.Write(&data, binary.LittleEndian, targets); err != nil {
		return nil, err
	}
	middle := data.Len()
	for _, row := range logits {
		if err := binary.Write(&data, binary.LittleEndian, row); err != nil {
			return nil, err
		}
	}
	header, err := json.Marshal(map[string]entry{
		"targets": {"I64", []int{len(targets)}, [2]int{0, middle}},
		"logits":  {"F32", []int{len(logits), len(logits[0])}, [2]int{middle, data.Len()}},
	})
	var body bytes.Buffer
	_ = binary.Write(&body, binary.LittleEndian, uint64(len(header))) // a buffer takes all
	body.Write(header)
	body.Write(data.Bytes())
	return body.Bytes(), err
}

// decode returns the F32 tensors of a file by name.
func decode(body []byte) (map[string][]float32, error) {
	if len(body) < 8 || binary.LittleEndian.Uint64(body) > uint64(len(body)-8) {
		return nil, fmt.Errorf("%d bytes are no safetensors file", len(body))
	}
	start := 8 + binary.LittleEndian.Uint64(body)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(body[8:start], &header); err != nil {
		return nil, err
	}
	delete(header, "__metadata__") // totals and timings, as JSON text
	tensors := map[string][]float32{}
	for name, text := range header {
		var e entry
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, err
		}
		values := make([]float32, (e.Offsets[1]-e.Offsets[0])/4)
		data := bytes.NewReader(body[start:][e.Offsets[0]:e.Offsets[1]])
		if err := binary.Read(data, binary.LittleEndian, values); err != nil {
			return nil, err
		}
		tensors[name] = values
	}
	return tensors, nil
}

func crossEntropy(client *http.Client, base string, body []byte) (map[string][]float32, error) {
	request, err := http.NewRequest("POST", base+"/v1/losses/cross_entropy?outputs=loss,grad", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", media)
	request.Header.Set("Accept", media)
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
	return decode(text)
}

func main() {
	base := os.Getenv("LOSSD_URL")
	if base == "" {
		base = "http://127.0.0.1:8080"
	}
	body, err := encode([][]float32{{-0.7715, -0.6205, -0.2562}}, []int64{0})
	if err != nil {
		log.Fatal(err)
	}
	result, err := crossEntropy(&http.Client{Timeout: 30 * time.Second}, base, body)
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
