// Asks the server at URL one question through the client of oapi-codegen: main URL QUESTION
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"lossd.example/clients/api"
)

var client *api.ClientWithResponses

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func nested(elements ...any) (tensor api.Tensor) {
	check(tensor.FromNestedTensor(elements))
	return tensor
}

func typed(dtype api.Dtype, shape []int64, data ...any) (tensor api.Tensor) {
	check(tensor.FromTypedTensor(api.TypedTensor{Dtype: dtype, Shape: shape, Data: data}))
	return tensor
}

func evaluate(request api.CrossEntropyRequest) *api.EvaluateLossResponse {
	var body api.EvaluationRequest
	check(body.FromCrossEntropyRequest(request))
	reply, err := client.EvaluateLossWithResponse(context.Background(), api.CrossEntropy, nil, body)
	check(err)
	return reply
}

func scalar(tensor *api.RealTensor) float64 {
	value, err := tensor.AsScalar()
	check(err)
	return value
}

func evaluation() []any {
	outputs := []api.CrossEntropyRequestOutputs{api.CrossEntropyRequestOutputsLoss, api.CrossEntropyRequestOutputsGrad}
	reply := evaluate(api.CrossEntropyRequest{
		Logits:  nested([]float64{-0.7715, -0.6205, -0.2562}),
		Targets: nested(0),
		Outputs: &outputs,
	}).JSON200
	grad, err := reply.Grad.AsNestedArray()
	check(err)
	return append([]any{scalar(reply.Loss)}, grad[0].([]any)...)
}

func double() []any {
	reduction := api.ArgumentReductionSum
	reply := evaluate(api.CrossEntropyRequest{
		Logits:    typed(api.DtypeF64, []int64{1, 3}, -0.7715, -0.6205, -0.2562),
		Targets:   typed(api.DtypeI64, []int64{1}, 0),
		Reduction: &reduction,
	}).JSON200
	return []any{scalar(reply.Loss), reply.Totals.Counted}
}

func problem() []any {
	found := evaluate(api.CrossEntropyRequest{Logits: nested([]int{1, 2}), Targets: nested(0, 1)}).ApplicationproblemJSON422
	return []any{found.Status, found.Code, *found.Pointer}
}

func live() []any {
	reply, err := client.GetLiveWithResponse(context.Background(), nil)
	check(err)
	return []any{reply.JSON200.Live}
}

func main() {
	var err error
	client, err = api.NewClientWithResponses(os.Args[1])
	check(err)
	answer := map[string]func() []any{"evaluation": evaluation, "typed": double, "error": problem, "live": live}[os.Args[2]]()
	fmt.Println(strings.Trim(fmt.Sprint(answer), "[]"))
}
