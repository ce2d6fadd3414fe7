/*
 * The headers of all arrays are read first, since what is expected must be known before any bytes
 * come; then the arrays pass into the sink, the loss's input last, so that rows can be evaluated as
 * they come.
 */
#include "numpy_in.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/signature.h"
#include "npy.h"
#include "status/fault.h"
#include "zip.h"

#define ENDING ".npy"
#define SWAP_BYTES ((size_t)4096)

/* A tensor that comes. */
struct array {
	struct zip_member member; /* of an archive, or all of a file */
	struct npy npy;
	bool present;
};

struct numpy_in {
	struct decoder decoder; /* first: it is what the caller holds */
	struct decoder_setup setup;
	const struct loss_info *loss;
	struct loss_buffer *fed;
	const unsigned char *archive; /* NULL: arrays were set */
	size_t archive_bytes;
	struct fault fault;
	struct array arrays[LOSS_N_ROLES]; /* by the loss's tensors */
	void (*release)(void);             /* NULL: nobody asks */
	size_t passed;                     /* bytes since it was called */
};

static struct numpy_in *in_of(struct decoder *decoder)
{
	return (struct numpy_in *)(void *)decoder;
}

/* ---------------------------------------------------------------- the members of an archive */

static void note_unknown(struct numpy_in *in, const char *name, size_t n)
{
	const struct loss_place place = {
		.loss = in->loss,
		.kinds = LOSS_NAME_TENSOR,
		.to_arguments = "give it as an option",
		.to_outputs = "name it in --outputs",
	};
	struct loss_error *err = fault_claim(&in->fault, LOSS_UNKNOWN_FIELD);
	char hint[LOSS_HINT_CHARS];
	if (!err)
		return;
	loss_hint_name(&place, name, n, hint, sizeof hint);
	loss_fail(err, LOSS_UNKNOWN_FIELD, NULL,
		  "%s has no tensor \"%.*s\", which is in the archive; %s; "
		  "numpy.savez(FILE, %s=..., ...) names arrays",
		  in->loss->name, (int)(n < 60 ? n : 60), name, hint, in->loss->tensors[0].name);
}

static void take_member(struct numpy_in *in, const struct zip_member *member)
{
	size_t n = strlen(member->name), ending = sizeof ENDING - 1;
	if (n > ending && strcmp(member->name + n - ending, ENDING) == 0)
		n -= ending;
	int i = loss_find_tensor(in->loss, member->name, n);
	if (i < 0)
		note_unknown(in, member->name, n);
	else if (in->arrays[i].present)
		loss_fail(fault_claim(&in->fault, LOSS_DUPLICATE_FIELD), LOSS_DUPLICATE_FIELD,
			  in->loss->tensors[i].name, "%s is in the archive twice; give it once",
			  in->loss->tensors[i].name);
	else
		in->arrays[i] = (struct array){.member = *member, .present = true};
}

static void refuse_archive(struct numpy_in *in, struct loss_error *err)
{
	struct beginning beginning = {.n = 0};
	beginning_feed(&beginning, in->archive, in->archive_bytes);
	if (in->archive_bytes == 0)
		loss_fail(err, STATUS_EMPTY_BODY, NULL, "the file is empty");
	else if (in->archive_bytes < 4 || memcmp(in->archive, "PK", 2) != 0)
		signature_tell(&beginning, "npz", true, err);
	fault_note(&in->fault, err->status, err);
}

static void open_archive(struct numpy_in *in)
{
	struct zip zip;
	struct loss_error err;
	if (zip_open(&zip, in->archive, in->archive_bytes, in->setup.arena, &err) != LOSS_OK) {
		refuse_archive(in, &err);
		return;
	}
	for (size_t i = 0; i < zip.n; i++)
		take_member(in, &zip.members[i]);
}

/* ---------------------------------------------------------------- headers */

static bool keep_beginning(void *context, const unsigned char *bytes, size_t n)
{
	struct loss_buffer *buffer = context;
	size_t room = NPY_BEGINNING_MAX - buffer->size;
	return loss_buffer_append(buffer, bytes, n < room ? n : room) &&
	       buffer->size < NPY_BEGINNING_MAX;
}

