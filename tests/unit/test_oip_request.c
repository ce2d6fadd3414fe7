/* The document of Open Inference Protocol requests: its members in any order, and their faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/eval/evaluation.h"
#include "../support/oip.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct decode_options plain = {.create = oip_in_create};

static void test_members(void **state)
{
	(void)state;
	static const struct {
		const char *body, *text;
	} cases[] = {
		{"{" INPUTS "}", TEXT},
		{REQUEST("\"id\":\"a\",\"parameters\":{},\"outputs\":[]"), TEXT},
		{REQUEST("\"model_name\":\"cross_entropy\""), TEXT},
		{REQUEST("\"id\":null,\"parameters\":null,\"outputs\":null"), TEXT},
		{"{\"outputs\":[{\"parameters\":{\"binary_data\":false},\"name\":\"grad\"}]," INPUTS
		 "}",
		 TEXT "outputs grad\n"},
		{OUTPUTS("{\"name\":\"loss\",\"parameters\":null},{\"name\":\"grad\"}"),
		 TEXT "outputs loss grad\n"},
		{PARAMETERS("\"reduction\":\"sum\",\"ignore_index\":-7,\"label_smoothing\":1e-1,"
			    "\"empty_mean\":null"),
		 TEXT "ignore_index -7\nreduction \"sum\"\nlabel_smoothing 1e-1\n"},
		{PARAMETERS("\"timeout\":5000000,\"priority\":3,\"binary_data_output\":true"),
		 TEXT},
		{PARAMETERS("\"timeout\":null,\"priority\":null,\"binary_data_output\":null"),
		 TEXT},
		/* any order inside an input: data before all that says what it is */
		{"{\"inputs\":[{\"data\":[1,2,3,4,5,6],\"datatype\":\"FP32\",\"shape\":[2,3],"
		 "\"name\":\"logits\"},{\"data\":[0,2],\"parameters\":{},\"shape\":[2],\"name\":"
		 "\"targets\",\"datatype\":\"INT64\"}]}",
		 TEXT},
		{"{\"inputs\":[" TARGETS "," LOGITS "]}", TEXT},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_decodes(&plain, cases[i].body, cases[i].text);
}

static void test_request_faults(void **state)
{
	(void)state;
	static const struct oip_refused cases[] = {
		{"", STATUS_EMPTY_BODY, "", "the body is empty, but a JSON object is expected"},
		{"[1]", LOSS_WRONG_TYPE, "",
		 "the request is an array, but must be an object such as {\"inputs\": [...]}"},
		{"{" INPUTS, STATUS_TRUNCATED_BODY, "",
		 "line 1, column 146: the body ends here, but ',' or '}' is expected"},
		{"{" INPUTS "}}", STATUS_INVALID_JSON, "",
		 "line 1, column 147: found '}', but nothing may follow the document"},
		{REQUEST("\"input\":[]"), LOSS_UNKNOWN_FIELD, "input",
		 "a request has no member \"input\"; the nearest is \"inputs\""},
		{REQUEST(INPUTS), LOSS_DUPLICATE_FIELD, "inputs",
		 "inputs is given twice; give it once"},
		{REQUEST("\"model_name\":\"softmax\""), LOSS_ARGUMENT_OUT_OF_RANGE, "model_name",
		 "model_name is \"softmax\", but the path has cross_entropy: leave it out, or name "
		 "the same"},
		{REQUEST("\"model_name\":{\"a\":1}"), LOSS_WRONG_TYPE, "model_name",
		 "model_name is an object, but must be a string"},
		{REQUEST("\"id\":7"), LOSS_WRONG_TYPE, "id", "id is 7, but must be a string"},
		{REQUEST("\"id\":{\"a\":[1]}"), LOSS_WRONG_TYPE, "id",
		 "id is an object, but must be a string"},
		{REQUEST("\"outputs\":{\"a\":[1]}"), LOSS_WRONG_TYPE, "outputs",
		 "outputs is an object, but must be an array of objects"},
		{"{\"inputs\":\"a\"}", LOSS_WRONG_TYPE, "inputs",
		 "inputs is \"a\", but must be an array of objects"},
		{"{\"inputs\":[" LOGITS ",5,[{\"a\":1}]]}", LOSS_WRONG_TYPE, "inputs",
		 "inputs[1] is 5, but must be an object such as {\"name\": \"logits\"}"},
		{OUTPUTS("\"loss\""), LOSS_WRONG_TYPE, "outputs",
		 "outputs[0] is \"loss\", but must be an object such as {\"name\": \"loss\"}"},
		{"{}", LOSS_MISSING_FIELD, "logits",
		 "inputs has no logits, but cross_entropy needs it"},
		{"{\"inputs\":[" LOGITS "]}", LOSS_MISSING_FIELD, "targets",
		 "inputs has no targets, but cross_entropy needs it"},
		{REQUEST("\"parameters\":[{\"a\":1}]"), LOSS_WRONG_TYPE, "parameters",
		 "parameters is an array, but must be an object of scalars"},
	};
	oip_check_refused(cases, COUNT(cases));
}

