/* Texts that Open Inference Protocol requests are put together from. */
#ifndef TESTS_SUPPORT_OIP_H
#define TESTS_SUPPORT_OIP_H

#include "../../server/codec/oip/oip_in.h"
#include "decoded.h"

/* Two rows of three classes, and their targets. */
#define LOGITS "{\"name\":\"logits\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,6]}"
#define TARGETS "{\"name\":\"targets\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[0,2]}"
#define INPUTS "\"inputs\":[" LOGITS "," TARGETS "]"
#define INPUTS_AND(more) "\"inputs\":[" LOGITS "," TARGETS "," more "]"
#define TEXT "logits F32 (2, 3): 1 2 3 4 5 6\ntargets I64 (2): 0 2\n"
/* An input whose members end differently. */
#define LOGITS_WITH(rest) "{\"inputs\":[{\"name\":\"logits\"," rest "}," TARGETS "]}"
#define SHAPED "\"shape\":[2,3],\"datatype\":\"FP32\","
#define PARAMETERS_OF_INPUT(rest) LOGITS_WITH(SHAPED "\"parameters\":{" rest "}")
#define REQUEST(rest) "{" INPUTS "," rest "}"
#define PARAMETERS(rest) REQUEST("\"parameters\":{" rest "}")
#define OUTPUTS(rest) REQUEST("\"outputs\":[" rest "]")
#define OUTPUT(rest) OUTPUTS("{\"name\":\"loss\",\"parameters\":{" rest "}}")

/* An input whose bytes come after the document. */
#define RAW(name, datatype, shape, size)                                                           \
	"{\"name\":\"" name "\",\"datatype\":\"" datatype "\",\"shape\":" shape                    \
	",\"parameters\":{\"binary_data_size\":" size "}}"
#define RAW_LOGITS RAW("logits", "FP32", "[2,3]", "24")
#define RAW_TARGETS RAW("targets", "INT64", "[2]", "16")

struct oip_refused {
	const char *body;
	loss_status status;
	const char *pointer, *detail;
};

/* Each is decoded and planned, and refused. */
static inline void oip_check_refused(const struct oip_refused *cases, size_t n)
{
	static const struct decode_options options = {.create = oip_in_create, .plan = 1};
	for (size_t i = 0; i < n; i++)
		assert_refused(&options, cases[i].body, cases[i].status, cases[i].pointer,
			       cases[i].detail);
}

#endif
