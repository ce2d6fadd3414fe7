import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lossd.client.ApiClient;
import lossd.client.ApiException;
import lossd.client.api.LossesApi;
import lossd.client.api.OperationApi;
import lossd.client.model.*;

/** Asks the server at URL one question through the client of openapi-generator: Main URL QUESTION */
public class Main {
    static final ApiClient client = new ApiClient();

    static EvaluationReply evaluate(CrossEntropyRequest request) throws ApiException {
        return new LossesApi(client).evaluateLoss(LossName.CROSS_ENTROPY, new EvaluationRequest(request)).execute();
    }

    static List<Object> evaluation() throws ApiException {
        EvaluationReply reply = evaluate(new CrossEntropyRequest()
            .logits(new Tensor(List.of(List.of(-0.7715, -0.6205, -0.2562))))
            .targets(new Tensor(List.of(0)))
            .outputs(List.of(CrossEntropyRequest.OutputsEnum.LOSS, CrossEntropyRequest.OutputsEnum.GRAD)));
        List<?> row = (List<?>) reply.getGrad().getListObject().get(0);
        return Stream.concat(Stream.of(reply.getLoss().getDouble()), row.stream()).collect(Collectors.toList());
    }

    static List<Object> typed() throws ApiException {
        EvaluationReply reply = evaluate(new CrossEntropyRequest()
            .logits(new Tensor(new TypedTensor()
                .dtype(Dtype.F64).shape(List.of(1L, 3L)).data(List.of(-0.7715, -0.6205, -0.2562))))
            .targets(new Tensor(new TypedTensor().dtype(Dtype.I64).shape(List.of(1L)).data(List.of(0))))
            .reduction(ArgumentReduction.SUM));
        return List.of(reply.getLoss().getDouble(), reply.getTotals().getCounted());
    }

    static List<Object> error() throws ApiException {
        try {
            evaluate(new CrossEntropyRequest()
                .logits(new Tensor(List.of(List.of(1, 2)))).targets(new Tensor(List.of(0, 1))));
            return List.of("no error");
        } catch (ApiException e) {
            try {
                Problem problem = Problem.fromJson(e.getResponseBody());
                return List.of(problem.getStatus(), problem.getCode(), problem.getPointer());
            } catch (java.io.IOException wrong) {
                return List.of(wrong);
            }
        }
    }

    static List<Object> live() throws ApiException {
        return List.of(new OperationApi(client).getLive().execute().getLive());
    }

    public static void main(String[] args) throws ApiException {
        client.setBasePath(args[0]);
        List<Object> answer = args[1].equals("evaluation") ? evaluation()
            : args[1].equals("typed") ? typed() : args[1].equals("error") ? error() : live();
        System.out.println(answer.stream().map(Object::toString).collect(Collectors.joining(" ")));
        System.exit(0); // okhttp's threads linger
    }
}