static void test_parameter_faults(void **state)
{
	(void)state;
	static const struct oip_refused cases[] = {
		{PARAMETERS("\"reductoin\":\"sum\""), LOSS_UNKNOWN_FIELD, "reductoin",
		 "parameters.reductoin is unknown; the nearest is \"reduction\""},
		{PARAMETERS("\"time\":5"), LOSS_UNKNOWN_FIELD, "time",
		 "parameters.time is unknown; there are size_average, ignore_index, reduce, "
		 "reduction, label_smoothing, denominator, empty_mean, totals, class_axis, "
		 "grad_dtype, "
		 "softcap, temperature, z_loss, shift, logit_scale, gamma, k, ece_bins, ece_norm, "
		 "n_groups, "
		 "timeout, priority, binary_data_output, non_finite, content_type and headers"},
		{PARAMETERS("\"logits\":[[1]]"), LOSS_UNKNOWN_FIELD, "logits",
		 "parameters.logits is unknown; it is a tensor: it stands in inputs"},
		{PARAMETERS("\"binary_data\":true"), LOSS_UNKNOWN_FIELD, "binary_data",
		 "parameters.binary_data is unknown; it stands in an output's parameters"},
		{PARAMETERS("\"triton_enable_empty_final_response\":true"), LOSS_UNKNOWN_FIELD,
		 "triton_enable_empty_final_response",
		 "parameters.triton_enable_empty_final_response is not supported: names with "
		 "\"triton_\" are reserved"},
		{PARAMETERS("\"sequence_id\":1"), LOSS_UNKNOWN_FIELD, "sequence_id",
		 "parameters.sequence_id is not supported: the losses are stateless and know no "
		 "sequences"},
		{PARAMETERS("\"sequence_start\":true"), LOSS_UNKNOWN_FIELD, "sequence_start",
		 "parameters.sequence_start is not supported: the losses are stateless and know no "
		 "sequences"},
		{PARAMETERS("\"reduction\":\"sum\",\"reduction\":\"sum\""), LOSS_DUPLICATE_FIELD,
		 "reduction", "parameters.reduction is given twice; give it once"},
		{PARAMETERS("\"timeout\":1,\"timeout\":2"), LOSS_DUPLICATE_FIELD, "timeout",
		 "parameters.timeout is given twice; give it once"},
		{PARAMETERS("\"reduction\":[\"sum\"]"), LOSS_WRONG_TYPE, "reduction",
		 "reduction is an array, but must be a string"},
		{PARAMETERS("\"ignore_index\":1.0"), LOSS_WRONG_TYPE, "ignore_index",
		 "ignore_index is 1.0, but must be an integer, without fraction or exponent"},
		{PARAMETERS("\"label_smoothing\":1.1"), LOSS_ARGUMENT_OUT_OF_RANGE,
		 "label_smoothing", "label_smoothing is 1.1, but must be 0 to 1"},
		{PARAMETERS("\"timeout\":1.5"), LOSS_WRONG_TYPE, "timeout",
		 "parameters.timeout is 1.5, but must be an integer, without fraction or exponent"},
		{PARAMETERS("\"timeout\":-1"), LOSS_ARGUMENT_OUT_OF_RANGE, "timeout",
		 "parameters.timeout is -1, but must be 0 to 18446744073709551615"},
		{PARAMETERS("\"timeout\":18446744073709551616"), LOSS_ARGUMENT_OUT_OF_RANGE,
		 "timeout",
		 "parameters.timeout is 18446744073709551616, but must be 0 to "
		 "18446744073709551615"},
		{PARAMETERS("\"timeout\":3600000001"), LOSS_ARGUMENT_OUT_OF_RANGE, "timeout",
		 "parameters.timeout is 3600000001 microseconds, but must be at most 3600000000 "
		 "(an "
		 "hour)"},
		{PARAMETERS("\"priority\":\"high\""), LOSS_WRONG_TYPE, "priority",
		 "parameters.priority is \"high\", but must be an integer, without fraction or "
		 "exponent"},
		{PARAMETERS("\"binary_data_output\":1"), LOSS_WRONG_TYPE, "binary_data_output",
		 "parameters.binary_data_output is 1, but must be true or false"},
		{PARAMETERS("\"label_smoothing\":NaN"), STATUS_INVALID_JSON, "",
		 "line 1, column 179: found 'N', but NaN may stand in tensors only, and Python's "
		 "None is null"},
	};
	oip_check_refused(cases, COUNT(cases));
	assert_refused(&(struct decode_options){.create = oip_in_create, .query = "reduction=sum"},
		       PARAMETERS("\"reduction\":\"sum\""), LOSS_DUPLICATE_FIELD, "reduction",
		       "reduction is given twice; give it once");
	assert_refused(&(struct decode_options){.create = oip_in_create, .query = "outputs=loss"},
		       OUTPUTS("{\"name\":\"loss\"}"), LOSS_DUPLICATE_FIELD, "outputs",
		       "outputs is given twice; give it once");
}

