/*
 * Eight bytes of header length, the header, the tensors: each in its turn, in pieces of any size.
 * Once something is wrong the rest is only counted, for a body that is cut is reported as such.
 */
#include "safetensors_in.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/signature.h"
#include "safetensors_header.h"
#include "status/status.h"

#define LENGTH_BYTES 8

enum part { PART_LENGTH, PART_HEADER, PART_TENSORS, PART_LOST };

struct safetensors_in {
	struct decoder decoder; /* first: it is what the caller holds */
	struct decoder_setup setup;
	struct safetensors_header header;
	bool wanted; /* the tensors; else an error is known, and they are only counted */
	bool lies;   /* the body lies in memory as a whole: nothing is passed to the sink */

	enum part part; /* where the next byte belongs */
	uint64_t done;  /* bytes of it */
	uint64_t header_bytes;
	uint64_t extra; /* bytes after the last tensor */
	struct beginning beginning;
	bool foreign; /* it does not begin as the format does */
};

/* ---------------------------------------------------------------- errors */

/* The body does not begin as it must, and nothing tells what the following bytes are. */
static void lose(struct safetensors_in *in, const struct loss_error *err)
{
	fault_note(&in->header.fault.kept, err->status, err);
	in->part = PART_LOST;
	in->foreign = true;
}

/* ---------------------------------------------------------------- the header's length */

static void check_length(struct safetensors_in *in)
{
	struct loss_error err;
	uint64_t n = in->header_bytes, most = in->setup.limits.max_header_bytes;
	uint64_t swapped = __builtin_bswap64(n);
	if (n > 0 && n <= most) {
		in->part = PART_HEADER;
		in->done = 0;
		return;
	}
	if (n == 0)
		loss_fail(
			&err, STATUS_INVALID_SAFETENSORS, NULL,
			"the header's length, the first 8 bytes of the body, is 0, but a header is "
			"at least {}");
	else if (swapped > 0 && swapped <= most)
		loss_fail(&err, STATUS_INVALID_SAFETENSORS, NULL,
			  "the header's length, the first 8 bytes of the body, is %" PRIu64
			  " as it must be read, little-endian, and %" PRIu64
			  " the other way round: "
			  "write it, and the tensors, little-endian",
			  n, swapped);
	else
		loss_fail(&err, STATUS_INVALID_SAFETENSORS, NULL,
			  "the header's length, the first 8 bytes of the body, is %" PRIu64
			  ", but %s limit (max_header_bytes) is %" PRIu64,
			  n, decoder_limits_owner(&in->setup.limits), most);
	lose(in, &err);
}

static size_t read_length(struct safetensors_in *in, const unsigned char *bytes, size_t n)
{
	size_t used = 0;
	for (; used < n && in->done < LENGTH_BYTES; used++, in->done++)
		in->header_bytes |= (uint64_t)bytes[used] << (8 * in->done);
	if (in->done == LENGTH_BYTES)
		check_length(in);
	return used;
}

/* ---------------------------------------------------------------- the header */

static void expect_tensors(struct safetensors_in *in)
{
	const struct safetensors_header *header = &in->header;
	struct sink *sink = in->setup.sink;
	for (size_t k = 0; k < safetensors_header_count(header); k++) {
		int i = safetensors_header_at(header, k)->i;
		if (i >= 0)
			sink->expect(sink, (size_t)i, &header->tensors[i]);
	}
	sink->begin(sink);
	in->wanted = true;
}

static void end_header(struct safetensors_in *in)
{
	safetensors_header_finish(&in->header);
	loss_status status = in->header.fault.kept.error.status;
	in->part = status_precedes(STATUS_TRUNCATED_BODY, status) ? PART_TENSORS : PART_LOST;
	in->done = 0;
	if (in->lies)
		return;
	if (status == LOSS_OK)
		expect_tensors(in);
	else
		loss_arena_release_buffers(in->setup.arena);
}

static size_t read_header(struct safetensors_in *in, const unsigned char *bytes, size_t n)
{
	struct loss_error err;
	uint64_t left = in->header_bytes - in->done;
	size_t part = n < left ? n : (size_t)left;
	if (in->done == 0 && bytes[0] != '{') {
		loss_fail(&err, STATUS_INVALID_SAFETENSORS, NULL,
			  "the header begins with the byte 0x%02x, but must with { (0x7b)",
			  bytes[0]);
		lose(in, &err);
		return part;
	}
	safetensors_header_feed(&in->header, bytes, part);
	in->done += part;
	if (in->done == in->header_bytes)
		end_header(in);
	return part;
}

/* ---------------------------------------------------------------- the tensors */

static void read_tensors(struct safetensors_in *in, const unsigned char *bytes, size_t n)
{
	uint64_t left = in->header.data_bytes - in->done;
	size_t part = n < left ? n : (size_t)left;
	if (in->wanted)
		in->setup.sink->feed(in->setup.sink, bytes, part);
	in->done += part;
	in->extra += n - part;
}

/* ---------------------------------------------------------------- the decoder */

static void feed(struct decoder *decoder, const unsigned char *bytes, size_t n)
{
	struct safetensors_in *in = (struct safetensors_in *)decoder;
	size_t used = 0;
	beginning_feed(&in->beginning, bytes, n);
	while (used < n && in->part == PART_LENGTH)
		used += read_length(in, bytes + used, n - used);
	while (used < n && in->part == PART_HEADER)
		used += read_header(in, bytes + used, n - used);
	if (used < n && in->part == PART_TENSORS)
		read_tensors(in, bytes + used, n - used);
}