static loss_status check_size(const struct array *array, const char *field, struct loss_error *err)
{
	uint64_t has = array->member.bytes - array->npy.header_bytes;
	if (has < array->npy.bytes)
		return loss_fail(err, STATUS_TRUNCATED_BODY, field,
				 "%s ends after %" PRIu64 " of the array's %" PRIu64 " bytes",
				 array->member.name, has, array->npy.bytes);
	if (has > array->npy.bytes)
		return loss_fail(err, STATUS_INVALID_ENCODING, field,
				 "%s has %" PRIu64 " bytes after the array's %" PRIu64
				 ", which belong to none",
				 array->member.name, has - array->npy.bytes, array->npy.bytes);
	return LOSS_OK;
}

static loss_status read_header(struct numpy_in *in, size_t i, struct loss_error *err)
{
	struct array *array = &in->arrays[i];
	const char *field = in->loss->tensors[i].name;
	struct loss_buffer *buffer = loss_buffer_create(in->setup.arena);
	if (!buffer)
		return loss_arena_failure(in->setup.arena, err);
	/* A checksum is of all of it. */
	struct zip_member member = array->member;
	member.is_checked = false;
	loss_status status = zip_read(&member, in->setup.arena, keep_beginning, buffer, err);
	if (status == LOSS_OK)
		status = npy_read(&array->npy, buffer->data, buffer->size, field,
				  array->member.name, &in->setup.limits, err);
	loss_buffer_release(buffer);
	return status == LOSS_OK ? check_size(array, field, err) : status;
}

/* ---------------------------------------------------------------- elements */

/* An array's bytes on their way to the sink. */
struct passing {
	struct numpy_in *in;
	struct sink *sink;
	size_t skip;  /* bytes of the header that are still to come */
	size_t width; /* of elements whose bytes are turned round; 1: of none */
	size_t n;     /* bytes that are turned */
	unsigned char turned[SWAP_BYTES];
};

static void turn(struct passing *passing, const unsigned char *bytes, size_t n)
{
	size_t width = passing->width;
	for (size_t i = 0; i < n; i++) {
		size_t within = passing->n % width;
		passing->turned[passing->n - within + (width - 1 - within)] = bytes[i];
		if (++passing->n == SWAP_BYTES) {
			passing->sink->feed(passing->sink, passing->turned, SWAP_BYTES);
			passing->n = 0;
		}
	}
}

/* Bytes that have been passed need not stay. */
#define RELEASED_BYTES ((size_t)16 << 20)

static void count_passed(struct numpy_in *in, size_t n)
{
	in->passed += n;
	if (!in->release || in->passed < RELEASED_BYTES)
		return;
	in->passed = 0;
	in->release();
}

static bool pass(void *context, const unsigned char *bytes, size_t n)
{
	struct passing *passing = context;
	size_t skipped = n < passing->skip ? n : passing->skip;
	passing->skip -= skipped;
	if (passing->width > 1)
		turn(passing, bytes + skipped, n - skipped);
	else if (n > skipped)
		passing->sink->feed(passing->sink, bytes + skipped, n - skipped);
	count_passed(passing->in, n);
	return true;
}

static loss_status pass_array(struct numpy_in *in, size_t i, struct loss_error *err)
{
	const struct array *array = &in->arrays[i];
	struct passing passing = {.in = in,
				  .sink = in->setup.sink,
				  .skip = array->npy.header_bytes,
				  .width = array->npy.swapped};
	loss_status status = zip_read(&array->member, in->setup.arena, pass, &passing, err);
	if (passing.n > 0)
		in->setup.sink->feed(in->setup.sink, passing.turned, passing.n);
	return status;
}

/* ---------------------------------------------------------------- the whole */

/* The k-th to come: the input, which is the first tensor, comes last. */
static size_t nth(const struct numpy_in *in, size_t k)
{
	return (k + 1) % in->loss->n_tensors;
}

static void note_missing(struct numpy_in *in)
{
	for (size_t i = 0; i < in->loss->n_tensors; i++) {
		const struct loss_tensor_info *info = &in->loss->tensors[i];
		if (info->required && !in->arrays[i].present)
			loss_fail(fault_claim_field(&in->fault, LOSS_MISSING_FIELD, info->name),
				  LOSS_MISSING_FIELD, info->name, "%s is missing, but %s needs it",
				  info->name, in->loss->name);
	}
}

static void read_headers(struct numpy_in *in)
{
	struct loss_error err;
	for (size_t i = 0; i < in->loss->n_tensors; i++)
		if (in->arrays[i].present)
			fault_note(&in->fault, read_header(in, i, &err), &err);
}