static void test_long_id(void **state)
{
	(void)state;
	char body[1000];
	for (int n = 256; n <= 257; n++) {
		snprintf(body, sizeof body, REQUEST("\"id\":\"%0*d\""), n, 7);
		if (n == 256)
			assert_decodes(&plain, body, TEXT);
		else
			assert_refused(&plain, body, LOSS_ARGUMENT_OUT_OF_RANGE, "id",
				       "id is longer than the limit of 256 bytes");
	}
}

static void test_output_faults(void **state)
{
	(void)state;
	static const struct oip_refused cases[] = {
		{OUTPUTS("{}"), LOSS_MISSING_FIELD, "outputs", "outputs[0].name is missing"},
		{OUTPUTS("{\"name\":[1]}"), LOSS_WRONG_TYPE, "outputs",
		 "outputs[0].name is an array, but must be a string such as \"loss\""},
		{OUTPUTS("{\"name\":\"loss\",\"datatype\":\"FP32\"}"), LOSS_UNKNOWN_FIELD,
		 "outputs",
		 "outputs[0] has no member \"datatype\": an output has name and parameters"},
		{OUTPUTS("{\"name\":\"loss\",\"name\":\"loss\"}"), LOSS_DUPLICATE_FIELD, "outputs",
		 "outputs[0].name is given twice; give it once"},
		{OUTPUTS("{\"name\":\"loss\",\"parameters\":[]}"), LOSS_WRONG_TYPE, "outputs",
		 "outputs[0].parameters is an array, but must be an object"},
		{OUTPUTS("{\"name\":\"loss\"},{\"name\":\"grads\"}"), LOSS_ARGUMENT_OUT_OF_RANGE,
		 "outputs",
		 "outputs[1] is \"grads\", which cross_entropy does not have; use \"grad\": the "
		 "gradient with respect to the first tensor, times grad_output if given"},
		{OUTPUTS("{\"name\":\"loss\"},{\"name\":\"loss\"}"), LOSS_ARGUMENT_OUT_OF_RANGE,
		 "outputs", "outputs[1] is \"loss\", which is asked for twice"},
		{OUTPUT("\"classification\":3"), LOSS_UNKNOWN_FIELD, "classification",
		 "outputs[0].parameters.classification is not supported: outputs are tensors; ask "
		 "for \"predicted\" instead"},
		{OUTPUT("\"binary_data_size\":3"), LOSS_UNKNOWN_FIELD, "binary_data_size",
		 "outputs[0].parameters.binary_data_size is unknown; it stands in an input's "
		 "parameters"},
		{OUTPUT("\"binary_data\":\"yes\""), LOSS_WRONG_TYPE, "binary_data",
		 "outputs[0].parameters.binary_data is \"yes\", but must be true or false"},
		{OUTPUT("\"binary_data\":true,\"shared_memory_region\":\"a\","
			"\"shared_memory_byte_size\":4"),
		 LOSS_DUPLICATE_FIELD, "outputs",
		 "outputs[0] has both binary_data and shared_memory_region: give one of them"},
		{OUTPUT("\"shared_memory_region\":\"a\""), LOSS_MISSING_FIELD, "outputs",
		 "outputs[0].parameters.shared_memory_byte_size is missing beside "
		 "shared_memory_region"},
		{OUTPUT("\"shared_memory_byte_size\":4"), LOSS_MISSING_FIELD, "outputs",
		 "outputs[0].parameters.shared_memory_region is missing: an offset and a byte size "
		 "are those of a region"},
	};
	oip_check_refused(cases, COUNT(cases));
}