static void check_end(struct safetensors_in *in)
{
	struct loss_error err = {0};
	uint64_t header = in->header_bytes, data = in->header.data_bytes;
	if (in->part == PART_LENGTH && in->done == 0)
		loss_fail(&err, STATUS_EMPTY_BODY, NULL, "the body is empty");
	else if (in->part == PART_LENGTH)
		loss_fail(&err, STATUS_TRUNCATED_BODY, NULL,
			  "the body has %" PRIu64 " bytes, but begins with 8 of header length",
			  in->done);
	else if (in->part == PART_HEADER)
		loss_fail(&err, STATUS_TRUNCATED_BODY, NULL,
			  "the body ends after %" PRIu64 " of the header's %" PRIu64 " bytes",
			  in->done, header);
	else if (in->part == PART_TENSORS && in->done < data)
		loss_fail(&err, STATUS_TRUNCATED_BODY, NULL,
			  "the body ends after %" PRIu64 " of the tensors' %" PRIu64 " bytes",
			  in->done, data);
	else if (in->extra > 0)
		loss_fail(&err, STATUS_INVALID_SAFETENSORS, NULL,
			  "the body has %" PRIu64 " bytes after the last tensor's end at %" PRIu64
			  ", which belong to none",
			  in->extra, data);
	fault_note(&in->header.fault.kept, err.status, &err);
}

static loss_status finish(struct decoder *decoder, struct loss_error *err)
{
	struct safetensors_in *in = (struct safetensors_in *)decoder;
	struct fault *fault = &in->header.fault.kept;
	check_end(in);
	if (in->foreign || in->part == PART_LENGTH)
		signature_tell(&in->beginning, "safetensors", in->setup.limits.of_eval,
			       &fault->error);
	return fault_report(fault, err);
}

/* Tensors have no places that a reader could count to: their names are all there is to point at. */
static void pointer(const struct decoder *decoder, const struct loss_error *err, char *out,
		    size_t size)
{
	(void)decoder;
	snprintf(out, size, "%s", err->field);
}

/* ---------------------------------------------------------------- where it lies */

/* Others may write to the file meanwhile: what is checked and then relied on is copied. Any number
 * will do for a number. */
static const void *hold(struct safetensors_in *in, const struct loss_tensor *tensor,
			const unsigned char *bytes)
{
	const struct loss_dtype_traits *dtype = loss_dtype_info(tensor->dtype);
	bool aligned = (uintptr_t)bytes % dtype->size == 0;
	if (aligned && dtype->dtype_class == LOSS_CLASS_FLOAT)
		return bytes;
	void *copy = loss_arena_alloc(in->setup.arena, tensor->count, dtype->size);
	return copy ? memcpy(copy, bytes, tensor->count * dtype->size) : NULL;
}

static void set_tensor(struct safetensors_in *in, size_t i, const unsigned char *bytes)
{
	union {
		const void *in;
		void *out;
	} data = {.in = hold(in, &in->header.tensors[i], bytes)}; /* it is only read */
	struct loss_tensor *tensor = &in->header.tensors[i];
	struct loss_error err;
	tensor->data = data.out;
	if (!data.in)
		fault_note_memory(&in->header.fault.kept, in->setup.arena);
	else
		fault_note(&in->header.fault.kept,
			   in->setup.sink->set(in->setup.sink, i, tensor, &err), &err);
}

void safetensors_in_set(struct decoder *decoder, const unsigned char *bytes, size_t n)
{
	struct safetensors_in *in = (struct safetensors_in *)(void *)decoder;
	const struct safetensors_header *header = &in->header;
	in->lies = true;
	feed(decoder, bytes, n);
	if (in->part != PART_TENSORS || in->done < header->data_bytes ||
	    header->fault.kept.error.status != LOSS_OK)
		return;
	const unsigned char *data = bytes + LENGTH_BYTES + in->header_bytes;
	for (size_t k = 0; k < safetensors_header_count(header); k++) {
		const struct safetensors_entry *entry = safetensors_header_at(header, k);
		if (entry->i >= 0)
			set_tensor(in, (size_t)entry->i, data + entry->begin);
	}
}

/* ---------------------------------------------------------------- one of several */

void safetensors_in_be_part(struct decoder *decoder, const char *name, size_t i)
{
	struct safetensors_header *header = &((struct safetensors_in *)(void *)decoder)->header;
	header->is_part = true;
	header->alias = name;
	header->alias_of = (int)i;
}

const struct safetensors_header *safetensors_in_header(const struct decoder *decoder)
{
	return &((const struct safetensors_in *)(const void *)decoder)->header;
}

struct decoder *safetensors_in_create(const struct decoder_setup *setup)
{
	struct safetensors_in *in = loss_arena_array(setup->arena, struct safetensors_in, 1);
	if (!in)
		return NULL;
	memset(in, 0, sizeof *in);
	in->decoder = (struct decoder){.feed = feed, .finish = finish, .pointer = pointer};
	in->setup = *setup;
	if (!safetensors_header_start(&in->header, &in->setup, &in->setup.limits))
		return NULL;
	return &in->decoder;
}
