/* The body as a whole: its document, the tensors after it, and those in shared memory. */
#include "oip_in.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/signature.h"
#include "codec/text/decimal.h"
#include "oip_request.h"
#include "shm/shm_uses.h"
#include "status/status.h"

#define HEADER_NAME "Inference-Header-Content-Length"
#define NS_PER_US 1000

struct oip_in {
	struct decoder decoder; /* first: it is what the caller holds */
	struct decoder_setup setup;

	/* Of a body with raw tensors. */
	bool framed;
	uint64_t document_bytes; /* of the body, what is JSON */
	uint64_t received;       /* of the body so far */
	bool document_done;      /* all of the document is here, and judged */
	bool unreadable;         /* it is not JSON, or is not read to its end */
	struct reply_wish wish;
	bool wanted; /* its raw tensors; else there are none, or an error is known */

	struct beginning beginning;
	struct oip_request request; /* last, for it begins all by itself */
};

static struct oip_in *in_of(struct decoder *decoder)
{
	return (struct oip_in *)decoder;
}

/* ---------------------------------------------------------------- the header */

static struct fault *fault_of(struct oip_in *in)
{
	return &in->request.fault.kept;
}

static loss_status read_header(struct oip_in *in, struct loss_error *err)
{
	const char *text = in->setup.header_length;
	uint64_t limit = in->setup.limits.max_header_bytes;
	if (!decimal_parse(text, strlen(text), &in->document_bytes))
		return loss_fail(err, STATUS_INVALID_HEADER, "",
				 HEADER_NAME " is \"%.40s\", but must be a number of bytes", text);
	if (in->document_bytes == 0)
		return loss_fail(err, STATUS_INVALID_HEADER, "",
				 HEADER_NAME
				 " is 0, the raw form of a single tensor, which needs a "
				 "model with one input; %s has %zu: send the JSON part",
				 in->request.loss->name, in->request.loss->n_tensors);
	if (in->document_bytes > limit)
		return loss_fail(err, STATUS_INVALID_HEADER, "",
				 HEADER_NAME
				 " is %.40s, but the limit (max_header_bytes) is %" PRIu64,
				 text, limit);
	return LOSS_OK;
}

/* ---------------------------------------------------------------- the tensors */

static loss_status expect_raw(struct oip_in *in, const struct oip_input *input,
			      const struct loss_tensor *tensor, struct loss_error *err)
{
	struct sink *sink = in->setup.sink;
	if (!in->framed && tensor->count == 0)
		return sink->set(sink, (size_t)input->tensor, tensor, err);
	if (!in->framed)
		return loss_fail(err, STATUS_INVALID_HEADER, input->label,
				 "%s is binary (its binary_data_size is %" PRIu64
				 "), but the request has no " HEADER_NAME
				 " header; it should be %" PRIu64 ", the bytes of the JSON part",
				 input->label, input->parameters.numbers[OIP_BINARY_DATA_SIZE],
				 in->request.scan.end);
	sink->expect(sink, (size_t)input->tensor, tensor);
	in->wanted = true;
	return LOSS_OK;
}

static loss_status set_input(struct oip_in *in, struct oip_input *input, struct loss_tensor *tensor,
			     struct loss_error *err)
{
	const struct loss_tensor_info *info = &in->request.loss->tensors[input->tensor];
	loss_status status = LOSS_OK;
	struct shm_use use;
	switch (oip_input_source(input)) {
	case OIP_IN_BINARY:
		return expect_raw(in, input, tensor, err);
	case OIP_IN_SHARED_MEMORY:
		use = oip_parameters_use(&input->parameters, info->name);
		status = shm_uses_read(in->setup.shared, &use, info->role == LOSS_ROLE_INPUT,
				       tensor, err);
		break;
	default:
		break;
	}
	if (status != LOSS_OK)
		return status;
	return in->setup.sink->set(in->setup.sink, (size_t)input->tensor, tensor, err);
}

static void set_inputs(struct oip_in *in)
{
	struct oip_request *request = &in->request;
	struct loss_tensor tensor;
	struct loss_error err;
	for (size_t i = 0; i < request->n_inputs && i < OIP_MAX_INPUTS; i++)
		if (oip_input_resolve(&request->inputs[i], &tensor))
			fault_note(fault_of(in), set_input(in, &request->inputs[i], &tensor, &err),
				   &err);
}

/* How the reply is wanted. */
static void tell_wishes(struct oip_in *in)
{
	const struct oip_parameters *all = &in->request.parameters;
	struct reply_wish *wish = &in->wish;
	bool binary = oip_parameters_has(all, OIP_BINARY_DATA_OUTPUT) &&
		      all->numbers[OIP_BINARY_DATA_OUTPUT];
	wish->id = in->request.id[0] != '\0' ? in->request.id : NULL;
	for (size_t i = 0; i < LOSS_MAX_OUTPUTS; i++) {
		const struct oip_parameters *own = oip_request_output(&in->request, i);
		struct output_wish *output = &wish->outputs[i];
		output->binary = own && oip_parameters_has(own, OIP_BINARY_DATA)
					 ? own->numbers[OIP_BINARY_DATA]
					 : binary;
		if (!own || !oip_parameters_has(own, OIP_REGION))
			continue;
		const struct shm_use use = oip_parameters_use(own, "");
		output->region = use.name;
		output->offset = use.offset;
		output->size = use.size;
	}
}