/* Where an output goes is looked at when it is known what it is: when the problem is planned. */
static void test_places_of_outputs(void **state)
{
	(void)state;
	static const struct oip_refused cases[] = {
		{OUTPUT("\"shared_memory_region\":\"a\",\"shared_memory_byte_size\":4"),
		 LOSS_ARGUMENT_OUT_OF_RANGE, "loss",
		 "loss is in the shared memory region \"a\", but shared memory is switched off on "
		 "this server"},
		{OUTPUT("\"shared_memory_region\":\"a\",\"shared_memory_byte_size\":3"),
		 LOSS_SHAPE_MISMATCH, "loss",
		 "loss needs 4 bytes, but its shared_memory_byte_size is 3"},
	};
	const struct evaluation_kind kind = {.loss = loss_find("cross_entropy", 13),
					     .media = &protocol_v2.requests[0],
					     .format = &protocol_v2.replies[0],
					     .limits = {1000, 8, 1000, false}};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loss_arena *arena = loss_arena_create(NULL);
		struct timings timings = {0};
		struct loss_error err = {0};
		char pointer[64];
		struct evaluation *e = evaluation_create(&kind, arena, &timings);
		assert_non_null(e);
		assert_int_equal(evaluation_query(e, "", 0, &err), LOSS_OK);
		evaluation_feed(e, (const unsigned char *)cases[i].body, strlen(cases[i].body));
		assert_int_equal(evaluation_decode(e, &err), LOSS_OK);
		assert_int_equal(evaluation_plan(e, &err), cases[i].status);
		assert_string_equal(err.detail, cases[i].detail);
		e->decoder->pointer(e->decoder, &err, pointer, sizeof pointer);
		assert_string_equal(pointer, cases[i].pointer);
		evaluation_end(e);
		loss_arena_destroy(arena);
	}
}

