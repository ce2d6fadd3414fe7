import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import lossd.client.ApiClient;
import lossd.client.ApiException;
import lossd.client.api.LossesApi;
import lossd.client.api.OperationApi;
import lossd.client.model.*;

/** Asks the server at URL one question through the client of openapi-generator: Main URL QUESTION */
public class Main {
    static final ApiClient client = new ApiClient();

    static EvaluationReply evaluate(CrossEntropyRequest request) throws ApiException {
        return new LossesApi(client).evaluateLoss(LossesApi.APIEvaluateLossRequest.newBuilder()
            .loss(LossName.CROSS_ENTROPY).evaluationRequest(new EvaluationRequest(request)).build());
    }

    static List<Object> evaluation() throws ApiException {
        EvaluationReply reply = evaluate(new CrossEntropyRequest()
            .logits(List.of(List.of(-0.7715, -0.6205, -0.2562)))
            .targets(List.of(0))
            .outputs(List.of(CrossEntropyRequest.OutputsEnum.LOSS, CrossEntropyRequest.OutputsEnum.GRAD)));
        List<Object> answer = new ArrayList<>(List.of(reply.getLoss()));
        for (Object row : (List<?>) reply.getGrad()) answer.addAll((List<?>) row);
        return answer;
    }

    static List<Object> typed() throws ApiException {
        EvaluationReply reply = evaluate(new CrossEntropyRequest()
            .logits(new TypedTensor().dtype(Dtype.F64).shape(List.of(1L, 3L)).data(List.of(-0.7715, -0.6205, -0.2562)))
            .targets(new TypedTensor().dtype(Dtype.I64).shape(List.of(1L)).data(List.of(0)))
            .reduction(ArgumentReduction.SUM));
        return List.of(reply.getLoss(), reply.getTotals().getCounted());
    }

    static List<Object> error() throws Exception {
        try {
            evaluate(new CrossEntropyRequest().logits(List.of(List.of(1, 2))).targets(List.of(0, 1)));
            return List.of("no error");
        } catch (ApiException e) {
            Problem problem = client.getObjectMapper().readValue(e.getResponseBody(), Problem.class);
            return List.of(problem.getStatus(), problem.getCode(), problem.getPointer());
        }
    }

    static List<Object> live() throws ApiException {
        return List.of(new OperationApi(client).getLive(null, null, null).getLive());
    }

    public static void main(String[] args) throws Exception {
        client.updateBaseUri(args[0]);
        List<Object> answer = args[1].equals("evaluation") ? evaluation()
            : args[1].equals("typed") ? typed() : args[1].equals("error") ? error() : live();
        System.out.println(answer.stream().map(Object::toString).collect(Collectors.joining(" ")));
    }
}