/* Bytes follow the document, which announces them, but the header does not. */
static loss_status header_missing(const struct oip_in *in, struct loss_error *err)
{
	return loss_fail(
		err, STATUS_INVALID_HEADER, "",
		"bytes follow the JSON part, as the inputs' binary_data_size announces, but "
		"the request has no " HEADER_NAME " header; it should be %" PRIu64
		", the bytes of the JSON part",
		in->request.scan.end);
}

/* The document ends before the header says. */
static void tell_length(const struct oip_in *in, struct loss_error *err)
{
	size_t n = strlen(err->detail);
	snprintf(err->detail + n, sizeof err->detail - n,
		 "; it ends after %" PRIu64 " bytes, but " HEADER_NAME " is %" PRIu64,
		 in->request.scan.end, in->document_bytes);
}

/* The document is complete. Raw tensors are only taken while nothing is wrong. */
static void end_document(struct oip_in *in)
{
	struct oip_request *request = &in->request;
	struct loss_error err;
	in->document_done = true;
	loss_status status = oip_request_finish(request, &err);
	if (status == STATUS_INVALID_JSON && !in->framed && request->scan.end > 0 &&
	    request->binary_bytes > 0)
		status = header_missing(in, &err);
	else if (status == STATUS_INVALID_JSON && in->framed && request->scan.end > 0)
		tell_length(in, &err);
	else if (status == STATUS_INVALID_JSON)
		signature_tell(&in->beginning, "json", in->setup.limits.of_eval, &err);
	fault_note(fault_of(in), status, &err);
	in->unreadable = status != LOSS_OK;
	if (in->unreadable)
		return;
	oip_request_settle(request);
	set_inputs(in);
	in->decoder.timeout_ns = oip_parameters_has(&request->parameters, OIP_TIMEOUT)
					 ? request->parameters.numbers[OIP_TIMEOUT] * NS_PER_US
					 : 0;
	tell_wishes(in);
	in->wanted = in->wanted && fault_of(in)->error.status == LOSS_OK;
	if (in->wanted)
		in->setup.sink->begin(in->setup.sink);
}

/* ---------------------------------------------------------------- the body */

static void feed_framed(struct oip_in *in, const unsigned char *bytes, size_t n)
{
	uint64_t left = in->document_bytes - in->received;
	size_t document = in->document_done ? 0 : left < n ? (size_t)left : n;
	in->received += document;
	if (document > 0)
		oip_request_feed(&in->request, bytes, document);
	if (!in->document_done && in->received == in->document_bytes)
		end_document(in);
	in->received += n - document;
	if (in->wanted)
		in->setup.sink->feed(in->setup.sink, bytes + document, n - document);
}

static void feed(struct decoder *decoder, const unsigned char *bytes, size_t n)
{
	struct oip_in *in = in_of(decoder);
	beginning_feed(&in->beginning, bytes, n);
	if (in->framed)
		feed_framed(in, bytes, n);
	else
		oip_request_feed(&in->request, bytes, n);
	/* Others may need it while the rest of this body is thrown away. */
	if (oip_request_is_dead(&in->request))
		loss_arena_release_buffers(in->setup.arena);
}

/* Whether the body has the bytes that its document announces. */
static void check_bytes(struct oip_in *in)
{
	struct loss_error err;
	uint64_t wanted = in->request.binary_bytes, got = in->received - in->document_bytes;
	if (in->request.binary_unknown || got == wanted)
		return;
	if (got < wanted)
		loss_fail(&err, STATUS_TRUNCATED_BODY, "",
			  "the sizes of the binary inputs add up to %" PRIu64
			  " bytes, but only %" PRIu64 " follow the JSON part of the body",
			  wanted, got);
	else
		loss_fail(&err, LOSS_SHAPE_MISMATCH, "",
			  "the sizes of the binary inputs add up to %" PRIu64 " bytes, but %" PRIu64
			  " follow the JSON part of the body",
			  wanted, got);
	fault_note(fault_of(in), err.status, &err);
}

static loss_status finish(struct decoder *decoder, struct loss_error *err)
{
	struct oip_in *in = in_of(decoder);
	if (!in->framed)
		end_document(in);
	else if (!in->document_done)
		loss_fail(fault_claim(fault_of(in), STATUS_INVALID_HEADER), STATUS_INVALID_HEADER,
			  "",
			  HEADER_NAME " is %" PRIu64 ", but the body has only %" PRIu64 " bytes",
			  in->document_bytes, in->received);
	else if (!in->unreadable)
		check_bytes(in);
	return fault_report(fault_of(in), err);
}

/* Errors go by the tensor's or argument's name. */
static void pointer(const struct decoder *decoder, const struct loss_error *err, char *out,
		    size_t size)
{
	(void)decoder;
	snprintf(out, size, "%s", err->field);
}

/* ---------------------------------------------------------------- the decoder */

struct decoder *oip_in_create(const struct decoder_setup *setup)
{
	struct oip_in *in = loss_arena_array(setup->arena, struct oip_in, 1);
	struct loss_error err;
	if (!in)
		return NULL;
	memset(in, 0, offsetof(struct oip_in, request));
	in->decoder = (struct decoder){
		.feed = feed,
		.finish = finish,
		.pointer = pointer,
		.wish = &in->wish,
	};
	in->setup = *setup;
	loss_problem_set_ones_are_scalars(setup->problem);
	oip_request_start(&in->request, setup);
	in->framed = setup->header_length != NULL;
	in->decoder.byte_ns = in->framed ? 0.0 : JSON_BYTE_NS; /* else most of it are bytes */
	if (in->framed)
		fault_note(fault_of(in), read_header(in, &err), &err);
	return &in->decoder;
}