static void test_many_outputs(void **state)
{
	(void)state;
	enum { N = 100000 };
	static const char one[] = "{\"name\":\"loss\"},";
	char *body = malloc(sizeof INPUTS + 64 + N * sizeof one);
	assert_non_null(body);
	char *p = body + sprintf(body, "{" INPUTS ",\"outputs\":[");
	for (int i = 0; i < N; i++)
		p += sprintf(p, "%s", one);
	sprintf(p, "{\"name\":\"grad\"}]}");
	struct decoder *decoder;
	struct loss_error err;
	struct loss_plan *plan;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	struct stream *stream =
		stream_create(&(struct stream_setup){.problem = problem, .arena = arena});
	assert_non_null(stream);
	decoder = oip_in_create(&(struct decoder_setup){.problem = problem,
							.arena = arena,
							.sink = stream_sink(stream),
							.limits = {1000, 8, 1000, false}});
	decoder->feed(decoder, (const unsigned char *)body, strlen(body));
	assert_int_equal(decoder->finish(decoder, &err), LOSS_OK);
	assert_int_equal(loss_plan_create(problem, arena, &plan, &err), LOSS_ARGUMENT_OUT_OF_RANGE);
	assert_string_equal(err.detail, "outputs[1] is \"loss\", which is asked for twice");
	loss_arena_destroy(arena);
	free(body);
}

/* Of several faults the lowest status is reported, and syntax before all. */
static void test_precedence(void **state)
{
	(void)state;
	static const struct oip_refused cases[] = {
		{"{\"inputs\":[{\"name\":\"logit\"}],\"a\":tru}", STATUS_INVALID_JSON, "",
		 "line 1, column 37: found '}', but true is expected"},
		{"{\"inputs\":[{\"name\":\"logits\",\"shape\":[-1],\"datatype\":\"X\",\"data\":[[1]"
		 ","
		 "[1,2]],\"foo\":1}]}",
		 LOSS_UNKNOWN_FIELD, "logits",
		 "logits has no member \"foo\"; there are name, datatype, shape, parameters and "
		 "data"},
		{"{\"inputs\":[{\"name\":\"logits\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":["
		 "1]"
		 "}],\"parameters\":{\"reduction\":5}}",
		 LOSS_WRONG_TYPE, "reduction", "reduction is 5, but must be a string"},
		{"{\"inputs\":[{\"name\":\"logits\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":["
		 "1]"
		 "}]}",
		 LOSS_MISSING_FIELD, "targets",
		 "inputs has no targets, but cross_entropy needs it"},
	};
	oip_check_refused(cases, COUNT(cases));
}

/* What fills no tensor costs no memory, and is not read for ever. */
static void test_idle_tokens(void **state)
{
	(void)state;
	static const char *const bodies[][2] = {
		{"{\"outputs\":[", "{},"},
		{"{\"inputs\":[", "[],"},
		{"{\"inputs\":[{\"shape\":[", "7,"},
		{"{\"parameters\":{", "\"a\":[],"},
	};
	char chunk[65536];
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct loss_arena *arena = loss_arena_create(NULL);
		struct loss_problem *problem =
			loss_problem_create(loss_find("cross_entropy", 13), arena);
		struct decoder *decoder = oip_in_create(&(struct decoder_setup){
			.problem = problem, .arena = arena, .limits = {1000, 8, 1000, false}});
		struct loss_error err;
		size_t n = strlen(bodies[i][1]), fits = sizeof chunk / n;
		for (size_t k = 0; k < fits; k++)
			memcpy(chunk + k * n, bodies[i][1], n);
		decoder->feed(decoder, (const unsigned char *)bodies[i][0], strlen(bodies[i][0]));
		size_t held = loss_arena_held(arena);
		for (size_t done = 0; done < (size_t)1 << 24; done += fits)
			decoder->feed(decoder, (const unsigned char *)chunk, fits * n);
		decoder->feed(decoder, (const unsigned char *)"this is no JSON", 15);
		assert_int_not_equal(decoder->finish(decoder, &err), STATUS_INVALID_JSON);
		assert_true(loss_arena_held(arena) <= held + 65536);
		loss_arena_destroy(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),           cmocka_unit_test(test_request_faults),
		cmocka_unit_test(test_parameter_faults),  cmocka_unit_test(test_long_id),
		cmocka_unit_test(test_places_of_outputs), cmocka_unit_test(test_output_faults),
		cmocka_unit_test(test_many_outputs),      cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_idle_tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
