// Sends problems, one a line of standard input, by a wire that it writes itself with the standard library alone, and
// prints what came back, one line each: go run . safetensors|oip URL
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

// tensor has its dtype as safetensors names it; data is little-endian (base64 in JSON).
type tensor struct {
	Name  string `json:"name"`
	Dtype string `json:"dtype"`
	Shape []int  `json:"shape"`
	Data  []byte `json:"data"`
}

type problem struct {
	Loss      string                     `json:"loss"`
	Arguments map[string]json.RawMessage `json:"arguments"`
	Outputs   []string                   `json:"outputs"`
	Tensors   []tensor                   `json:"tensors"`
}

type result struct {
	Outputs []tensor       `json:"outputs"`
	Totals  map[string]any `json:"totals"`
}

func post(target string, headers map[string]string, body []byte) ([]byte, http.Header, error) {
	request, err := http.NewRequest("POST", target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	client := http.Client{Timeout: 60 * time.Second}
	reply, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", reply.Status, text)
	}
	return text, reply.Header, err
}

// ---------------------------------------------------------------- safetensors

type entry struct {
	Dtype   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

func writeSafetensors(tensors []tensor) ([]byte, error) {
	header := map[string]entry{}
	var data []byte
	for _, t := range tensors {
		header[t.Name] = entry{t.Dtype, t.Shape, [2]int{len(data), len(data) + len(t.Data)}}
		data = append(data, t.Data...)
	}
	text, err := json.Marshal(header)
	body := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(body, text...), data...), err
}

func readSafetensors(body []byte) (result, error) {
	var found result
	if len(body) < 8 {
		return found, fmt.Errorf("only %d bytes", len(body))
	}
	size := binary.LittleEndian.Uint64(body)
	if size > uint64(len(body)-8) {
		return found, fmt.Errorf("a header of %d bytes in %d", size, len(body))
	}
	header, data := map[string]json.RawMessage{}, body[8+size:]
	if err := json.Unmarshal(body[8:8+size], &header); err != nil {
		return found, err
	}
	for name, text := range header {
		if name == "__metadata__" {
			var metadata map[string]string
			if err := json.Unmarshal(text, &metadata); err != nil {
				return found, err
			}
			if err := readTotals([]byte(metadata["totals"]), &found.Totals); err != nil {
				return found, err
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(text, &e); err != nil {
			return found, err
		}
		found.Outputs = append(found.Outputs, tensor{name, e.Dtype, e.Shape, data[e.Offsets[0]:e.Offsets[1]]})
	}
	sort.Slice(found.Outputs, func(i, j int) bool { return found.Outputs[i].Name < found.Outputs[j].Name })
	return found, nil
}

// readTotals keeps numbers as they are written. A loss without totals has no text.
func readTotals(text []byte, totals *map[string]any) error {
	if len(text) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(totals)
}

func bySafetensors(base string, p problem) (result, error) {
	query := url.Values{}
	for name, value := range p.Arguments {
		query.Set(name, strings.Trim(string(value), `"`))
	}
	if len(p.Outputs) > 0 {
		query.Set("outputs", strings.Join(p.Outputs, ","))
	}
	body, err := writeSafetensors(p.Tensors)
	if err != nil {
		return result{}, err
	}
	const media = "application/x-safetensors"
	reply, _, err := post(base+"/v1/losses/"+p.Loss+"?"+query.Encode(),
		map[string]string{"Content-Type": media, "Accept": media}, body)
	if err != nil {
		return result{}, err
	}
	return readSafetensors(reply)
}

// ---------------------------------------------------------------- Open Inference Protocol

var oipNames = map[string]string{"F64": "FP64", "F32": "FP32", "F16": "FP16", "BF16": "BF16", "I64": "INT64",
	"I32": "INT32", "I16": "INT16", "I8": "INT8", "U64": "UINT64", "U32": "UINT32", "U16": "UINT16", "U8": "UINT8",
	"BOOL": "BOOL"}

func plainName(oip string) string {
	for plain, name := range oipNames {
		if name == oip {
			return plain
		}
	}
	return ""
}

type oipTensor struct {
	Name       string         `json:"name"`
	Datatype   string         `json:"datatype,omitempty"`
	Shape      []int          `json:"shape"`
	Parameters map[string]any `json:"parameters"`
}

type oipRequest struct {
	Parameters map[string]any   `json:"parameters"`
	Inputs     []oipTensor      `json:"inputs"`
	Outputs    []map[string]any `json:"outputs,omitempty"`
}

type oipReply struct {
	Parameters json.RawMessage `json:"parameters"`
	Outputs    []struct {
		oipTensor
		Parameters struct {
			Size int `json:"binary_data_size"`
		} `json:"parameters"`
	} `json:"outputs"`
}

func writeOIP(p problem) (document, data []byte, err error) {
	request := oipRequest{Parameters: map[string]any{"binary_data_output": true}}
	for name, value := range p.Arguments {
		request.Parameters[name] = value
	}
	for _, t := range p.Tensors {
		request.Inputs = append(request.Inputs, oipTensor{t.Name, oipNames[t.Dtype], t.Shape,
			map[string]any{"binary_data_size": len(t.Data)}})
		data = append(data, t.Data...)
	}
	for _, name := range p.Outputs {
		request.Outputs = append(request.Outputs, map[string]any{"name": name})
	}
	document, err = json.Marshal(request)
	return document, data, err
}

func readOIP(document, data []byte) (result, error) {
	var reply oipReply
	var found result
	if err := json.Unmarshal(document, &reply); err != nil {
		return found, err
	}
	for _, output := range reply.Outputs {
		size := output.Parameters.Size
		if size > len(data) {
			return found, fmt.Errorf("%s has %d bytes of %d", output.Name, size, len(data))
		}
		found.Outputs = append(found.Outputs, tensor{output.Name, plainName(output.Datatype), output.Shape, data[:size]})
		data = data[size:]
	}
	if len(data) > 0 {
		return found, fmt.Errorf("%d bytes are nobody's", len(data))
	}
	return found, readTotals(reply.Parameters, &found.Totals)
}

func byOIP(base string, p problem) (result, error) {
	const lengthHeader = "Inference-Header-Content-Length"
	document, data, err := writeOIP(p)
	if err != nil {
		return result{}, err
	}
	reply, headers, err := post(base+"/v2/models/"+p.Loss+"/infer",
		map[string]string{"Content-Type": "application/octet-stream", lengthHeader: strconv.Itoa(len(document))},
		append(document, data...))
	if err != nil {
		return result{}, err
	}
	size := len(reply) // without the header, all of it is the document
	if text := headers.Get(lengthHeader); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size > len(reply) {
			return result{}, fmt.Errorf("%s: %s of %d bytes", lengthHeader, text, len(reply))
		}
	}
	return readOIP(reply[:size], reply[size:])
}

// ---------------------------------------------------------------- lines

func answer(send func(string, problem) (result, error), base string, line []byte) any {
	var p problem
	if err := json.Unmarshal(line, &p); err != nil {
		return map[string]string{"error": err.Error()}
	}
	found, err := send(base, p)
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	return found
}

func main() {
	wires := map[string]func(string, problem) (result, error){"safetensors": bySafetensors, "oip": byOIP}
	if len(os.Args) != 3 || wires[os.Args[1]] == nil {
		log.Fatal("usage: interop safetensors|oip URL")
	}
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		if err := out.Encode(answer(wires[os.Args[1]], os.Args[2], line)); err != nil {
			log.Fatal(err)
		}
	}
}