/* Whether numbers can be read from where the array lies; integers and booleans, which are checked
 * and then relied on, are copied, for others may write to the file meanwhile. */
static bool lies(const struct array *array)
{
	const struct loss_dtype_traits *dtype = loss_dtype_info(array->npy.tensor.dtype);
	uintptr_t address = (uintptr_t)array->member.data + array->npy.header_bytes;
	return !array->member.coding && !array->member.is_checked && array->npy.swapped == 1 &&
	       dtype->dtype_class == LOSS_CLASS_FLOAT && address % dtype->size == 0;
}

static void set_array(struct numpy_in *in, size_t i)
{
	union {
		const void *in;
		void *out;
	} data = {.in = in->arrays[i].member.data + in->arrays[i].npy.header_bytes};
	struct loss_tensor tensor = in->arrays[i].npy.tensor;
	struct loss_error err;
	tensor.data = data.out; /* it is only read */
	fault_note(&in->fault, in->setup.sink->set(in->setup.sink, i, &tensor, &err), &err);
}

static void pass_arrays(struct numpy_in *in)
{
	struct sink *sink = in->setup.sink;
	struct loss_error err;
	bool passes[LOSS_N_ROLES] = {false};
	for (size_t k = 0; k < in->loss->n_tensors; k++) {
		size_t i = nth(in, k);
		passes[i] = in->arrays[i].present && !lies(&in->arrays[i]);
		if (passes[i])
			sink->expect(sink, i, &in->arrays[i].npy.tensor);
		else if (in->arrays[i].present)
			set_array(in, i);
	}
	sink->begin(sink);
	for (size_t k = 0; k < in->loss->n_tensors && in->fault.error.status == LOSS_OK; k++)
		if (passes[nth(in, k)])
			fault_note(&in->fault, pass_array(in, nth(in, k), &err), &err);
}

static loss_status finish(struct decoder *decoder, struct loss_error *err)
{
	struct numpy_in *in = in_of(decoder);
	bool is_set = false;
	for (size_t i = 0; i < LOSS_N_ROLES; i++)
		is_set |= in->arrays[i].present;
	if (!in->archive && !is_set)
		numpy_in_set_archive(decoder, in->fed->data, in->fed->size);
	if (!is_set && in->fault.error.status == LOSS_OK)
		open_archive(in);
	if (!fault_is_fatal(&in->fault))
		read_headers(in);
	if (in->fault.error.status == LOSS_OK ||
	    status_precedes(LOSS_MISSING_FIELD, in->fault.error.status))
		note_missing(in);
	if (in->fault.error.status == LOSS_OK)
		pass_arrays(in);
	return fault_report(&in->fault, err);
}

static void feed(struct decoder *decoder, const unsigned char *bytes, size_t n)
{
	struct numpy_in *in = in_of(decoder);
	if (in->fault.error.status == LOSS_OK && !loss_buffer_append(in->fed, bytes, n))
		fault_note_memory(&in->fault, in->setup.arena);
}

static void pointer(const struct decoder *decoder, const struct loss_error *err, char *out,
		    size_t size)
{
	(void)decoder;
	snprintf(out, size, "%s", err->field);
}

void numpy_in_set_archive(struct decoder *decoder, const unsigned char *bytes, size_t n)
{
	struct numpy_in *in = in_of(decoder);
	in->archive = bytes;
	in->archive_bytes = n;
}

void numpy_in_set_release(struct decoder *decoder, void (*release)(void))
{
	in_of(decoder)->release = release;
}

void numpy_in_set_array(struct decoder *decoder, size_t i, const char *label,
			const unsigned char *bytes, size_t n)
{
	struct array *array = &in_of(decoder)->arrays[i];
	array->member = (struct zip_member){.name = label, .data = bytes, .coded = n, .bytes = n};
	array->present = true;
}

struct decoder *numpy_in_create(const struct decoder_setup *setup)
{
	struct numpy_in *in = loss_arena_array(setup->arena, struct numpy_in, 1);
	if (!in)
		return NULL;
	memset(in, 0, sizeof *in);
	in->decoder = (struct decoder){.feed = feed, .finish = finish, .pointer = pointer};
	in->setup = *setup;
	in->fault.arena = setup->arena;
	in->loss = loss_problem_info(setup->problem);
	in->fed = loss_buffer_create(setup->arena);
	return in->fed ? &in->decoder : NULL;
}
